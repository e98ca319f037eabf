"""The agents' answers to a job; equal answers are grouped, so that a thousand of them stay readable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.cli.views.hostnames import fold
from jobqueue.cli.views.output import Column, Screen
from jobqueue.cli.views.text import lines, one_line
from jobqueue.cli.views.times import span
from jobqueue.model.answers import INCIDENTAL, group_equal, rank, without_incidental

#: On a terminal, without --full: more agents than this are grouped, more groups or lines than this are cut.
_AGENTS = 20
_GROUPS = 20
_LINES = 40


@dataclass(frozen=True)
class Answer:
    """One agent's share of a job, as the API shows it."""

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
    found = []
    for hostname in {**states, **responses}:
        state, response = states.get(hostname) or {}, responses.get(hostname) or {}
        found.append(
            Answer(
                hostname=hostname,
                status=str(state.get("status") or response.get("status") or "submitted"),
                duration=str(state.get("duration") or ""),
                changed=response.get("changed"),
                error=response.get("error") or state.get("error"),
                data=response.get("data"),
            )
        )
    return sorted(found, key=lambda answer: (rank(answer.status), answer.hostname))


def show_agents(screen: Screen, found: list[Answer]) -> None:
    """A table of agents: one a row, or equal ones together when they are many."""
    if screen.full or len(found) <= _AGENTS:
        columns = [Column("HOSTNAME", whole=True), Column("STATUS", whole=True), Column("DURATION", whole=True)]
        screen.table(
            [*columns, Column("CHANGED", whole=True), Column("ERROR", wrap=True)],
            [(item.hostname, item.status, item.duration, item.changed, item.error) for item in found],
        )
        return
    columns = [Column("STATUS", whole=True), Column("AGENTS", whole=True, right=True), Column("HOSTNAMES", wrap=True)]
    screen.table(
        [*columns, Column("DURATION", whole=True), Column("CHANGED", whole=True), Column("ERROR", wrap=True)],
        [
            (
                group[0].status,
                len(group),
                fold(item.hostname for item in group),
                span([item.duration for item in group if item.duration]),
                group[0].changed,
                group[0].error,
            )
            for group in _grouped(found, lambda item: (item.error, item.changed))
        ],
    )


def show_answers(screen: Screen, found: list[Answer]) -> None:
    """Each different answer once, under the names of those that gave it."""
    groups = _grouped(found, lambda item: (item.error, item.changed, without_incidental(item.data)))
    limit = len(groups) if screen.full else _GROUPS
    for group in groups[:limit]:
        _show_group(screen, group)
    if len(groups) > limit:
        rest = sum(len(group) for group in groups[limit:])
        screen.line(f"... {len(groups) - limit} more different answers from {rest} agents; --full shows them.", "dim")


def _show_group(screen: Screen, group: list[Answer]) -> None:
    first = group[0]
    count = f" ({len(group)} agents)" if len(group) > 1 else ""
    changed = ", changed" if first.changed else ""
    screen.line(
        f"{one_line(fold(item.hostname for item in group))}{count}: {one_line(first.status)}{changed}", first.status
    )
    if first.error:
        screen.line(f"  {one_line(first.error)}")
    data = first.data if len(group) == 1 else _shared(first.data)
    if data is None:
        return
    body = lines(data)
    limit = len(body) if screen.full else _LINES
    for line in body[:limit]:
        screen.line(f"  {line}".rstrip())
    if len(body) > limit:
        screen.line(f"  ... {len(body) - limit} more lines; --full shows them.", "dim")


def _grouped(found: list[Answer], content: Callable[[Answer], Any]) -> list[list[Answer]]:
    return group_equal(found, lambda item: item.status, lambda item: item.hostname, content)


def _shared(data: Any) -> Any:
    """The lines shared by a group of answers."""
    return {key: value for key, value in data.items() if key not in INCIDENTAL} if isinstance(data, dict) else data
