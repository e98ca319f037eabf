"""The set-up before the entrypoint's start: it has its own time limit, and its output goes to the job's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobqueue.entrypoints.failure import setup_failed
from jobqueue.entrypoints.run_context import RunContext, ToolResult
from jobqueue.errors import OperationTimedOut
from jobqueue.model.output import AGENT

_PAUSE_SECONDS = 0.1


class Setup:
    """One set-up of at most ``seconds`` (None: no limit of its own) within the run of ``context``."""

    def __init__(self, context: RunContext, seconds: float | None) -> None:
        self.context = context
        self._seconds = seconds
        self._deadline = None if seconds is None else context.clock() + seconds

    def check(self) -> None:
        """Raise as the context's own ``check`` does, and ``OperationFailed`` at the limit."""
        self.context.check()
        if self._deadline is not None and self.context.clock() >= self._deadline:
            raise setup_failed(
                f"The set-up exceeded its limit (setup_timeout_seconds) of {self._seconds:g} s.", timed_out=True
            )

    def pause(self) -> None:
        """Wait a moment for another process."""
        self.check()
        self.context.cancelled.wait(_PAUSE_SECONDS)

    def say(self, text: str) -> None:
        """Write a line to the job's log."""
        self.context.output(AGENT, text.encode() + b"\n")

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: str, pass_fds: Sequence[int]) -> ToolResult:
        """Run a tool within the limit; raises as ``check`` does."""
        seconds = None if self._deadline is None else max(0.001, self._deadline - self.context.clock())
        try:
            return self.context.run(
                argv,
                cwd=cwd,
                env=env,
                timeout=seconds,
                pass_fds=pass_fds,
                output=lambda _stream, chunk: self.context.output(AGENT, chunk),
            )
        except OperationTimedOut:
            self.check()
            raise
