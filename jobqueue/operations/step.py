"""One step of a job with several: its terms, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from jobqueue.model.timestamps import to_iso

MOST_STEPS = 50
#: When a step runs: unless a step has failed, only if one has, or in both cases.
SUCCESS, FAILURE, ALWAYS = CONDITIONS = ("success", "failure", "always")


class StepState(Enum):
    """The state of a step on one host."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


@dataclass(frozen=True)
class Step:
    """The terms of a step. ``handles``: the step whose failure it handles; ``recovers``: that then counts no longer.

    ``condition``: it runs only on hosts on which this holds (``step_condition.py``).
    """

    name: str
    operation: str
    data: Mapping[str, Any]
    when: str = SUCCESS
    handles: str | None = None
    recovers: bool = False
    ignores_failure: bool = False
    timeout_seconds: float | None = None
    condition: str | None = None

    @classmethod
    def of(cls, loaded: Mapping[str, Any], number: int) -> Step:
        """The step with valid data, as the schema gives it."""
        return cls(
            name_of(loaded, number),
            loaded["operation"]["type"],
            loaded["operation"].get("data", {}),
            loaded.get("when", SUCCESS),
            loaded.get("handles"),
            loaded["recovers"],
            loaded["ignore_failure"],
            loaded.get("timeout_seconds"),
            loaded.get("condition"),
        )


def name_of(step: Mapping[str, Any], number: int) -> str:
    """The name of a step; without one, its number from 1 and its operation. ``number`` counts from 0."""
    name = step.get("name")
    return name if isinstance(name, str) else f"{number + 1} {step['operation']['type']}"


@dataclass
class StepRun:
    """A step as it runs on a host. ``changed``: None if that is not known. Times in microseconds and seconds."""

    step: Step
    state: StepState = StepState.PENDING
    changed: bool | None = None
    result: Any = None
    error: str = ""
    failure: Mapping[str, Any] | None = None
    started: int = 0
    seconds: float = 0.0
    #: Why the result is not the whole one.
    truncated: str = field(default="")

    @property
    def has_failed(self) -> bool:
        """Whether it ran and failed."""
        return self.state is StepState.FAILED

    @property
    def would_change(self) -> bool:
        """Whether it has checked that it would change the host."""
        return isinstance(self.result, Mapping) and self.result.get("would_change") is True

    @property
    def diff(self) -> str:
        """The change that it shows; empty without one."""
        diff = self.result.get("diff") if isinstance(self.result, Mapping) else None
        return diff if isinstance(diff, str) else ""

    def brief(self) -> dict[str, Any]:
        """Its state, for reports of a run in progress."""
        about: dict[str, Any] = {"name": self.step.name, "state": self.state.value}
        return about | ({"seconds": round(self.seconds, 3)} if self.seconds else {})

    def document(self) -> dict[str, Any]:
        """Its entry in the answer; fields without a value are left out."""
        optional = {
            "changed": self.changed,
            "result": self.result,
            "error": self.error or None,
            "failure": self.failure or None,
            "truncated": self.truncated or None,
            "started_at": to_iso(self.started) if self.started else None,
            "seconds": round(self.seconds, 3) if self.started else None,
        }
        about = {"name": self.step.name, "operation": self.step.operation, "state": self.state.value}
        return about | {name: value for name, value in optional.items() if value is not None}
