"""A summary of all agents, of a size that does not grow with their number."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jobqueue.model.agent import AgentState
from jobqueue.model.measures import OTHER, Backlog, Pulse

#: Agents, and their queues, that a summary names: those that are most silent, and those that wait longest.
MOST_NAMED = 1000
#: Agents that need attention and are named.
MOST_TROUBLED = 100


@dataclass(frozen=True)
class AgentRow:
    """What counts of one agent. Times are microseconds; ``oldest`` is 0 without waiting executions."""

    hostname: str
    live: bool
    state: str
    beat: int
    running: int
    concurrency: int
    waiting: int
    oldest: int
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class TroubledAgent:
    """An agent that needs attention: offline, pending, revoked, or with conditions."""

    hostname: str
    live: bool
    state: str
    conditions: tuple[str, ...] = ()


@dataclass(frozen=True)
class FleetSummary:
    """All agents as they were at ``at`` (microseconds).

    ``states`` counts agents by state and liveness, ``conditions`` live agents by condition. ``running`` and ``room``
    are executions that run, and that the live and ready agents can run. ``troubled`` are the first of those that need
    attention, ``afflicted`` counts agents with conditions. ``backlogs`` and ``pulses`` have at most
    ``MOST_NAMED`` entries, and one that stands for all others.
    """

    at: int
    states: Mapping[tuple[str, bool], int] = field(default_factory=dict)
    conditions: Mapping[str, int] = field(default_factory=dict)
    running: int = 0
    room: int = 0
    waiting: int = 0
    afflicted: int = 0
    troubled: tuple[TroubledAgent, ...] = ()
    backlogs: tuple[Backlog, ...] = ()
    pulses: tuple[Pulse, ...] = ()

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def live(self) -> int:
        return sum(count for (_, is_live), count in self.states.items() if is_live)

    def count(self, *states: AgentState, live: bool | None = None) -> int:
        """The number of agents in one of these states; with ``live``, only those that are live, or that are not."""
        names = {state.value for state in states}
        return sum(
            count for (state, is_live), count in self.states.items() if state in names and live in (None, is_live)
        )


def summarize(rows: Iterable[AgentRow], at: int) -> FleetSummary:
    """The summary of these agents at the time ``at``."""
    states: Counter[tuple[str, bool]] = Counter()
    conditions: Counter[str] = Counter()
    running = room = waiting = afflicted = 0
    troubled: list[TroubledAgent] = []
    backlogs: list[Backlog] = []
    pulses: list[Pulse] = []
    for row in rows:
        states[row.state, row.live] += 1
        waiting += row.waiting
        afflicted += bool(row.conditions)
        if row.live:
            running += row.running
            room += row.concurrency if row.state == AgentState.READY.value else 0
            conditions.update(row.conditions)
        if _needs_attention(row) and len(troubled) < MOST_TROUBLED:
            troubled.append(TroubledAgent(row.hostname, row.live, row.state, row.conditions))
        backlogs.append(Backlog(row.hostname, row.waiting, _age(row.oldest, at)))
        pulses.append(Pulse(row.hostname, row.live, row.state, row.running, _age(row.beat, at)))
    return FleetSummary(
        at,
        states,
        conditions,
        running,
        room,
        waiting,
        afflicted,
        tuple(troubled),
        _longest(backlogs),
        _most_silent(pulses),
    )


def _needs_attention(row: AgentRow) -> bool:
    return not row.live or bool(row.conditions) or row.state in (AgentState.PENDING.value, AgentState.REVOKED.value)


def _age(then: int, at: int) -> float:
    return max(0.0, (at - then) / 1e6) if then else 0.0


def _longest(backlogs: list[Backlog]) -> tuple[Backlog, ...]:
    if len(backlogs) <= MOST_NAMED:
        return tuple(backlogs)
    ranked = heapq.nlargest(len(backlogs), backlogs, key=lambda item: (item.oldest_seconds, item.waiting))
    rest = ranked[MOST_NAMED:]
    return (*ranked[:MOST_NAMED], Backlog(OTHER, sum(item.waiting for item in rest), rest[0].oldest_seconds))


def _most_silent(pulses: list[Pulse]) -> tuple[Pulse, ...]:
    if len(pulses) <= MOST_NAMED:
        return tuple(pulses)
    ranked = sorted(pulses, key=lambda pulse: pulse.age_seconds, reverse=True)
    rest = ranked[MOST_NAMED:]
    others = Pulse(OTHER, rest[0].live, rest[0].state, sum(item.running for item in rest), rest[0].age_seconds)
    return (*ranked[:MOST_NAMED], others)
