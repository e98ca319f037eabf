"""Keeps a set of processes running, and ends them in order."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

from jobqueue.errors import JobQueueError
from jobqueue.process_marks import marked
from jobqueue.standalone import watchdog
from jobqueue.standalone.child import TAIL_LINES, Child, ChildSpec, Emit, describe_exit

#: Name of the supervisor in its own output lines.
OWN_NAME = "jobqueue"
MARK_NAME = "SUPERVISED_BY"
#: Where the package is installed; -S leaves site-packages out.
_ROOT = Path(watchdog.__file__).parents[2]
_GUARD_CODE = "import sys; sys.path.append(sys.argv[1]); from jobqueue.standalone.watchdog import main; main()"
_GUARD_SECONDS = 5.0
_KILL_SECONDS = 5.0
_LEFTOVER_SECONDS = 10.0


class Supervisor:
    """Starts children, restarts those that end unasked, stops all of them.

    Until ``settle()`` a child that ends is a failed start: it is not restarted, and ``failure`` describes it.
    Every child has one thread that waits for its end, and one that reads its output; nothing polls.
    Processes that the children left running in other sessions (found by a mark in their environment) end with them.
    """

    def __init__(
        self,
        emit: Emit,
        *,
        backoff_seconds: float = 0.5,
        backoff_max_seconds: float = 30.0,
        steady_seconds: float = 30.0,
        remove_tree: Path | None = None,
        owner: str | None = None,
    ) -> None:
        """``steady_seconds``: a child that ran this long starts with a short back-off again.

        ``remove_tree``: a directory that the guard removes if this process is killed.

        ``owner``: a name used by only one supervisor at a time. Processes left running by an earlier one of this name
        (it and its guard were killed) are ended first.
        """
        self._emit = emit
        self._backoff = backoff_seconds
        self._backoff_max = backoff_max_seconds
        self._steady = steady_seconds
        self._processes: list[_SupervisedProcess] = []
        self._settled = False
        self._changed = threading.Condition()
        self._failure: str | None = None
        self._mark = f"{MARK_NAME}={owner or uuid.uuid4().hex}"
        self._end_leftovers()
        self._guard = _Guard()
        self._guard.send({"mark": self._mark})
        if remove_tree is not None:
            self._guard.send({"tree": str(remove_tree)})

    def __enter__(self) -> Supervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, spec: ChildSpec) -> None:
        """Start a child and keep it running; raises ``JobQueueError`` if it cannot be started."""
        process = _SupervisedProcess(spec)
        process.child = self._spawn(spec)
        process.thread = threading.Thread(target=self._keep, args=(process,), name=f"{spec.name}-keeper", daemon=True)
        self._processes.append(process)
        process.thread.start()

    def settle(self) -> None:
        """The start is over: from now on a child that ends is started again."""
        with self._changed:
            self._settled = True
        self.check()

    def check(self) -> None:
        """Raise ``JobQueueError`` if a child ended during the start."""
        with self._changed:
            if self._failure is not None:
                raise JobQueueError(self._failure)

    def wait_for_failure(self, seconds: float) -> None:
        """Wait this long, or until a child ends during the start, which raises ``JobQueueError``."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure is not None, seconds)
        self.check()

    def pids(self) -> dict[str, int]:
        """The children that run: name -> pid."""
        return {process.spec.name: child.pid for process in self._processes if (child := process.child) is not None}

    def restarts(self, name: str) -> int:
        """How often the child was started again."""
        return next(process.restarts for process in self._processes if process.spec.name == name)

    def wait_for_restart(self, name: str, count: int, timeout: float) -> bool:
        """Whether the child was started again ``count`` times by the end of ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self.restarts(name) >= count, timeout)

    def tail(self, count: int = TAIL_LINES) -> list[tuple[str, str]]:
        """The last ``count`` lines of every child, as (name, line)."""
        return [(process.spec.name, line) for process in self._processes for line in process.last_lines()[-count:]]

    def stop(self) -> None:
        """Stop all children, stage by stage: asked first, killed when their grace is over. May be called twice."""
        for process in self._processes:
            process.stop_restarting()  # all at once: no child of a later stage is restarted while an earlier one ends
        for stage in sorted({process.spec.stage for process in self._processes}):
            self._stop_stage([process for process in self._processes if process.spec.stage == stage])
        watchdog.end_processes(marked([self._mark]))
        self._guard.dismiss()

    def _end_leftovers(self) -> None:
        own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
        running = []
        for pid in marked([self._mark]) - own:
            with suppress(psutil.NoSuchProcess):
                running.append(psutil.Process(pid))
        if not running:
            return
        self._emit(OWN_NAME, f"ending {len(running)} orphaned processes")
        for process in running:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        _, stubborn = psutil.wait_procs(running, _LEFTOVER_SECONDS)
        for process in stubborn:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(stubborn, _KILL_SECONDS)

    def _stop_stage(self, stage: list[_SupervisedProcess]) -> None:
        begun = time.monotonic()
        for process in stage:
            if (child := process.child) is not None:
                child.ask_to_stop()
        for process in stage:
            if process.ended(begun + process.spec.grace_seconds):
                continue
            if (child := process.child) is not None:
                self._emit(
                    OWN_NAME, f"{process.spec.name} did not end within {process.spec.grace_seconds:g}s; killing it"
                )
                child.kill()
            if not process.ended(time.monotonic() + _KILL_SECONDS):
                self._emit(OWN_NAME, f"{process.spec.name} still running (uninterruptible) after SIGKILL")

    def _spawn(self, spec: ChildSpec) -> Child:
        child = Child(spec, self._emit, self._mark)
        self._guard.send({"add": child.pid, "stage": spec.stage})
        return child

    def _keep(self, process: _SupervisedProcess) -> None:
        """Wait for the child's end and restart it, until it should no longer run."""
        delay = self._backoff
        while True:
            started = time.monotonic()
            child = process.child
            if child is not None:
                code = child.wait()
                self._guard.send({"drop": child.pid})
                process.forget()
                if process.stopping.is_set():
                    return
                if not self._may_restart(process.spec, code):
                    return
                if time.monotonic() - started >= self._steady:
                    delay = self._backoff
                self._emit(
                    OWN_NAME,
                    f"{process.spec.name} ended unexpectedly ({describe_exit(code)}); starting it in {delay:g}s",
                )
            if process.stopping.wait(delay):
                return
            delay = min(delay * 2, self._backoff_max)
            try:
                self._restart(process)
            except JobQueueError as error:
                self._emit(OWN_NAME, f"{error}; trying again in {delay:g}s")

    def _may_restart(self, spec: ChildSpec, code: int) -> bool:
        with self._changed:
            if self._settled:
                return True
            self._failure = self._failure or f"{spec.name} ended while starting ({describe_exit(code)})."
            self._changed.notify_all()
            return False

    def _restart(self, process: _SupervisedProcess) -> None:
        with process.lock:
            if process.stopping.is_set():
                return
            process.child = self._spawn(process.spec)
        with self._changed:
            process.restarts += 1
            self._changed.notify_all()


class _SupervisedProcess:
    """A child over its restarts."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.child: Child | None = None
        self.thread: threading.Thread | None = None
        self.restarts = 0
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self._past: list[str] = []

    def stop_restarting(self) -> None:
        with self.lock:  # a restart in progress is over by then, or does not begin
            self.stopping.set()

    def forget(self) -> None:
        """The child has ended: keep only its last lines."""
        if self.child is not None:
            self._past = list(self.child.tail)
        self.child = None

    def last_lines(self) -> list[str]:
        child = self.child
        return list(child.tail) if child is not None and child.tail else self._past

    def ended(self, deadline: float) -> bool:
        """Whether the child has ended, without a restart, by ``deadline`` (monotonic seconds)."""
        if self.thread is None:
            return True
        self.thread.join(max(0.0, deadline - time.monotonic()))
        return not self.thread.is_alive()


class _Guard:
    """The process that cleans up if this one is killed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _GUARD_CODE, str(_ROOT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            text=True,
        )

    def send(self, message: dict[str, object]) -> None:
        with self._lock, suppress(BrokenPipeError):  # without its guard `up` still works, and still stops in order
            if self._process.stdin is not None and not self._process.stdin.closed:
                self._process.stdin.write(json.dumps(message) + "\n")
                self._process.stdin.flush()

    def dismiss(self) -> None:
        self.send({"done": True})
        with self._lock, suppress(BrokenPipeError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(_GUARD_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
