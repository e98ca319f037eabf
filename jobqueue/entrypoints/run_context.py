"""The parts of an operation's ``Context`` that setting up an environment uses; operations are a layer above."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from jobqueue.entrypoints.source import PackageSource


class Printed(Protocol):
    """A captured stream of a process."""

    def text(self) -> str:
        """The stream as text."""


class ToolResult(Protocol):
    """How a tool ended."""

    @property
    def exit_code(self) -> int: ...
    @property
    def stdout(self) -> Printed: ...
    @property
    def stderr(self) -> Printed: ...


class Environ(Protocol):
    """Decides which variables of the agent a child process inherits."""

    def environ(self, own: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
        """The child's environment."""


class RunContext(Protocol):
    """One run of an operation on an agent."""

    @property
    def cancelled(self) -> threading.Event: ...
    @property
    def packages(self) -> PackageSource | None: ...
    @property
    def confinement(self) -> Environ: ...
    @property
    def clock(self) -> Callable[[], float]: ...
    @property
    def output(self) -> Callable[[str, bytes], None]: ...
    @property
    def report(self) -> Callable[[Mapping[str, Any]], None]: ...

    def check(self) -> None:
        """Raise ``OperationCancelled`` or ``OperationTimedOut`` when the run should stop."""

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout: float | None = None,
        output: Callable[[str, bytes], None] | None = None,
        cwd: str | None = None,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> ToolResult:
        """Run a process to its end."""
