"""command.exec.execute and command.shell.execute."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import (
    InvalidOperationData,
    OperationCancelled,
    OperationFailed,
    OperationTimedOut,
)
from jobqueue.operations.registry import Registry
from tests.unit.operations.conftest import Perform

EXEC, SHELL = "command.exec.execute", "command.shell.execute"


@pytest.mark.parametrize("data", [{"command": "echo", "args": ["a b", "$HOME"]}, {"argv": ["echo", "a b", "$HOME"]}])
def test_both_forms_run_without_a_shell(perform: Perform, data: dict[str, Any]) -> None:
    outcome = perform(EXEC, data)
    duration = outcome.data.pop("duration_ms")
    assert outcome.data == {"stdout": "a b $HOME\n", "stderr": "", "exit_code": 0, "changed": True, "truncated": False}
    assert isinstance(duration, int)
    assert outcome.changed is True


def test_the_shell_runs_a_line(perform: Perform) -> None:
    outcome = perform(
        SHELL, {"command": "echo $((1 + 1)) | tr 2 3; echo bad >&2; echo $X is bad >&2; exit 9", "env": {"X": "y"}}
    )
    assert (outcome.data["stdout"], outcome.data["stderr"], outcome.data["exit_code"]) == ("3\n", "bad\ny is bad\n", 9)
    assert outcome.error == "The command exited with code 9: y is bad"


@pytest.mark.parametrize("text", ["if true\r\nthen echo a\r\nfi\r\necho b\r\n", "\ufeffecho a\r\necho b\r\n"])
def test_lines_from_windows(perform: Perform, text: str) -> None:
    """As a script: `then\\r` is no word that a shell knows."""
    assert perform(SHELL, {"command": text}).data["stdout"] == "a\nb\n"


def test_a_carriage_return_that_may_be_meant(perform: Perform) -> None:
    assert perform(SHELL, {"command": "printf 'a\r\n'\nprintf b"}).data["stdout"] == "a\r\nb"


def test_cwd_env_and_stdin(perform: Perform, tmp_path: Path) -> None:
    data = {"command": "pwd; echo $COLOUR; cat", "cwd": str(tmp_path), "env": {"COLOUR": "blue"}, "stdin": "é\0"}
    assert perform(SHELL, data).data["stdout"] == f"{tmp_path}\nblue\né\0"


def test_a_signal_is_a_failure_with_its_name(perform: Perform) -> None:
    outcome = perform(SHELL, {"command": "kill -9 $$"})
    assert (outcome.data["exit_code"], outcome.data["signal"]) == (-9, "SIGKILL")
    assert outcome.error == "The command was killed by SIGKILL"


@pytest.mark.parametrize(
    ("codes", "line", "error"),
    [
        ([0, 3], "exit 3", None),
        ([0, 3], "exit 0", None),
        ([3], "exit 0", "The command exited with code 0"),
        ([255], "exit 255", None),
        ("any", "exit 99", None),
        ("any", "kill -15 $$", None),
        ([15, 143], "kill -15 $$", "The command was killed by SIGTERM"),
    ],
)
def test_success_codes(perform: Perform, codes: Any, line: str, error: str | None) -> None:
    outcome = perform(SHELL, {"command": line, "success_codes": codes})
    assert (outcome.error, outcome.changed) == (error, True)


def test_the_error_is_one_bounded_line(perform: Perform) -> None:
    outcome = perform(SHELL, {"command": "printf 'x%.0s' $(seq 3000) >&2; printf '\\0\\n\\n' >&2; exit 1"})
    assert outcome.error is not None
    assert outcome.error.startswith("The command exited with code 1: xxx")
    assert len(outcome.error) < 600
    assert "\0" not in outcome.error


def test_a_command_that_is_not_found_fails(perform: Perform) -> None:
    with pytest.raises(OperationFailed, match=r"Command 'no-such-thing' was not found\."):
        perform(EXEC, {"command": "no-such-thing"})


def test_bytes_that_are_not_utf8_do_not_break_it(perform: Perform) -> None:
    assert perform(EXEC, {"argv": ["printf", "a\\377b\\000c"]}).data["stdout"] == "a\ufffdb\0c"


def test_its_own_timeout(perform: Perform) -> None:
    with pytest.raises(OperationTimedOut, match=r"^timed out after 3s$") as caught:
        perform(SHELL, {"command": "echo so far; sleep 71", "timeout": 3})  # long enough to begin on any machine
    assert caught.value.details == {"stdout": "so far\n", "stderr": ""}


def test_the_jobs_deadline_wins_when_it_is_nearer(perform: Perform) -> None:
    import time

    with pytest.raises(OperationTimedOut, match=r"^timed out after 1\.5s$"):
        perform(EXEC, {"argv": ["sleep", "72"], "timeout": 60}, deadline=time.monotonic() + 0.1, timeout_seconds=1.5)


def test_cancel(perform: Perform) -> None:
    cancelled = threading.Event()
    threading.Timer(0.1, cancelled.set).start()
    with pytest.raises(OperationCancelled):
        perform(EXEC, {"argv": ["sleep", "73"]}, cancelled=cancelled)


@pytest.mark.parametrize("source", ["/dev/zero", "/dev/urandom"])
def test_huge_output_completes_within_the_results_bound(perform: Perform, source: str) -> None:
    """Zeros take six bytes each as JSON, so that a megabyte of them would not fit."""
    outcome = perform(EXEC, {"argv": ["head", "-c", "20000000", source]}, max_result_bytes=200_000)
    assert outcome.data["truncated"] is True
    assert outcome.data["notice"] == "stdout was 20000000 bytes long; its middle was cut"
    assert "bytes cut ...]" in outcome.data["stdout"]
    size = len(json.dumps(outcome.data, ensure_ascii=False).encode())
    assert 50_000 < size <= 210_000


def test_large_text_is_kept_up_to_the_streams_bound(perform: Perform) -> None:
    outcome = perform(SHELL, {"command": "seq 100000; echo little >&2"}, max_output_bytes=1000)
    assert outcome.data["stdout"].startswith("1\n2\n")
    assert outcome.data["stdout"].endswith("\n99999\n100000\n")
    assert outcome.data["stderr"] == "little\n"
    assert len(outcome.data["stdout"]) < 1100


def test_an_orphaned_process_is_reported(perform: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobqueue.operations.process.run.LINGER_SECONDS", 0.1)
    outcome = perform(SHELL, {"command": "sleep 70 & echo $!"})
    os.kill(int(outcome.data["stdout"]), signal.SIGKILL)
    assert "left running" in outcome.data["notice"]


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, ""),
        ({"argv": ["ls"], "command": "ls"}, ""),
        ({"argv": ["ls"], "args": ["-l"]}, "args"),
        ({"args": ["-l"]}, ""),
        ({"argv": []}, "argv"),
        ({"argv": [""]}, "argv"),
        ({"argv": "ls -l"}, "argv"),
        ({"argv": ["ls", 1]}, "argv.1"),
        ({"argv": ["ls", None]}, "argv.1"),
        ({"argv": ["ls", "a\0b"]}, "argv.1"),
        ({"argv": ["x"] * 10_001}, "argv"),
        ({"command": ""}, "command"),
        ({"command": 5}, "command"),
        ({"command": "ls", "cwd": "relative"}, "cwd"),
        ({"command": "ls", "cwd": "/a/../b"}, "cwd"),
        ({"command": "ls", "cwd": "/a\0"}, "cwd"),
        ({"command": "ls", "cwd": "/" + "a" * 5000}, "cwd"),
        ({"command": "ls", "env": {"A=B": "c"}}, "env.A=B.key"),
        ({"command": "ls", "env": {"": "c"}}, "env..key"),
        ({"command": "ls", "env": {"A": 1}}, "env.A.value"),
        ({"command": "ls", "env": {"A": "\0"}}, "env.A.value"),
        ({"command": "ls", "stdin": 1}, "stdin"),
        ({"command": "ls", "timeout": 0}, "timeout"),
        ({"command": "ls", "timeout": -1}, "timeout"),
        ({"command": "ls", "timeout": 10**9}, "timeout"),
        ({"command": "ls", "timeout": 10**400}, "timeout"),
        ({"command": "ls", "timeout": "5"}, "timeout"),
        ({"command": "ls", "timeout": True}, "timeout"),
        ({"command": "ls", "shell": True}, "shell"),
        *(
            ({"command": "ls", "success_codes": value}, "success_codes")
            for value in (
                [],
                0,
                "0",
                "ANY",
                None,
                True,
                [True],
                [-1],
                [256],
                ["0"],
                [0.0],
                [None],
                [[0]],
                {"0": 1},
                [0] * 257,
            )
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else repr(value)[:40],
)
def test_bad_data_names_the_field(registry: Registry, data: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidOperationData) as caught:
        registry.validate(EXEC, data)
    assert caught.value.details is not None
    assert list(caught.value.details) == [field]
    assert all(isinstance(text, str) for text in caught.value.details[field])


@pytest.mark.parametrize("data", [{}, {"command": ""}, {"command": ["ls"]}, {"command": "ls", "args": []}])
def test_bad_data_for_the_shell(registry: Registry, data: dict[str, Any]) -> None:
    with pytest.raises(InvalidOperationData):
        registry.validate(SHELL, data)
