"""Child processes: bounded in output and time, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
import tracemalloc
from pathlib import Path

import psutil
import pytest

from jobqueue.errors import OperationFailed
from jobqueue.operations.process import run as process_module
from jobqueue.operations.process.run import ProcessResult, Stopped
from tests.descriptors import pipes
from tests.unit.operations.process.running import run

#: Part of the length of every sleep: tells the processes of this run from those that a failed one may have left.
OURS = os.getpid()


def _zombies() -> set[psutil.Process]:
    """Children that have ended and whose exit status was not collected, also those of earlier tests."""
    found = set()
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() == psutil.STATUS_ZOMBIE:
                found.add(child)
    return found


def _running(marker: str) -> list[int]:
    """Live processes whose command line holds ``marker``."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE and marker in " ".join(process.info["cmdline"] or ())
    ]


def test_both_streams_and_the_exit_code() -> None:
    result = run(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (result.stdout.text(), result.stderr.text(), result.exit_code) == ("out\n", "err\n", 7)
    assert result.stopped is None
    assert result.signal_name is None
    assert 0 < result.seconds < 60


def test_a_signal_is_named() -> None:
    result = run(["sh", "-c", "kill -SEGV $$"])
    assert (result.exit_code, result.signal_name) == (-signal.SIGSEGV, "SIGSEGV")


def test_a_real_time_signal_has_a_number() -> None:
    assert run(["sh", "-c", "kill -40 $$"]).signal_name == "SIG40"


def test_stdin_larger_than_a_pipe() -> None:
    data = b"0123456789" * 100_000
    result = run(["cat"], stdin=data, output_bytes=2_000_000)
    assert result.stdout.text() == data.decode()


def test_stdin_that_is_not_read_is_no_error() -> None:
    assert run(["true"], stdin=b"x" * 1_000_000).exit_code == 0


def test_without_stdin_the_input_is_empty() -> None:
    assert run(["cat"], deadline=time.monotonic() + 60).stopped is None


def test_chunks_reach_the_sink_while_it_runs(tmp_path: Path) -> None:
    """It goes on only when its first words have been heard."""
    seen: list[tuple[str, bytes]] = []
    heard = tmp_path / "heard"

    def sink(stream: str, chunk: bytes) -> None:
        seen.append((stream, chunk))
        heard.touch()

    line = f"echo first; while [ ! -e {heard} ]; do sleep 0.02; done; echo second >&2"
    result = run(["sh", "-c", line], output=sink, deadline=time.monotonic() + 60)
    assert result.stopped is None
    assert seen == [("stdout", b"first\n"), ("stderr", b"second\n")]


def test_a_sink_that_raises_leaves_no_process() -> None:
    def broken(stream: str, chunk: bytes) -> None:
        raise RuntimeError("sink")

    before = pipes()
    with pytest.raises(RuntimeError, match="sink"):
        run(["sh", "-c", f"echo x; exec sleep 61.{OURS}"], output=broken)
    assert _running(f"sleep 61.{OURS}") == []
    assert pipes() <= before


def test_a_hundred_megabytes_do_not_hurt_memory() -> None:
    tracemalloc.start()
    try:
        result = run(["head", "-c", "100000000", "/dev/zero"], output_bytes=100_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert result.stdout.total == 100_000_000
    assert "[... 99900000 bytes cut ...]" in result.stdout.text()
    assert peak < 4_000_000


def test_the_deadline_terminates() -> None:
    started = time.monotonic()
    result = run(["sh", "-c", f"echo before; sleep 62.{OURS}"], deadline=started + 3)
    assert result.stopped is Stopped.TIMED_OUT
    assert result.stdout.text() == "before\n"
    assert time.monotonic() - started < 20
    assert _running(f"sleep 62.{OURS}") == []


def _cancelled_by_its_output(line: str, grace: float = 30.0) -> ProcessResult:
    """Run a shell line that is cancelled as soon as it prints, so that no time is lost and none is too short."""
    cancelled = threading.Event()
    return run(["sh", "-c", line], cancelled=cancelled, output=lambda *_: cancelled.set(), grace=grace)


def test_what_ignores_sigterm_is_killed_after_the_grace() -> None:
    started = time.monotonic()
    result = _cancelled_by_its_output("trap '' TERM; echo ready; while :; do sleep 0.05; done", grace=0.2)
    assert result.stopped is Stopped.CANCELLED
    assert result.exit_code == -signal.SIGKILL
    assert 0.2 <= time.monotonic() - started < 20


def test_a_graceful_end_is_waited_for() -> None:
    line = "trap 'sleep 0.1; echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
    result = _cancelled_by_its_output(line)
    assert result.stopped is Stopped.CANCELLED
    assert (result.stdout.text(), result.exit_code) == ("ready\ntidied\n", 0)


def test_cancel_is_seen_soon() -> None:
    cancelled = threading.Event()
    at: list[float] = []
    timer = threading.Timer(0.1, lambda: (at.append(time.monotonic()), cancelled.set()))
    timer.start()
    result = run(["sleep", "63.5"], cancelled=cancelled)
    timer.join()
    assert result.stopped is Stopped.CANCELLED
    assert time.monotonic() - at[0] < 20  # of the 63 that it would run


def test_the_whole_tree_goes() -> None:
    """Background children, those in sessions of their own, daemons whose parents are gone, those that will not hear."""
    nap = f"sleep 64.{OURS}"
    result = _cancelled_by_its_output(
        f"{nap}1 & setsid {nap}2 & (setsid {nap}3 &); (trap '' TERM; exec {nap}4) &"
        f" setsid sh -c 'trap \"\" TERM; echo ready; exec {nap}5' & {nap}6",
        grace=0.2,
    )
    assert result.stopped is Stopped.CANCELLED
    assert _running(nap) == []


def test_a_background_child_that_holds_the_output_does_not_hang_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "LINGER_SECONDS", 0.1)
    started = time.monotonic()
    result = run(["sh", "-c", "sleep 65.5 & echo $!"])
    try:
        assert time.monotonic() - started < 20
        assert result.left_running
        assert result.exit_code == 0
        assert psutil.pid_exists(int(result.stdout.text()))
    finally:
        os.kill(int(result.stdout.text()), signal.SIGKILL)


def test_output_after_the_exit_is_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "LINGER_SECONDS", 60.0)
    result = run(["sh", "-c", "(sleep 0.2; echo late) & exit 0"])
    assert result.stdout.text() == "late\n"
    assert not result.left_running


def test_it_works_without_pidfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    result = run(["sh", "-c", "exec >&- 2>&-; sleep 0.2; exit 4"])
    assert result.exit_code == 4


def test_nothing_leaks() -> None:
    run(["true"])
    before, zombies = pipes(), _zombies()
    for _ in range(20):
        run(["true"], stdin=b"x")
        with pytest.raises(OperationFailed):
            run(["/no/such/program"])
    assert pipes() <= before
    assert _zombies() <= zombies


def test_the_child_leads_its_own_group_and_inherits_no_descriptor() -> None:
    with Path("/dev/null").open() as extra:
        os.set_inheritable(extra.fileno(), True)
        result = run(["sh", "-c", "ls /proc/self/fd | wc -l; ps -o pgid= -p $$; echo $$"])
    count, group, pid = result.stdout.text().split()
    assert int(count) <= 4  # three streams, and the directory that ls reads
    assert group == pid == str(result.pid)


def test_the_environment_is_little_of_the_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBQUEUE_TOKEN", "secret")
    monkeypatch.setenv("OTHER", "secret")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    lines = run(["env"], env={"ADDED": "2"}).stdout.text().splitlines()
    assert {"TZ=Asia/Tokyo", "ADDED=2"} <= set(lines)
    assert not [line for line in lines if "secret" in line]


@pytest.mark.parametrize(
    ("argv", "cwd", "message"),
    [
        (["no-such-program-at-all"], None, "Command 'no-such-program-at-all' was not found."),
        (["/etc/passwd"], None, "may not be executed: permission denied"),
        (["true"], "/no/such/place", "working directory '/no/such/place' cannot be used: No such file"),
        (["true"], "/etc/passwd", "working directory '/etc/passwd' cannot be used: Not a directory"),
        (["echo", "a\0b"], None, "could not be started: embedded null byte"),
        (["echo", "\ud800"], None, "could not be started"),
        (["echo", "x" * 10_000_000], None, "could not be started: Argument list too long"),
    ],
    ids=["not-found", "not-executable", "no-cwd", "cwd-a-file", "nul", "surrogate", "too-long"],
)
def test_what_cannot_be_started_says_why(argv: list[str], cwd: str | None, message: str) -> None:
    with pytest.raises(OperationFailed, match=message):
        run(argv, cwd=cwd)


def test_a_script_without_an_interpreter_says_why(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("echo hello")
    script.chmod(0o755)
    with pytest.raises(OperationFailed, match="could not be started: Exec format error"):
        run([str(script)])


def test_the_id_is_reported_while_it_runs() -> None:
    pids: list[int] = []
    result = run(["sh", "-c", "read -r line; echo $$ $line"], stdin=b"x\n", started=pids.append)
    assert pids == [result.pid]
    assert result.stdout.text() == f"{result.pid} x\n"


def test_no_process_is_left_when_the_callback_raises() -> None:
    pids: list[int] = []

    def refuse(pid: int) -> None:
        pids.append(pid)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run(["sleep", f"65.{OURS}"], started=refuse)
    assert not psutil.pid_exists(pids[0])
