"""node.ntp.*, with chronyc as chrony 4.3 prints its tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed, OperationNotSupported
from jobqueue.operations.builtin import ntp
from jobqueue.operations.registry import Registry
from tests.unit.operations.builtin.tools import Tools
from tests.unit.operations.conftest import Perform

CREATE, UPDATE, DELETE = "node.ntp.create", "node.ntp.update", "node.ntp.delete"
TRACKING = (
    "C0A80001,192.168.0.1,3,1767225600.123456789,-0.000012345,0.000004,0.000020,-11.5,0.001,0.02,"
    "0.0012,0.0003,64.5,Normal\n"
)
NOT_SYNCHRONISED = (
    "00000000,,0,0.000000000,0.000000000,0.0,0.0,0.0,0.0,0.0,1.000000000,1.000000000,0.0,Not synchronised\n"
)
SOURCES = (
    "^,*,192.168.0.1,2,6,377,12,0.0,0.0,0.0\n^,-,2001:db8::1,2,6,377,12,0.0,0.0,0.0\n#,?,GPS0,0,4,0,4294967295,0,0,0\n"
)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tools:
    (tmp_path / "sources.d").mkdir()
    monkeypatch.setattr(ntp, "_FOLDER", tmp_path / "sources.d")
    tools = Tools(tmp_path / "bin", monkeypatch)
    tools.add("chronyc", "200 OK\n")
    return tools


def test_the_state_of_the_clock(perform: Perform, tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = {"tracking": TRACKING, "sources": SOURCES}
    monkeypatch.setattr(ntp, "run_tool", lambda argv, _context: printed[argv[-1]])
    assert perform("node.ntp.get").data == {
        "synchronized": True,
        "stratum": 3,
        "offset": "-0.000012345s",
        "current_source": "192.168.0.1",
        "servers": ["192.168.0.1", "2001:db8::1"],
        "managed": [],
    }
    printed["tracking"] = NOT_SYNCHRONISED
    state = perform("node.ntp.get").data
    assert (state["synchronized"], state["current_source"]) == (False, "")
    printed["tracking"] = "surprise\n"
    with pytest.raises(OperationFailed, match="another table than expected"):
        perform("node.ntp.get")


def test_servers_are_set_and_replaced_and_removed(perform: Perform, tools: Tools, tmp_path: Path) -> None:
    path, data = tmp_path / "sources.d/jobqueue.sources", {"servers": ["ntp1.example.org", "2001:db8::1"]}
    with pytest.raises(OperationFailed, match="jobqueue has set no time servers on this host"):
        perform(UPDATE, data)
    assert perform(CREATE, {**data, "check": True}).data["would_change"] is True
    assert (path.exists(), tools.calls("chronyc")) == (False, [])
    first = perform(CREATE, {**data, "diff": True})
    assert path.read_text() == ("# Written by jobqueue.\nserver ntp1.example.org iburst\nserver 2001:db8::1 iburst\n")
    assert (first.changed, "+server ntp1.example.org iburst\n" in first.data["diff"]) == (True, True)
    assert perform(CREATE, data).changed is False
    assert tools.calls("chronyc") == ["reload sources"]
    assert perform(UPDATE, {"servers": ["ntp2.example.org"]}).changed is True
    assert "ntp1" not in path.read_text()
    assert perform(DELETE).changed is True
    assert perform(DELETE).changed is False
    assert not path.exists()


def test_the_file_of_another_program_stays(
    perform: Perform, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, text = tmp_path / "sources.d/jobqueue.sources", "server ntp.example.org iburst\n"
    path.write_text(text)
    for operation, data in ((CREATE, {"servers": ["x"]}), (UPDATE, {"servers": ["x"]}), (DELETE, {})):
        for check in (True, False):
            with pytest.raises(OperationFailed, match=r"jobqueue did not write .*sources; it was left unchanged"):
                perform(operation, {**data, "check": check})
    assert (path.read_text(), tools.calls("chronyc")) == (text, [])
    printed = {"tracking": TRACKING, "sources": SOURCES}
    monkeypatch.setattr(ntp, "run_tool", lambda argv, _context: printed[argv[-1]])
    assert perform("node.ntp.get").data["managed"] == []


def test_another_attempt_reloads_what_a_lost_one_has_written(perform: Perform, tools: Tools) -> None:
    data = {"servers": ["ntp1.example.org"]}
    perform(CREATE, data)
    assert perform(CREATE, {**data, "check": True}, attempt=2).data["would_change"] is False
    assert tools.calls("chronyc") == ["reload sources"]
    assert perform(CREATE, data, attempt=2).changed is False
    assert tools.calls("chronyc") == ["reload sources"] * 2


def test_servers_are_kept_for_a_chronyd_that_does_not_run(perform: Perform, tools: Tools) -> None:
    tools.add("chronyc", "506 Cannot talk to daemon\n", code=1)
    outcome = perform(CREATE, {"servers": ["ntp1.example.org"]})
    assert outcome.changed is True
    assert outcome.data["message"].startswith("The file is in place and takes effect when chronyd starts")
    assert "506 Cannot talk to daemon" in outcome.data["message"]
    with pytest.raises(OperationFailed, match="506 Cannot talk to daemon"):
        perform("node.ntp.get")


def test_without_chrony(perform: Perform, tools: Tools, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sources.d").rmdir()
    with pytest.raises(OperationNotSupported, match=r"chrony has no .*/sources\.d on this host"):
        perform(CREATE, {"servers": ["ntp1.example.org"]})
    monkeypatch.setenv("PATH", str(tmp_path))
    for operation, data in (
        ("node.ntp.get", {}),
        (CREATE, {"servers": ["x"]}),
        (UPDATE, {"servers": ["x"]}),
        (DELETE, {}),
    ):
        with pytest.raises(OperationNotSupported, match="This host has no chronyc"):
            perform(operation, data)


@pytest.mark.parametrize("servers", [[], ["a b"], ["x iburst"], ["x\nallow all"], ["-x"], ["x"] * 21, "x"])
def test_bad_servers(registry: Registry, servers: object) -> None:
    with pytest.raises(InvalidOperationData, match="servers"):
        registry.validate(CREATE, {"servers": servers})
