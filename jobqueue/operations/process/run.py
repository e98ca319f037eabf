"""Run one child process to its end: output bounded, time bounded, nothing left behind.

The child leads a session and process group of its own. It is not tied to the agent's life: Linux could signal it when
its parent dies (PR_SET_PDEATHSIG), but that follows the *thread* that started it and needs code between fork and exec,
which is unsafe and slow in a process with threads. An agent that is killed outright leaves its commands to finish.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import IO

from jobqueue.errors import OperationFailed
from jobqueue.operations.process.capture import Capture
from jobqueue.operations.process.confinement import PLAIN, Confinement
from jobqueue.operations.process.family import MARK, Family
from jobqueue.operations.text import brief
from jobqueue.plain_text import reason_of

#: Takes live output: the stream ("stdout" or "stderr") and a chunk of bytes.
Output = Callable[[str, bytes], None]
#: Takes the id of a process that has just been started.
Started = Callable[[int], None]
#: Context manager around the life of a process family, given its mark.
Watched = Callable[[str], contextlib.AbstractContextManager[None]]

#: Seconds that a family has for its own end. A cancel is seen within half a second, and has two in all.
GRACE_SECONDS = 1.0
#: Seconds that output is still read after the process has exited, from children that it left running.
LINGER_SECONDS = 1.0
_TICK_SECONDS = 0.2  # how soon a cancel is seen
_STOPPING_TICK_SECONDS = 0.05
_REAP_SECONDS = 5.0
_CHUNK_BYTES = 65536
_TAIL_BYTES = 4096

_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.DefaultSelector)


class Stopped(Enum):
    """Why a process was stopped before its own end."""

    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


def discard(stream: str, chunk: bytes) -> None:
    """An ``Output`` that keeps nothing."""


@dataclass(frozen=True)
class ProcessResult:
    """How a process ended. ``exit_code`` is negative for a signal; ``seconds`` is its run time.

    ``left_running``: it exited, but a child of its kept the output open; the child continues, its output is not read.
    """

    pid: int
    exit_code: int
    seconds: float
    stdout: Capture
    stderr: Capture
    stopped: Stopped | None = None
    left_running: bool = False

    @property
    def signal_name(self) -> str | None:
        """ "SIGKILL" and the like when a signal ended it, else None."""
        if self.exit_code >= 0:
            return None
        try:
            return signal.Signals(-self.exit_code).name
        except ValueError:  # a real-time signal has a number only
            return f"SIG{-self.exit_code}"

    @property
    def ending(self) -> str:
        """``was killed by SIGKILL`` or ``exited with code 3``, for sentences."""
        return f"was killed by {self.signal_name}" if self.signal_name else f"exited with code {self.exit_code}"

    def tails(self) -> dict[str, str]:
        """The ends of both streams that fit into an error's details."""
        return {"stdout": self.stdout.text(_TAIL_BYTES), "stderr": self.stderr.text(_TAIL_BYTES)}


def unwatched(_mark: str) -> contextlib.AbstractContextManager[None]:
    """The family is not tracked elsewhere."""
    return contextlib.nullcontext()


@dataclass(frozen=True)
class ProcessSpec:
    """The process to start, without a shell.

    ``env`` is added to the little of this process's environment that ``confinement`` leaves; it also says as whom the
    child runs, and within which limits. Without ``stdin`` the child reads nothing. ``merged``: both streams are one,
    named stdout, in the order of the writes.
    """

    argv: Sequence[str]
    cwd: str | None = None
    env: Mapping[str, str] | None = None
    stdin: bytes | None = None
    pass_fds: Sequence[int] = ()
    merged: bool = False
    confinement: Confinement = PLAIN


@dataclass(frozen=True)
class Bounds:
    """When a process is stopped, and how many bytes of each of its streams are kept.

    At ``deadline`` (monotonic seconds), or when ``cancelled`` is set, the whole family gets SIGTERM and after ``grace``
    seconds SIGKILL.
    """

    deadline: float | None = None
    cancelled: threading.Event | None = None
    grace: float = GRACE_SECONDS
    output_bytes: int = 1024 * 1024

    def reason(self, now: float) -> Stopped | None:
        """Why it is to be stopped now."""
        if self.cancelled is not None and self.cancelled.is_set():
            return Stopped.CANCELLED
        return Stopped.TIMED_OUT if self.deadline is not None and now >= self.deadline else None


def run_process(
    command: ProcessSpec,
    bounds: Bounds,
    *,
    output: Output = discard,
    started: Started | None = None,
    watched: Watched = unwatched,
) -> ProcessResult:
    """Run a command and wait for it. ``output`` gets every chunk, ``started`` the process's id once.

    ``watched`` is entered for as long as the family is looked after, with the mark that each member has in its
    environment (``MARK``). Raises ``OperationFailed`` when it cannot be started, and whatever ``output`` or ``started``
    raises, after killing the family.
    """
    mark = os.urandom(16).hex()
    begun = time.monotonic()
    with watched(mark):
        watch = _Watch(_start(command, mark), mark, command.stdin or b"", bounds, output, begun)
        return watch.run(started)


def _start(command: ProcessSpec, mark: str) -> subprocess.Popen[bytes]:
    argv, cwd, confinement = command.argv, command.cwd, command.confinement
    environment = {**confinement.environ(os.environ, command.env or {}), MARK: mark}
    if confinement.user and cwd is None:
        cwd = "/"  # the agent's own directory may be closed to others
    name = brief(repr(argv[0]), 200)
    try:
        return subprocess.Popen(
            confinement.wrap(argv, cwd, environment),
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL if command.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if command.merged else subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            pass_fds=tuple(command.pass_fds),
            **confinement.identity(),
        )
    except OSError as error:
        raise OperationFailed(_why_not_started(error, name, cwd)) from error
    except (ValueError, UnicodeError) as error:
        raise OperationFailed(f"Command {name} could not be started: {brief(str(error), 200)}.") from error


def _why_not_started(error: OSError, name: str, cwd: str | None) -> str:
    if cwd is not None and error.filename == cwd:
        return f"The working directory {cwd!r} cannot be used: {reason_of(error)}."
    if error.errno == errno.ENOENT:
        return f"Command {name} was not found."
    if error.errno == errno.EACCES:
        return f"Command {name} may not be executed: permission denied."
    return f"Command {name} could not be started: {reason_of(error)}."


class _Watch:
    """One running process, its pipes, and the decision when it is over."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        mark: str,
        stdin: bytes,
        bounds: Bounds,
        output: Output,
        started: float,
    ) -> None:
        self._process = process
        self._family = Family(process.pid, mark)
        self._input = memoryview(stdin)
        self._bounds = bounds
        self._output = output
        self._captures = {name: Capture(bounds.output_bytes) for name in ("stdout", "stderr")}
        self._started = started
        self._open: set[str] = set()
        self._selector = _Selector()
        self._pidfd: int | None = None
        self._exited_at: float | None = None
        self._stopped: Stopped | None = None

    def run(self, started: Started | None) -> ProcessResult:
        try:
            self._register()
            if started is not None:
                started(self._process.pid)
            self._watch()
            if self._stopped:
                self._finish_off()
        except BaseException:
            self._family.signal(signal.SIGKILL)
            raise
        finally:
            left_running = "stdout" in self._open or "stderr" in self._open
            self._release()
        return ProcessResult(
            pid=self._process.pid,
            exit_code=self._process.returncode,
            seconds=(self._exited_at or time.monotonic()) - self._started,
            stdout=self._captures["stdout"],
            stderr=self._captures["stderr"],
            stopped=self._stopped,
            left_running=left_running and self._stopped is None,
        )

    def _finish_off(self) -> None:
        """Kill the rest of the family, repeatedly while it still forks."""
        until = time.monotonic() + _REAP_SECONDS
        self._family.signal(signal.SIGKILL)
        while not self._family.is_gone() and time.monotonic() < until:
            time.sleep(_STOPPING_TICK_SECONDS / 5)
            self._family.signal(signal.SIGKILL)

    def _register(self) -> None:
        pipes: tuple[tuple[str, IO[bytes] | None, int], ...] = (
            ("stdin", self._process.stdin, selectors.EVENT_WRITE),
            ("stdout", self._process.stdout, selectors.EVENT_READ),
            ("stderr", self._process.stderr, selectors.EVENT_READ),
        )
        for name, pipe, event in pipes:
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe, event, name)
                self._open.add(name)
        with contextlib.suppress(AttributeError, OSError):  # Linux >= 5.3; elsewhere the exit is polled for
            self._pidfd = os.pidfd_open(self._process.pid)
            self._selector.register(self._pidfd, selectors.EVENT_READ, "exit")

    def _watch(self) -> None:
        """Pump the pipes until the process is over, stopping it when asked to."""
        kill_at: float | None = None
        while not self._is_over(kill_at):
            now = time.monotonic()
            if kill_at is None and self._exited_at is None and (why := self._bounds.reason(now)):
                self._stopped = why
                kill_at = now + self._bounds.grace
                self._family.signal(signal.SIGTERM)
            self._pump(self._patience(now, self._bounds.deadline if kill_at is None else kill_at))

    def _is_over(self, kill_at: float | None) -> bool:
        now = time.monotonic()
        if self._exited_at is None and self._has_exited():
            self._exited_at = now
        if kill_at is not None:
            return now >= kill_at or (self._exited_at is not None and self._family.is_gone())
        if self._exited_at is None:
            return False
        return not self._open & {"stdout", "stderr"} or now >= self._exited_at + LINGER_SECONDS

    def _patience(self, now: float, until: float | None) -> float:
        tick = _TICK_SECONDS
        if self._stopped or self._exited_at is not None:
            tick = _STOPPING_TICK_SECONDS
        elif self._pidfd is None and not self._open & {"stdout", "stderr"}:
            tick = _STOPPING_TICK_SECONDS  # only polling will detect its exit
        return tick if until is None else max(0.0, min(tick, until - now))

    def _has_exited(self) -> bool:
        # WNOWAIT: it stays a zombie, so that its process group's id cannot be reused
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # the embedding program reaps all children itself
            return True

    def _pump(self, patience: float) -> None:
        for key, _ in self._selector.select(patience):
            if key.data == "exit":
                self._selector.unregister(key.fileobj)  # it would stay readable
            elif key.data == "stdin":
                self._feed(key.fd)
            else:
                self._drain(key.data, key.fd)

    def _feed(self, fd: int) -> None:
        try:
            self._input = self._input[os.write(fd, self._input[:_CHUNK_BYTES]) :]
        except BlockingIOError:
            return
        except OSError:  # it closed its input: drop the rest
            self._input = self._input[:0]
        if not self._input:
            self._close("stdin")

    def _drain(self, name: str, fd: int) -> None:
        try:
            chunk = os.read(fd, _CHUNK_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            self._close(name)
            return
        self._captures[name].write(chunk)
        self._output(name, chunk)

    def _close(self, name: str) -> None:
        pipe: IO[bytes] | None = getattr(self._process, name)
        if pipe is not None and name in self._open:
            self._open.discard(name)
            self._selector.unregister(pipe)
            pipe.close()

    def _release(self) -> None:
        """Close every descriptor and reap the process."""
        for name in ("stdin", "stdout", "stderr"):
            self._close(name)
        self._selector.close()
        if self._pidfd is not None:
            os.close(self._pidfd)
        try:
            self._process.wait(_REAP_SECONDS)
        except subprocess.TimeoutExpired:
            # stuck in the kernel, where even SIGKILL waits; the interpreter reaps it later
            raise OperationFailed(f"Process {self._process.pid} could not be killed.") from None
