"""The supervisor, with real processes that live for a moment."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from jobqueue.errors import JobQueueError
from jobqueue.standalone.child import ChildSpec
from jobqueue.standalone.supervisor import OWN_NAME, Supervisor
from tests.alive import is_running

WAIT = 20.0
READY = "ready"
#: Says that it is ready, then waits; SIGTERM ends it.
WAITING = f"echo {READY}; exec sleep 300"
STUBBORN = f"trap '' TERM; echo {READY}; while :; do sleep 300; done"


class Lines:
    """What children print, to be waited for."""

    def __init__(self) -> None:
        self._queue: queue.Queue[tuple[str, str]] = queue.Queue()

    def emit(self, name: str, line: str) -> None:
        self._queue.put((name, line))

    def wait_for(self, name: str, part: str) -> str:
        while True:
            who, line = self._queue.get(timeout=WAIT)
            if who == name and part in line:
                return line


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def supervisor(lines: Lines) -> Iterator[Supervisor]:
    with Supervisor(lines.emit, backoff_seconds=0.01, backoff_max_seconds=0.02) as supervisor:
        yield supervisor


def shell(name: str, script: str, stage: int = 0, grace_seconds: float = WAIT) -> ChildSpec:
    return ChildSpec(name, ["sh", "-c", script], stage, grace_seconds=grace_seconds)


def wait_gone(*pids: int) -> None:
    processes = []
    for pid in pids:
        try:
            processes.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs([p for p in processes if is_running(p)], timeout=WAIT)
    assert [p for p in alive if is_running(p)] == []


def test_output_comes_line_by_line_with_its_name(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.settle()
    supervisor.start(shell("talker", f"printf 'one\\ntwo \\033[31m \\377\\n' >&2; {WAITING}"))
    lines.wait_for("talker", "one")
    assert lines.wait_for("talker", "two") == "two \ufffd[31m \ufffd"
    lines.wait_for("talker", READY)
    assert [line for _, line in supervisor.tail()] == ["one", "two \ufffd[31m \ufffd", READY]


def test_each_child_has_a_session_of_its_own(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.start(shell("child", WAITING))
    lines.wait_for("child", READY)
    pid = supervisor.pids()["child"]
    assert os.getsid(pid) == os.getpgid(pid) == pid


def test_a_child_that_dies_is_started_again_and_said_so(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.settle()
    supervisor.start(shell("agent1", WAITING))
    lines.wait_for("agent1", READY)
    first = supervisor.pids()["agent1"]
    os.kill(first, signal.SIGKILL)
    assert lines.wait_for(OWN_NAME, "agent1") == "agent1 ended unexpectedly (signal SIGKILL); starting it in 0.01s"
    assert supervisor.wait_for_restart("agent1", 1, WAIT)
    lines.wait_for("agent1", READY)
    assert supervisor.pids()["agent1"] != first


def test_the_back_off_doubles_up_to_its_limit(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.settle()
    supervisor.start(shell("broken", "exit 3"))
    for delay in ("0.01", "0.02", "0.02"):
        assert lines.wait_for(OWN_NAME, "broken") == f"broken ended unexpectedly (exit code 3); starting it in {delay}s"


def test_a_child_that_ran_long_starts_with_a_short_back_off_again(lines: Lines) -> None:
    with Supervisor(lines.emit, backoff_seconds=0.01, backoff_max_seconds=5, steady_seconds=0) as supervisor:
        supervisor.settle()
        supervisor.start(shell("broken", "exit 3"))
        for _ in range(3):
            assert lines.wait_for(OWN_NAME, "broken").endswith("in 0.01s")


def test_a_child_that_ends_during_the_start_fails_the_start(supervisor: Supervisor) -> None:
    supervisor.start(shell("api", "echo no configuration; exit 2"))
    with pytest.raises(JobQueueError, match=r"api ended while starting \(exit code 2\)"):
        supervisor.wait_for_failure(WAIT)
    with pytest.raises(JobQueueError, match="api ended"):
        supervisor.settle()
    assert supervisor.tail() == [("api", "no configuration")]
    assert supervisor.restarts("api") == 0


def test_a_program_that_is_missing_fails_at_once(supervisor: Supervisor) -> None:
    with pytest.raises(JobQueueError, match=r"nothing cannot be started: .*No such file"):
        supervisor.start(ChildSpec("nothing", ["/nonexistent/program"]))


def test_stages_stop_in_order(lines: Lines) -> None:
    stopped: list[str] = []

    def emit(name: str, line: str) -> None:
        lines.emit(name, line)
        if line == "bye":
            stopped.append(name)

    script = f"trap 'echo bye; exit 0' TERM; echo {READY}; while :; do sleep 300 & wait $!; done"
    with Supervisor(emit) as supervisor:
        for name, stage in (("redis", 3), ("api", 1), ("agent1", 0), ("maintenance", 2)):
            supervisor.start(shell(name, script, stage))
            lines.wait_for(name, READY)
        supervisor.settle()
        pids = supervisor.pids()
        supervisor.stop()
        assert stopped == ["agent1", "api", "maintenance", "redis"]
        assert supervisor.pids() == {}
    wait_gone(*pids.values())


def test_a_child_that_will_not_end_is_killed_with_its_descendants(lines: Lines) -> None:
    with Supervisor(lines.emit) as supervisor:
        # the grandchild leaves the session, as a command that a job runs does
        supervisor.start(shell("stubborn", f"setsid sleep 300 & echo $!; {STUBBORN}", grace_seconds=0.05))
        lines.wait_for("stubborn", READY)
        grandchild = int(supervisor.tail()[0][1])
        supervisor.stop()
        assert lines.wait_for(OWN_NAME, "stubborn") == "stubborn did not end within 0.05s; killing it"
    wait_gone(grandchild)


def test_what_is_left_of_a_dead_childs_group_ends_with_it(supervisor: Supervisor, lines: Lines) -> None:
    supervisor.settle()
    supervisor.start(shell("master", f"sleep 300 & echo worker $!; {WAITING}"))
    worker = int(lines.wait_for("master", "worker").split()[1])
    lines.wait_for("master", READY)
    os.kill(supervisor.pids()["master"], signal.SIGKILL)
    lines.wait_for(OWN_NAME, "master ended")
    wait_gone(worker)


def test_a_child_is_asked_its_own_way_and_else_by_sigterm(lines: Lines) -> None:
    asked: list[str] = []

    def refuse() -> None:
        asked.append("refuse")
        raise JobQueueError("It does not listen.")

    with Supervisor(lines.emit) as supervisor:
        supervisor.start(ChildSpec("deaf", ["sh", "-c", WAITING], ask=refuse))
        lines.wait_for("deaf", READY)
        supervisor.stop()
    assert asked == ["refuse"]
    lines.wait_for("deaf", "It does not listen. Sending SIGTERM.")


def test_stop_ends_the_waiting_for_a_restart(lines: Lines) -> None:
    with Supervisor(lines.emit, backoff_seconds=300) as supervisor:
        supervisor.settle()
        supervisor.start(shell("broken", "exit 1"))
        lines.wait_for(OWN_NAME, "broken ended")
        supervisor.stop()
    assert supervisor.restarts("broken") == 0


def test_a_listener_that_fails_does_not_stop_the_child(lines: Lines) -> None:
    with Supervisor(lines.emit) as supervisor:
        supervisor.settle()
        # more than a pipe holds, in one line: it must be read all the same
        supervisor.start(shell("loud", f"head -c 300000 /dev/zero | tr '\\0' x; echo; {WAITING}"))
        lines.wait_for("loud", READY)


def test_what_a_child_left_elsewhere_ends_with_the_supervisor(lines: Lines) -> None:
    with Supervisor(lines.emit) as supervisor:
        supervisor.settle()
        supervisor.start(shell("agent1", f"setsid sleep 300 & echo command $!; {WAITING}"))
        command = int(lines.wait_for("agent1", "command").split()[1])
        os.kill(supervisor.pids()["agent1"], signal.SIGKILL)
        assert supervisor.wait_for_restart("agent1", 1, WAIT)
        assert psutil.pid_exists(command)
    wait_gone(command)


def test_what_an_earlier_supervisor_left_is_ended_first(lines: Lines) -> None:
    environ = {**os.environ, "SUPERVISED_BY": "someone"}
    script = "sleep 300 >/dev/null 2>&1 & echo $!"
    left = int(subprocess.run(["sh", "-c", script], env=environ, capture_output=True, check=True).stdout)
    with Supervisor(lines.emit, owner="someone else"):
        assert psutil.pid_exists(left)
    with Supervisor(lines.emit, owner="someone"):
        wait_gone(left)
    lines.wait_for(OWN_NAME, "ending 1 orphaned processes")


PARENT = """
    import os, sys
    from pathlib import Path
    from jobqueue.standalone.child import ChildSpec
    from jobqueue.standalone.supervisor import Supervisor

    def emit(name, line):
        os.write(1, f"{name} {line}\\n".encode())  # in one piece: children speak at the same time

    supervisor = Supervisor(emit, remove_tree=Path(sys.argv[1]))
    emit("self", f"guard {supervisor._guard._process.pid}")
    for stage, name in enumerate(("first", "second")):
        script = f"trap 'echo {name} >> {sys.argv[2]}; exit 0' TERM; echo pid $$; while :; do sleep 300 & wait $!; done"
        supervisor.start(ChildSpec(name, ["sh", "-c", script], stage))
    supervisor.settle()
    emit("self", "settled")  # the guard knows both by now
    sys.stdin.read()
"""


def test_nothing_survives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    tree, order = tmp_path / "tree", tmp_path / "order"
    (tree / "inner").mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), str(tree), str(order)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        said = [parent.stdout.readline().strip() for _ in range(4)]
        said.remove("self settled")
        pids = dict(line.rpartition(" ")[::2] for line in said)
        assert set(pids) == {"self guard", "first pid", "second pid"}
        parent.kill()
        wait_gone(*map(int, pids.values()))
        parent.stdout.read()
    assert order.read_text().split() == ["first", "second"]
    assert not tree.exists()
