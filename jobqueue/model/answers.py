"""Many agents' answers to one job, so that a person can read them: equal ones together, failures first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from jobqueue.model.states import ExecutionState

T = TypeVar("T")

#: Failures come first, successes last.
ORDER = (
    ExecutionState.FAILED,
    ExecutionState.LOST,
    ExecutionState.EXPIRED,
    ExecutionState.STARTED,
    ExecutionState.ACKNOWLEDGED,
    ExecutionState.SUBMITTED,
    ExecutionState.CANCELLED,
    ExecutionState.SKIPPED,
    ExecutionState.COMPLETED,
)
_PLACE = {state.value: place for place, state in enumerate(ORDER)}
#: Fields of an answer that differ with every run and say nothing of how it went; equal answers may differ in them.
INCIDENTAL = ("duration_ms",)


def rank(state: str) -> int:
    """The place of a state in ``ORDER``; one that is not known comes first."""
    return _PLACE.get(state, -1)


def group_equal(
    answers: Iterable[T], state: Callable[[T], str], hostname: Callable[[T], str], content: Callable[[T], Any]
) -> list[list[T]]:
    """The answers in groups of one state and equal content (JSON): states in ``ORDER``, large groups first, by name."""
    groups: dict[tuple[str, str], list[T]] = {}
    for answer in sorted(answers, key=hostname):
        key = state(answer), json.dumps(content(answer), sort_keys=True)
        groups.setdefault(key, []).append(answer)
    return sorted(groups.values(), key=lambda group: (rank(state(group[0])), -len(group)))


def without_incidental(data: Any) -> Any:
    """An answer's data with null in place of what differs with every run."""
    if isinstance(data, Mapping) and any(name in data for name in INCIDENTAL):
        return {name: None if name in INCIDENTAL else value for name, value in data.items()}
    return data
