"""Many agents' answers, so that a person can read them: equal ones together, failures first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from jobqueue.model.answers import INCIDENTAL, group_equal, rank
from jobqueue.model.execution_page import answering_agent, content_of, note_of
from jobqueue.model.job import Execution
from jobqueue.model.states import ExecutionState
from jobqueue.model.step_results import count_text, step_results
from jobqueue.services.result_verifier import FORGED, REVOKED, UNSIGNED

#: Hosts of a group that are named at once; the others unfold.
NAMED = 12
#: Groups that are shown whole; the others become rows of a table.
_WHOLE = 10
_LONGEST_LINE = 160
#: Characters of an answer that are shown; the API has all of it.
_LONGEST = 20_000
_SHORT = 80
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|[\x00-\x08\x0b\x0c\x0e-\x1f]"
)
#: What most answers of commands have in common; it is shown elsewhere, or says nothing.
_USUAL: Mapping[str, Any] = {"changed": True, "truncated": False}
#: Signature findings that a person should see.
_DOUBTS = {
    UNSIGNED: "Not signed by the named agent.",
    FORGED: "Forged: the signature is not the named agent's.",
    REVOKED: "Its agent was revoked: the holder of its key may have forged it.",
}


@dataclass(frozen=True)
class Group:
    """Agents whose executions have the same state and the same answer."""

    state: ExecutionState
    hosts: tuple[str, ...]
    changed: bool | None
    error: str | None
    #: The operation's answer and its failure details; ``has_data`` distinguishes null from no answer.
    data: Any
    has_data: bool
    failure: Mapping[str, Any] | None
    note: str = ""
    #: Why this may not be the agents' own answer; empty: it is.
    doubt: str = ""

    @property
    def line(self) -> str:
        """The answer in one line."""
        if self.error:
            return _cut(self.error)
        if not self.has_data:
            return self.note
        data = self.data
        found = step_results(data)
        if found is not None:
            return count_text(found)
        if isinstance(data, Mapping) and isinstance(data.get("stdout"), str) and "exit_code" in data:
            return _cut(_first_line(data["stdout"]) or _first_line(str(data.get("stderr", ""))) or "no output")
        if isinstance(data, Mapping) and len(data) == 1:
            data = next(iter(data.values()))
        return _cut(data if isinstance(data, str) else json.dumps(data, ensure_ascii=False))


@dataclass(frozen=True)
class Step:
    """A step of a host, as it is shown."""

    name: str
    operation: str
    state: str
    changed: bool
    seconds: float | None
    error: str
    truncated: str
    result: Any
    failure: Any

    @classmethod
    def of(cls, step: Mapping[str, Any]) -> Step:
        """The step in an answer, which is an agent's and may have values of any type."""
        seconds = step.get("seconds")
        return cls(
            str(step["name"]),
            str(step.get("operation", "")),
            str(step["state"]),
            step.get("changed") is True,
            seconds if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) else None,
            str(step.get("error") or ""),
            str(step.get("truncated") or ""),
            step.get("result"),
            step.get("failure"),
        )


@dataclass(frozen=True)
class RunningStep:
    """The step that a host runs now: the ``number`` of ``count``."""

    host: str
    number: int
    count: int
    name: str


@dataclass(frozen=True)
class Cell:
    """One agent in the grid."""

    host: str
    state: str


@dataclass(frozen=True)
class Part:
    """The groups of one state: ``whole`` ones are shown with all they say, ``rows`` as a line each."""

    state: ExecutionState
    whole: tuple[Group, ...]
    rows: tuple[Group, ...]


@dataclass(frozen=True)
class Answers:
    """All of a job's executions, failures first."""

    parts: tuple[Part, ...]
    cells: tuple[Cell, ...]
    counts: tuple[tuple[str, int], ...]


def remarkable(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer's data without fields that say nothing; all of it if there are no others."""
    is_process = isinstance(data.get("stdout"), str) and "exit_code" in data
    usual = _USUAL if is_process else {}
    telling = {
        name: value
        for name, value in data.items()
        if value not in ("", None, [], {}) and (name not in usual or value is not usual[name])
    }
    return telling or data


def steps(data: Any) -> list[Step] | None:
    """The steps of an answer; None for one of another kind."""
    results = step_results(data)
    return None if results is None else [Step.of(step) for step in results]


def without_steps(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an answer says besides its steps."""
    return {name: value for name, value in data.items() if name != "steps"}


def running_steps(executions: Iterable[Execution]) -> list[RunningStep]:
    """The step that each host runs now, as the agents have reported."""
    running = []
    for execution in executions:
        results = step_results(execution.info) if execution.state is ExecutionState.STARTED else None
        for number, step in enumerate(results or (), 1):
            if step["state"] == "running":
                running.append(RunningStep(answering_agent(execution), number, len(results or ()), str(step["name"])))
    return running


def arrange(executions: Iterable[Execution]) -> Answers:
    """Group, and put in order."""
    ordered = sorted(executions, key=lambda x: (rank(x.state.value), answering_agent(x)))
    groups = [_group(same) for same in group_equal(ordered, lambda x: x.state.value, answering_agent, content_of)]
    counts: dict[str, int] = {}
    for execution in ordered:
        counts[execution.state.value] = counts.get(execution.state.value, 0) + 1
    large = [group for group in groups if len(group.hosts) > 1]
    shown_whole = {id(group) for group in (groups if len(groups) <= _WHOLE else large[:_WHOLE])}
    return Answers(
        tuple(_part(state, list(same), shown_whole) for state, same in groupby(groups, key=lambda group: group.state)),
        tuple(Cell(answering_agent(execution), execution.state.value) for execution in ordered),
        tuple(counts.items()),
    )


def _part(state: ExecutionState, groups: list[Group], shown_whole: set[int]) -> Part:
    return Part(
        state,
        tuple(group for group in groups if id(group) in shown_whole),
        tuple(group for group in groups if id(group) not in shown_whole),
    )


def plain(text: str) -> str:
    """A program's output without terminal control sequences: colours, cursor movements, titles."""
    return _ESCAPES.sub("", text.replace("\r\n", "\n"))


def pretty(value: Any) -> str:
    """JSON for a person: in one line where it is short, cut where it gets long."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > _SHORT:
        text = json.dumps(value, indent=2, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n... ({len(text) - _LONGEST:,} more characters)"


def _group(same: list[Execution]) -> Group:
    first = same[0]
    is_answered = first.state is ExecutionState.COMPLETED
    return Group(
        first.state,
        tuple(answering_agent(execution) for execution in same),
        first.changed,
        first.error,
        _common(same),
        is_answered or first.data is not None,
        first.failure,
        note_of(first),
        _DOUBTS.get(first.authenticity or "", ""),
    )


def _common(same: list[Execution]) -> Any:
    """The shared answer; of values that differ with each run, the minimum and the maximum."""
    data = same[0].data
    if len(same) == 1 or not isinstance(data, Mapping):
        return data
    common = dict(data)
    for name in INCIDENTAL:
        values = [value for x in same if isinstance(value := x.data.get(name), (int, float))]
        if values and min(values) != max(values):
            common[name] = f"{min(values):g} to {max(values):g}"
    return common


def _first_line(text: str) -> str:
    """The first line, and how many follow."""
    first, *others = text.strip().split("\n", 1)
    more = len(others[0].splitlines()) if others else 0
    return f"{first} (+{more:,} {'line' if more == 1 else 'lines'})" if more else first


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..."
