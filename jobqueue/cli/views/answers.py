"""The agents' answers to a job; equal answers are grouped, so that a thousand of them stay readable."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from jobqueue.cli.views.hostnames import fold
from jobqueue.cli.views.output import Column, Screen
from jobqueue.cli.views.steps_view import step_lines
from jobqueue.cli.views.text import lines, one_line
from jobqueue.cli.views.times import span
from jobqueue.model.answers import INCIDENTAL, group_equal, rank, without_incidental
from jobqueue.model.failure import masked
from jobqueue.model.states import FAILURES
from jobqueue.model.step_results import step_results
from jobqueue.model.timeline import EXPLAINED, note_in

_Group = TypeVar("_Group")

#: On a terminal, without --full: more agents than this are grouped, more groups or lines than this are cut.
_AGENTS = 20
_GROUPS = 20
_LINES = 40
#: Longer texts are compared as they are.
_MASKED = 300
_FAILURES = frozenset(state.value for state in FAILURES)
#: Fields that every answer of a command or script has.
_PROCESS_FIELDS = frozenset({"stdout", "stderr", "exit_code"})
#: What such an answer leaves out, because it says nothing, or is shown elsewhere.
_UNREMARKABLE: Mapping[str, Any] = {"stderr": "", "exit_code": 0, "changed": True, "truncated": False}


@dataclass(frozen=True)
class Answer:
    """One agent's share of a job, as the API shows it. ``error`` is also the reason why it was skipped or cancelled."""

    hostname: str
    status: str
    duration: str = ""
    changed: bool | None = None
    error: str | None = None
    data: Any = None


def answers(job: Mapping[str, Any]) -> list[Answer]:
    """Every agent's answer, failures first. Agents that have not answered yet are there with their state."""
    states: Mapping[str, Any] = job.get("agent_states") or {}
    responses: Mapping[str, Any] = job.get("responses") or {}
    reasons = {
        event["hostname"]: note_in(event["message"], event["event"], event["hostname"])
        for event in job.get("timeline") or ()
        if event["event"] in EXPLAINED
    }
    host_answers = []
    for hostname in {**states, **responses}:
        state, response = states.get(hostname) or {}, responses.get(hostname) or {}
        host_answers.append(
            Answer(
                hostname=hostname,
                status=str(state.get("status") or response.get("status") or "submitted"),
                duration=str(state.get("duration") or ""),
                changed=response.get("changed"),
                error=response.get("error") or state.get("error") or reasons.get(hostname) or None,
                data=response.get("data"),
            )
        )
    return sorted(host_answers, key=lambda answer: (rank(answer.status), answer.hostname))


def show_agents(screen: Screen, host_answers: list[Answer]) -> None:
    """A table of agents: one a row, or equal ones together when they are many."""
    if screen.full or len(host_answers) <= _AGENTS:
        columns = [Column("HOSTNAME", uncut=True), Column("STATUS", uncut=True), Column("DURATION", uncut=True)]
        screen.table(
            [*columns, Column("CHANGED", uncut=True), Column("ERROR", wrap=True)],
            [(item.hostname, item.status, item.duration, item.changed, item.error) for item in host_answers],
        )
        return
    columns = [Column("STATUS", uncut=True), Column("AGENTS", uncut=True, right=True), Column("HOSTNAMES", wrap=True)]
    screen.table(
        [*columns, Column("DURATION", uncut=True), Column("CHANGED", uncut=True), Column("ERROR", wrap=True)],
        [
            (
                group[0].status,
                len(group),
                fold(item.hostname for item in group),
                span([item.duration for item in group if item.duration]),
                group[0].changed,
                _common_error(group),
            )
            for group in _grouped(host_answers, lambda item: (_masked_error(item), item.changed))
        ],
    )


def show_answers(screen: Screen, host_answers: list[Answer]) -> None:
    """Each different answer once, under the names of those that gave it."""
    groups = _grouped(host_answers, lambda item: (_masked_error(item), item.changed, _comparable(item)))
    show_first_groups(screen, groups, _show_group, len)


def show_first_groups(
    screen: Screen, groups: Sequence[_Group], show: Callable[[Screen, _Group], None], size: Callable[[_Group], int]
) -> None:
    """Show groups of equal answers; on a terminal the first ones, and how many agents the others have."""
    limit = len(groups) if screen.full else _GROUPS
    for group in groups[:limit]:
        show(screen, group)
    if len(groups) > limit:
        agents = sum(map(size, groups[limit:]))
        screen.line(f"... {len(groups) - limit} more different answers from {agents} agents; --full shows them.", "dim")


def show_one_answer(screen: Screen, names: str, count: int, answer: Answer) -> None:
    """Show the one answer of ``count`` agents, under their ``names``; on a terminal the first lines of its data."""
    agents = f" ({count} agents)" if count > 1 else ""
    changed = ", changed" if answer.changed else ""
    screen.line(f"{names}{agents}: {one_line(answer.status)}{changed}", answer.status)
    if answer.error:
        screen.line(f"  {one_line(answer.error)}")
    if answer.data is None:
        return
    body = lines(answer.data) if step_results(answer.data) is None else step_lines(answer.data)
    limit = len(body) if screen.full else _LINES
    for line in body[:limit]:
        screen.line(f"  {line}".rstrip())
    if len(body) > limit:
        screen.line(f"  ... {len(body) - limit} more lines; --full shows them.", "dim")


def _show_group(screen: Screen, group: list[Answer]) -> None:
    first = group[0]
    data = first.data if len(group) == 1 else _shared(first.data)
    if any(item.data != first.data for item in group):
        data = _comparable(first, shown=data)
    if data is not None:
        data = _remarkable(data, full=screen.full)
    names = one_line(fold(item.hostname for item in group))
    show_one_answer(screen, names, len(group), replace(first, error=_common_error(group), data=data))


def is_process(data: Any) -> bool:
    """Whether an answer is that of a command or script."""
    return isinstance(data, Mapping) and data.keys() >= _PROCESS_FIELDS


def _remarkable(data: Any, *, full: bool) -> Any:
    """``data`` without empty fields (unless ``full``); of a command's answer, its output alone if there is no more."""
    if is_process(data):
        remarkable = {
            name: value for name, value in data.items() if name not in _UNREMARKABLE or value != _UNREMARKABLE[name]
        }
        worth_showing = remarkable.keys() - {"stdout", *INCIDENTAL}
        return remarkable if worth_showing else remarkable["stdout"]
    if full or not isinstance(data, Mapping):
        return data
    return {name: value for name, value in data.items() if value not in (None, "", [], {})} or data


def _grouped(host_answers: list[Answer], content: Callable[[Answer], Any]) -> list[list[Answer]]:
    return group_equal(host_answers, lambda item: item.status, lambda item: item.hostname, content)


def _masked_error(item: Answer) -> str | None:
    """The error without what differs from host to host: numbers, and the hostname."""
    return None if item.error is None else masked(item.error, item.hostname)


def _common_error(group: Sequence[Answer]) -> str | None:
    first = group[0]
    return first.error if all(item.error == first.error for item in group) else _masked_error(first)


def _comparable(item: Answer, shown: Any = None) -> Any:
    """The data of an answer for comparison: without incidental fields, and in a failure's texts without numbers."""
    data = without_incidental(item.data) if shown is None else shown
    return _masked(data, item.hostname) if item.status in _FAILURES else data


def _masked(data: Any, hostname: str) -> Any:
    if isinstance(data, str):
        return masked(data, hostname) if len(data) <= _MASKED else data
    if isinstance(data, list):
        return [_masked(item, hostname) for item in data]
    if isinstance(data, dict):
        return {key: _masked(item, hostname) for key, item in data.items()}
    return data


def _shared(data: Any) -> Any:
    """The lines shared by a group of answers."""
    return {key: value for key, value in data.items() if key not in INCIDENTAL} if isinstance(data, dict) else data
