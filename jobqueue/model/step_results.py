"""The steps in the answer of a job with several, for those who show answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STEPS = "steps"
_NEEDED = frozenset({"name", "state"})
#: Fields of a step that differ in every run.
INCIDENTAL_OF_STEPS = ("started_at", "seconds")


def step_results(data: Any) -> list[Mapping[str, Any]] | None:
    """The steps of an answer, or of a report of a run in progress; None for data of another kind."""
    steps = data.get(_STEPS) if isinstance(data, Mapping) else None
    if not isinstance(steps, list) or not steps:
        return None
    return steps if all(isinstance(step, Mapping) and step.keys() >= _NEEDED for step in steps) else None


def with_step_results(data: Mapping[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer with other steps."""
    return {**data, _STEPS: steps}


def count_text(steps: list[Mapping[str, Any]]) -> str:
    """``"3 of 4 steps completed"``."""
    completed = sum(step["state"] == "completed" for step in steps)
    return f"{completed} of {len(steps)} steps completed"
