"""entrypoint.run, as an agent runs it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jobqueue.entrypoints import capacity
from jobqueue.entrypoints.capacity import Capacity
from jobqueue.errors import InvalidOperationData, OperationCancelled, OperationFailed, OperationTimedOut
from jobqueue.operations.builtin import entrypoint
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from tests.alive import is_running
from tests.descriptors import files, pipes
from tests.unit.operations.conftest import Perform

Reports = list[dict[str, Any]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state", hostname="web1")


@pytest.fixture
def go(perform: Perform, settings: Settings) -> Callable[..., Outcome]:
    """Run a line: ``go(line, **fields of the data)``, fields of the context under ``context``."""

    def run(line: str, *, context: dict[str, Any] | None = None, **data: Any) -> Outcome:
        fields = {"settings": settings, **(context or {})}
        return perform("entrypoint.run", {"entrypoint": line, **data}, **fields)

    return run


def test_a_line_for_the_shell(go: Callable[..., Outcome]) -> None:
    output: list[tuple[str, bytes]] = []
    reports: Reports = []
    line = 'python -c "print(6 * 7)" && echo err >&2 && echo $PYTHONUNBUFFERED'
    context = {
        "output": lambda *piece: output.append(piece),
        "report": reports.append,
        "facts": {"address.primary": "10.1.2.3"},
    }
    outcome = go(line, context=context)
    assert outcome == Outcome({"exit_code": 0}, changed=True)
    assert b"".join(chunk for stream, chunk in output if stream == "stdout") == b"42\nerr\n1\n"
    assert [report["phase"] for report in reports] == ["running"]
    assert isinstance(reports[0]["pid"], int)
    assert reports[0]["node_ip_address"] == "10.1.2.3"


def test_an_entrypoint_from_windows(go: Callable[..., Outcome]) -> None:
    assert go("if true\r\nthen exit 0\r\nfi\r\nexit 1\r\n").data == {"exit_code": 0}


def test_the_order_of_both_streams_is_kept(go: Callable[..., Outcome]) -> None:
    output: list[bytes] = []
    line = "for n in 1 2 3 4 5 6 7 8; do echo o$n; echo e$n >&2; done; exit 3"
    with pytest.raises(OperationFailed) as caught:
        go(line, context={"output": lambda _, chunk: output.append(chunk)})
    lines = b"".join(output).decode().split()
    assert lines == [f"{stream}{n}" for n in range(1, 9) for stream in "oe"]
    assert caught.value.details is not None
    assert caught.value.details["output"].split()[-10:] == lines[-10:]


def test_before_it_begins_it_says_so(go: Callable[..., Outcome], tmp_path: Path) -> None:
    """Until then it may be given to another agent; a set-up that fails never begins."""
    reports: Reports = []
    (tmp_path / "code").mkdir()
    go("true", runtime_env={"working_dir": f"file://{tmp_path}/code"}, context={"report": reports.append})
    assert [report["phase"] for report in reports] == ["setting_up", "starting", "running"]


def test_an_archive_that_cannot_be_read(go: Callable[..., Outcome]) -> None:
    with pytest.raises(OperationFailed, match="could not be set up") as caught:
        go("true", runtime_env={"working_dir": "file:///proc/self/mem"})
    assert caught.value.details is not None
    assert caught.value.details["error_type"] == "setup_failed"


def test_the_pid_is_the_entrypoints(go: Callable[..., Outcome]) -> None:
    output: list[bytes] = []
    reports: Reports = []
    go("echo $$", context={"output": lambda _, chunk: output.append(chunk), "report": reports.append})
    assert int(b"".join(output)) == reports[0]["pid"]
    assert reports[0]["node_ip_address"] == "127.0.0.1"  # no fact, no address


def test_an_exit_code_fails_with_the_last_lines(go: Callable[..., Outcome]) -> None:
    with pytest.raises(OperationFailed) as caught:
        go("exec 2>&1; seq 100; echo last words >&2; exit 7")
    assert caught.value.message == "The entrypoint exited with code 7."
    lines = "".join(f"{number}\n" for number in range(92, 101))
    assert caught.value.details == {
        "error_type": "command_failed",
        "exit_code": 7,
        "message": "The entrypoint exited with code 7.",
        "output": f"{lines}last words\n",
    }


def test_an_exit_code_without_a_word(go: Callable[..., Outcome]) -> None:
    with pytest.raises(OperationFailed) as caught:
        go("exit 3")
    assert (caught.value.details or {})["output"] == ""


def test_long_lines_are_cut(go: Callable[..., Outcome]) -> None:
    with pytest.raises(OperationFailed) as caught:
        go("head -c 300000 /dev/zero | tr '\\0' x; exit 1")
    output = (caught.value.details or {})["output"]
    assert output.endswith("x" * 20_000)
    assert len(output) < 20_200
    assert len(json.dumps(caught.value.details)) < 64 * 1024


def test_bytes_that_are_no_text(go: Callable[..., Outcome]) -> None:
    with pytest.raises(OperationFailed) as caught:
        go("head -c 100000 /dev/urandom; exit 1")
    json.dumps(caught.value.details).encode()


def test_a_signal_is_named(go: Callable[..., Outcome]) -> None:
    with pytest.raises(OperationFailed, match=r"exited with code -9 \(SIGKILL\)") as caught:
        go("kill -9 $$")
    assert (caught.value.details or {})["exit_code"] == -9


def test_nothing_of_the_agents_own_settings(go: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBQUEUE_TOKEN", "secret")
    output: list[bytes] = []
    go("env", context={"output": lambda _, chunk: output.append(chunk)}, runtime_env={"env_vars": {"X": "y"}})
    text = b"".join(output).decode()
    assert "\nX=y\n" in f"\n{text}"
    assert "secret" not in text


def test_its_own_empty_folder_that_is_removed(go: Callable[..., Outcome], settings: Settings) -> None:
    output: list[bytes] = []
    go("pwd; ls -A; touch made", context={"output": lambda _, chunk: output.append(chunk)})
    folder = Path(b"".join(output).decode().strip())
    assert folder.is_relative_to(settings.cache_dir)
    assert not folder.exists()
    assert list((settings.cache_dir / "runs").iterdir()) == []


def test_a_cancel_stops_all_of_it(go: Callable[..., Outcome], settings: Settings) -> None:
    cancelled = threading.Event()
    output: list[bytes] = []

    def write(_: str, chunk: bytes) -> None:
        output.append(chunk)
        cancelled.set()  # it runs

    with pytest.raises(OperationCancelled):
        go("sleep 1000 & echo $!; wait", context={"cancelled": cancelled, "output": write})
    child = int(b"".join(output))
    assert not is_running(child)
    assert list((settings.cache_dir / "runs").iterdir()) == []


def test_the_jobs_timeout(go: Callable[..., Outcome]) -> None:
    with pytest.raises(OperationTimedOut):
        go("sleep 1000", context={"deadline": time.monotonic() + 0.2, "timeout_seconds": 0.2})


def test_what_cannot_be_started(go: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrypoint, "_SHELL", "/nowhere/sh")
    with pytest.raises(OperationFailed, match=r"'/nowhere/sh' was not found") as caught:
        go("true")
    assert (caught.value.details or {})["error_type"] == "start_failed"


def test_a_set_up_that_fails(go: Callable[..., Outcome]) -> None:
    reports: Reports = []
    with pytest.raises(OperationFailed) as caught:
        go("true", runtime_env={"working_dir": "file:///nowhere.zip"}, context={"report": reports.append})
    assert (caught.value.details or {})["error_type"] == "setup_failed"
    assert reports == [{"phase": "setting_up"}]


def test_it_waits_for_cpus(go: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    host = Capacity(1.0, 1000)
    monkeypatch.setattr(capacity, "of_host", lambda: host)
    reports: Reports = []
    cancelled = threading.Event()

    def report(info: dict[str, Any]) -> None:
        reports.append(info)
        cancelled.set()

    with host.reserve(0.5, 0, lambda: None, lambda: None):
        with pytest.raises(OperationCancelled):
            go("true", num_cpus=0.6, memory=10, context={"report": report, "cancelled": cancelled})
        assert reports == [{"phase": "waiting", "num_cpus": 0.6, "memory": 10}]
        go("true", num_cpus=0.5)
    go("true", num_cpus=1, memory=1000)


def test_more_than_the_host_has(go: Callable[..., Outcome]) -> None:
    with pytest.raises(OperationFailed, match="needs 100000 CPUs, but this host has"):
        go("true", num_cpus=100_000)


def test_an_agent_without_settings(perform: Perform) -> None:
    with pytest.raises(OperationFailed, match="no folder to run in"):
        perform("entrypoint.run", {"entrypoint": "true"})


def test_null_means_not_given(go: Callable[..., Outcome]) -> None:
    empty = dict.fromkeys(("num_cpus", "memory", "metadata", "runtime_env", "packages"))
    assert go("true", **empty).data == {"exit_code": 0}


BAD: list[tuple[dict[str, Any], str]] = [
    ({}, "entrypoint"),
    ({"entrypoint": ""}, "entrypoint"),
    ({"entrypoint": " \n"}, "entrypoint"),
    ({"entrypoint": 5}, "entrypoint"),
    ({"entrypoint": None}, "entrypoint"),
    ({"entrypoint": "a\0b"}, "entrypoint"),
    ({"entrypoint": "x" * 131_072}, "entrypoint"),
    ({"entrypoint": "x", "runtime_env": []}, "runtime_env"),
    ({"entrypoint": "x", "runtime_env": {"conda": "x"}}, "runtime_env"),
    ({"entrypoint": "x", "runtime_env": {"env_vars": {"A": 1}}}, "runtime_env"),
    ({"entrypoint": "x", "metadata": {"a": 1}}, "metadata.a.value"),
    ({"entrypoint": "x", "metadata": "a"}, "metadata"),
    ({"entrypoint": "x", "packages": {"p.zip": "short"}}, "packages.p.zip.value"),
    ({"entrypoint": "x", "num_cpus": -1}, "num_cpus"),
    ({"entrypoint": "x", "num_cpus": "1"}, "num_cpus"),
    ({"entrypoint": "x", "num_cpus": True}, "num_cpus"),
    ({"entrypoint": "x", "memory": 1.5}, "memory"),
    ({"entrypoint": "x", "memory": -1}, "memory"),
    ({"entrypoint": "x", "memory": 2**70}, "memory"),
    ({"entrypoint": "x", "num_gpus": 1}, "num_gpus"),
]


@pytest.mark.parametrize(("data", "field"), BAD, ids=range(len(BAD)))
def test_bad_data_names_the_field(registry: Registry, data: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate("entrypoint.run", data)
    assert list(caught.value.details or {}) == [field]


def test_the_longest_line_can_be_started(go: Callable[..., Outcome]) -> None:
    line = "true " + "x" * (131_071 - 5)
    assert len(line) == 131_071
    assert go(line).data == {"exit_code": 0}


def test_no_descriptor_is_left_behind(go: Callable[..., Outcome], tmp_path: Path) -> None:
    go("true")
    before = pipes() + files(tmp_path)
    for _ in range(5):
        go("true")
    assert pipes() + files(tmp_path) <= before
