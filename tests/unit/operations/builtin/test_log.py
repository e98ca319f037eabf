"""node.log.*: what journalctl prints."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed, OperationNotSupported
from jobqueue.operations.registry import Registry
from tests.unit.operations.builtin.tools import Tools
from tests.unit.operations.conftest import Perform

QUERY, UNIT, SOURCES = "node.log.query", "node.log.queryUnit", "node.log.sources"
ENTRY = {
    "__REALTIME_TIMESTAMP": "1767225600000000",
    "_SYSTEMD_UNIT": "nginx.service",
    "PRIORITY": "6",
    "MESSAGE": "started",
    "_PID": "612",
    "_HOSTNAME": "web1",
}


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    return Tools(tmp_path / "bin", monkeypatch)


def test_entries(perform: Perform, tools: Tools) -> None:
    odd = {"SYSLOG_IDENTIFIER": "kernel", "MESSAGE": [104, 105, 255], "PRIORITY": "9"}
    tools.add("journalctl", f"{json.dumps(ENTRY)}\n{json.dumps(odd)}\n{{cut\n")
    data = {"lines": 5, "since": "-1h", "priority": "err"}
    assert perform(QUERY, data).data["entries"] == [
        {
            "timestamp": "2026-01-01T00:00:00.000Z",
            "unit": "nginx.service",
            "priority": "info",
            "message": "started",
            "pid": 612,
            "hostname": "web1",
        },
        {"timestamp": None, "unit": "kernel", "priority": None, "message": "hi\ufffd", "pid": None, "hostname": ""},
    ]
    assert tools.calls("journalctl") == ["--no-pager --quiet --lines=5 --output=json --since=-1h --priority=err"]


def test_entries_of_a_unit(perform: Perform, tools: Tools) -> None:
    tools.add("journalctl", json.dumps(ENTRY))
    assert len(perform(UNIT, {"name": "nginx"}).data["entries"]) == 1
    assert tools.calls("journalctl") == ["--no-pager --quiet --lines=100 --output=json --unit=nginx"]


@pytest.mark.parametrize(
    ("since", "passed"),
    [
        ("1h", "-1h"),
        ("1h 30min", "-1h 30min"),
        ("2 hours", "-2 hours"),
        ("1.5d", "-1.5d"),
        ("-1h", "-1h"),
        ("1h ago", "1h ago"),
        ("today", "today"),
        ("2026-01-01 12:00", "2026-01-01 12:00"),
        ("2026-01-01T12:00:00", "2026-01-01 12:00:00"),
        ("2026-01-01T00:00:00Z", "@1767225600"),
        ("2026-01-01T01:00:00.250+01:00", "@1767225600"),
        ("2026-13-01T00:00:00Z", "2026-13-01T00:00:00Z"),  # journalctl rejects it and names it
    ],
)
def test_times_that_only_newer_journals_know(perform: Perform, tools: Tools, since: str, passed: str) -> None:
    tools.add("journalctl")
    perform(QUERY, {"since": since})
    assert tools.calls("journalctl") == [f"--no-pager --quiet --lines=100 --output=json --since={passed}"]


@pytest.mark.skipif(shutil.which("journalctl") is None, reason="needs journalctl")
@pytest.mark.parametrize("since", ["1h", "1h 30min", "2 hours", "2026-01-01T12:00:00", "2026-01-01T00:00:00Z"])
def test_the_hosts_own_journalctl_takes_them(perform: Perform, since: str) -> None:
    assert isinstance(perform(QUERY, {"since": since}).data["entries"], list)


def test_sources(perform: Perform, tools: Tools) -> None:
    tools.add("journalctl", "sshd\nkernel\n\nsshd\n")
    assert perform(SOURCES).data == {"sources": ["kernel", "sshd"]}


def test_a_failure_is_quoted(perform: Perform, tools: Tools) -> None:
    tools.add("journalctl", error="Failed to parse timestamp: 9", code=1)
    with pytest.raises(OperationFailed, match="journalctl exited with code 1: Failed to parse timestamp: 9"):
        perform(QUERY, {"since": "9"})


def test_a_host_without_a_journal_is_skipped(perform: Perform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OperationNotSupported, match="This host has no journalctl"):
        perform(QUERY)


@pytest.mark.parametrize(
    "data", [{"lines": 0}, {"lines": 10**6}, {"since": "a\nb"}, {"since": "$(x)"}, {"priority": "8"}, {"unit": "x"}]
)
def test_wrong_queries(registry: Registry, data: dict[str, object]) -> None:
    with pytest.raises(InvalidOperationData):
        registry.validate(QUERY, data)


@pytest.mark.parametrize("name", ["", "-x", "a\nb", "../x", "a b"])
def test_a_name_is_one_unit(registry: Registry, name: str) -> None:
    with pytest.raises(InvalidOperationData, match="Must be the name of one unit"):
        registry.validate(UNIT, {"name": name})
