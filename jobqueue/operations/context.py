"""The context of an operation's run, and its resources."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack

from jobqueue.entrypoints.source import PackageSource
from jobqueue.errors import OperationCancelled, OperationTimedOut
from jobqueue.model.timestamps import duration_text
from jobqueue.operations.process.confinement import PLAIN, Confinement
from jobqueue.operations.process.run import (
    GRACE_SECONDS,
    Bounds,
    Output,
    ProcessResult,
    ProcessSpec,
    Started,
    Stopped,
    Watched,
    discard,
    run_process,
    unwatched,
)
from jobqueue.settings import Settings
from jobqueue.trust.secrets.redactor import Redactor

if TYPE_CHECKING:
    from jobqueue.operations.deployed import DeploymentLog
    from jobqueue.operations.parts import PermittedPart
    from jobqueue.operations.sent_files import FileSender

DEFAULT_MAX_OUTPUT_BYTES = 1024 * 1024
DEFAULT_MAX_RESULT_BYTES = 1024 * 1024
#: Phases in which a run has not begun anything that must not be repeated.
IDLE_PHASES = ("waiting", "setting_up")


def _forget(info: Mapping[str, Any]) -> None:
    """Ignore reports."""


def anything(changed: Mapping[str, Any]) -> bool:
    """The policy of a host that allows any data."""
    return True


class ProcessOptions(TypedDict, total=False):
    """The fields of ``ProcessSpec`` that an operation decides."""

    cwd: str | None
    env: Mapping[str, str] | None
    stdin: bytes | None
    pass_fds: Sequence[int]
    merged: bool


class Secrets(Protocol):
    """The secrets of one host."""

    def fill_in(self, data: Any, context: Context) -> Any:
        """``data`` with the secrets that it references. Raises ``OperationFailed`` for one that this host lacks."""

    def redactor(self) -> Redactor:
        """A redactor for all secrets known so far. Raises ``OperationFailed`` if they cannot be read."""


@dataclass(frozen=True)
class Context:
    """One run on one agent.

    ``hostname`` is the agent's name (not always the machine's). ``facts`` are the flat names of ``@fact.X``.
    ``attempt`` counts from 1. ``deadline`` is in seconds of ``time.monotonic()`` and ``timeout_seconds`` the span that
    led to it; both None without a timeout. ``cancelled`` is set when the run should stop. ``output(stream, chunk)``
    takes live output, ``stream`` being "stdout" or "stderr"; it may be called from the operation's thread only.
    ``max_output_bytes`` bounds what is kept of each stream of a process, ``max_result_bytes`` the result as JSON.
    ``python_modules`` are the modules (with all below them) that ``python.call`` may use. ``report(info)`` shows a JSON
    object (at most 16 KiB) with the job from now on, replacing the last one; an unavailable Redis never makes it raise.
    Its ``phase`` "waiting" or "setting_up" says that the run may be given to another agent if this one dies; another
    phase must follow before anything is begun, and waits until the ledger knows.
    ``packages`` hands out uploaded packages, ``deployments`` records deployed objects, ``sender`` takes files of the
    host; all are None in a child process. ``settings`` are the agent's own. ``allows(changed)`` is whether the
    host's policy allows this run with some fields of its data changed. ``confinement`` holds for every process,
    and ``watched(mark)`` surrounds the life of each. ``secrets`` are the host's; ``run_operation`` puts them into the
    data, and redacts them from output, reports and results. What an operation cuts from output it redacts before, by
    ``redactor``; in an isolated operation it knows no secrets. ``parts`` runs the operations within the data of one
    that has some, in their order. ``steps`` gives the values of earlier steps, in a step of a job with several.
    """

    hostname: str
    labels: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    job_id: str = ""
    attempt: int = 1
    deadline: float | None = None
    timeout_seconds: float | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    output: Output = discard
    python_modules: tuple[str, ...] = ()
    max_output_bytes: int = DEFAULT_MAX_OUTPUT_BYTES
    max_result_bytes: int = DEFAULT_MAX_RESULT_BYTES
    report: Callable[[Mapping[str, Any]], None] = _forget
    packages: PackageSource | None = None
    deployments: DeploymentLog | None = None
    sender: FileSender | None = None
    allows: Callable[[Mapping[str, Any]], bool] = anything
    settings: Settings | None = None
    confinement: Confinement = PLAIN
    secrets: Secrets | None = None
    redactor: Redactor = field(default_factory=Redactor)
    parts: Sequence[PermittedPart] = ()
    steps: Callable[[str], Any] | None = None
    watched: Watched = unwatched
    clock: Callable[[], float] = time.monotonic

    def remaining(self) -> float | None:
        """Seconds left until the deadline, at least 0; None when there is no deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - self.clock())

    def check(self) -> None:
        """Raise ``OperationCancelled`` or ``OperationTimedOut`` when the run should stop; call it in long loops."""
        if self.cancelled.is_set():
            raise OperationCancelled
        if self.deadline is not None and self.clock() >= self.deadline:
            raise self._timed_out(self.timeout_seconds, None)

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float | None = None,
        output: Output | None = None,
        started: Started | None = None,
        grace: float = GRACE_SECONDS,
        **options: Unpack[ProcessOptions],
    ) -> ProcessResult:
        """Run a process to its end, bounded by ``timeout`` (seconds), the run's deadline and a cancel.

        ``env`` is added to the little that is inherited of the agent's environment; ``started`` is called once with the
        process's id; ``merged`` makes both streams one, in the order of the writes; ``grace`` is how many seconds it
        has for its own end when it is stopped. A non-zero exit is a result, not an error. Raises ``OperationFailed``
        when it cannot be started, ``OperationTimedOut`` and ``OperationCancelled`` after the process and all its
        children are gone; their details hold ``stdout`` and ``stderr`` so far.
        """
        own = None if timeout is None else self.clock() + timeout
        is_own = own is not None and (self.deadline is None or own < self.deadline)
        result = run_process(
            ProcessSpec(argv, confinement=self.confinement, **options),
            Bounds(own if is_own else self.deadline, self.cancelled, grace, self.max_output_bytes),
            output=output or self.output,
            started=started,
            watched=self.watched,
        )
        if result.stopped is Stopped.CANCELLED:
            raise OperationCancelled(details=result.tails())
        if result.stopped is Stopped.TIMED_OUT:
            raise self._timed_out(timeout if is_own else self.timeout_seconds, result.tails())
        return result

    @staticmethod
    def _timed_out(seconds: float | None, details: Mapping[str, Any] | None) -> OperationTimedOut:
        after = f" after {duration_text(round(seconds * 1_000_000))}" if seconds is not None else ""
        return OperationTimedOut(f"timed out{after}", details)
