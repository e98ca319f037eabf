"""One supervised process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from jobqueue.errors import JobQueueError
from jobqueue.standalone.watchdog import descendants, end_processes, signal_group

#: Called with a child's name and one line of its output.
Emit = Callable[[str, str], None]

TAIL_LINES = 40
_LINE_BYTES = 64 * 1024
_PIPE_SECONDS = 2.0
#: Output may include that of jobs; terminals must not interpret its control sequences.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class ChildSpec:
    """The command to run. Lower ``stage`` stops first; ``ask`` asks the child to end; SIGTERM does if it is None."""

    name: str
    argv: Sequence[str]
    stage: int = 0
    environ: Mapping[str, str] | None = None
    directory: Path | None = None
    ask: Callable[[], None] | None = None
    grace_seconds: float = 10.0


class Child:
    """A running process in a session of its own, with its output read line by line."""

    def __init__(self, spec: ChildSpec, emit: Emit, mark: str = "") -> None:
        """``mark``, as ``NAME=value``, is added to its environment and inherited by its children."""
        self.spec = spec
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._emit = emit
        self._lock = threading.Lock()  # holds back signals while the process is reaped: its pid may be reused after
        self._running = True
        try:
            self._process = subprocess.Popen(
                list(spec.argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=_environ(spec, mark),
                cwd=spec.directory,
                start_new_session=True,
            )
        except OSError as error:
            raise JobQueueError(f"{spec.name} cannot be started: {error}") from error
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, name=f"{spec.name}-output", daemon=True)
        self._reader.start()

    def wait(self) -> int:
        """Block until the process has ended and return its exit code, negative for a signal.

        The rest of its process group (a server's workers if their master was killed) is ended, too.
        """
        waited = False
        if hasattr(os, "waitid"):
            # observed, not yet reaped: until then its pid, and so its group id, cannot be reused
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            waited = True
        else:
            self._process.wait()
        with self._lock:
            if waited:
                signal_group(self.pid, signal.SIGKILL)
            code = self._process.wait()
            self._running = False
        self._reader.join(_PIPE_SECONDS)  # a grandchild elsewhere may still hold the pipe; its output is ignored
        return code

    def ask_to_stop(self) -> None:
        """Ask the process to end, in its own way."""
        if self.spec.ask is not None:
            try:
                self.spec.ask()
            except JobQueueError as error:
                self._emit(self.spec.name, f"{error} Sending SIGTERM.")
            else:
                return
        with self._lock, suppress(ProcessLookupError):
            if self._running:
                os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the process, its group and its descendants elsewhere."""
        with self._lock:
            if self._running:
                strays = descendants([self.pid])
                signal_group(self.pid, signal.SIGKILL)
                end_processes(strays)

    def _read(self) -> None:
        pipe = self._process.stdout
        if pipe is None:
            return
        with pipe:
            for raw in iter(lambda: pipe.readline(_LINE_BYTES), b""):
                line = _CONTROL.sub("\ufffd", raw.decode("utf-8", "replace").rstrip())
                self.tail.append(line)
                self._emit(self.spec.name, line)


def _environ(spec: ChildSpec, mark: str) -> dict[str, str]:
    environ = dict(os.environ if spec.environ is None else spec.environ)
    name, equals, value = mark.partition("=")
    if equals:
        environ[name] = value
    return environ


def describe_exit(code: int) -> str:
    """``1`` -> ``"exit code 1"``, ``-9`` -> ``"signal SIGKILL"``."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
