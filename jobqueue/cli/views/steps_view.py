"""The steps of a host, for a person: a line for each, and what it printed below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from jobqueue.cli.views.output import Screen
from jobqueue.cli.views.text import lines, one_line
from jobqueue.model.answers import INCIDENTAL
from jobqueue.model.states import ExecutionState
from jobqueue.model.step_results import step_results
from jobqueue.model.timestamps import duration_text

#: Fields of a step's result that are not shown below its line, which has them or which does not need them.
_OMITTED = frozenset({*INCIDENTAL, "changed", "exit_code", "check", "would_change"})
_STARTED, _RUNNING = ExecutionState.STARTED.value, "running"


class _HasData(Protocol):
    @property
    def data(self) -> Any: ...


def show_step_states(screen: Screen, answers: Iterable[_HasData]) -> None:
    """The lines of the steps, for hosts whose output has been shown already."""
    for answer in answers:
        for line in step_lines(answer.data, with_results=False):
            screen.line(line)


def step_lines(data: Any, *, with_results: bool = True) -> list[str]:
    """The answer of a job with steps as lines: the state of each step, with its result below."""
    steps = step_results(data) or []
    width = max((len(one_line(step["name"])) for step in steps), default=0)
    shown: list[str] = []
    for step in steps:
        shown.append(f"{one_line(step['name']).ljust(width)}  {_state(step)}".rstrip())
        if with_results:
            shown += [f"  {line}".rstrip() for line in _result(step.get("result"))]
    message = data.get("message") if isinstance(data, Mapping) else None
    return [*shown, one_line(message)] if message else shown


def running_steps(states: Mapping[str, Any]) -> list[str]:
    """For each host that runs a step now, which one it is: ``web1: step 2 of 4, patch``."""
    shown = []
    for hostname, state in states.items():
        steps = step_results(state.get("info")) or [] if state.get("status") == _STARTED else []
        for number, step in enumerate(steps, 1):
            if step["state"] == _RUNNING:
                shown.append(f"{one_line(hostname)}: step {number} of {len(steps)}, {one_line(step['name'])}")
    return shown


def _state(step: Mapping[str, Any]) -> str:
    result = step.get("result")
    would_change = isinstance(result, Mapping) and result.get("would_change")
    parts = [
        one_line(step["state"]),
        "would change" if would_change else "changed" if step.get("changed") else "",
        duration_text(round(seconds * 1_000_000)) if isinstance(seconds := step.get("seconds"), (int, float)) else "",
    ]
    line = ", ".join(part for part in parts if part)
    notes = [one_line(step[name]) for name in ("error", "truncated") if step.get(name)]
    return ": ".join([line, *notes])


def _result(result: Any) -> list[str]:
    if not isinstance(result, Mapping):
        return [] if result is None else lines(result)
    shown = {
        name: value for name, value in result.items() if name not in _OMITTED and value not in (None, "", [], {}, False)
    }
    if not shown:
        return []
    only = next(iter(shown.values())) if shown.keys() <= {"stdout"} or shown.keys() <= {"message"} else shown
    return lines(only)
