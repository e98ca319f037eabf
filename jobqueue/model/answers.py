"""The answers of many agents to one job, grouped for a person: equal answers together, failures first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from jobqueue.model.states import ExecutionState
from jobqueue.model.step_results import INCIDENTAL_OF_STEPS, step_results, with_step_results

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
#: Fields of an answer that differ in every run and do not describe the outcome; equal answers may differ in them.
INCIDENTAL = ("duration_ms",)


def rank(state: str) -> int:
    """The position of a state in ``ORDER``; unknown states come first."""
    return _PLACE.get(state, -1)


def group_equal(
    answers: Iterable[T], state: Callable[[T], str], hostname: Callable[[T], str], content: Callable[[T], Any]
) -> list[list[T]]:
    """The answers in groups of one state and equal content (JSON): by ``ORDER``, then large groups first, then name."""
    groups: dict[tuple[str, str], list[T]] = {}
    for answer in sorted(answers, key=hostname):
        key = state(answer), json.dumps(content(answer), sort_keys=True)
        groups.setdefault(key, []).append(answer)
    return sorted(groups.values(), key=lambda group: (rank(state(group[0])), -len(group)))


def without_incidental(data: Any) -> Any:
    """An answer's data, with null for the fields that differ in every run, also within its steps."""
    steps = step_results(data)
    if steps is not None:
        data = with_step_results(data, [_without_incidental_of_step(step) for step in steps])
    return _nulled(data, INCIDENTAL)


def _without_incidental_of_step(step: Mapping[str, Any]) -> dict[str, Any]:
    plain = dict(_nulled(step, INCIDENTAL_OF_STEPS))
    return plain | {"result": _nulled(plain["result"], INCIDENTAL)} if "result" in plain else plain


def _nulled(data: Any, names: tuple[str, ...]) -> Any:
    if isinstance(data, Mapping) and any(name in data for name in names):
        return {name: None if name in names else value for name, value in data.items()}
    return data
