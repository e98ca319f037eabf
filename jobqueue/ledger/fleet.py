"""All agents at a glance: surveyed in short steps, and stored as one summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from jobqueue.ledger import decoding
from jobqueue.ledger.scripts import Clock, Scripts, redis_clock
from jobqueue.model.fleet import AgentRow, FleetSummary, TroubledAgent
from jobqueue.model.measures import Backlog, Pulse

#: Agents that one call surveys (about 2 ms).
STEP = 250


class Fleet:
    """The survey of all agents, and its stored result."""

    def __init__(self, scripts: Scripts, alarm: Callable[[str, str], None], *, now: Clock = redis_clock) -> None:
        self._scripts = scripts
        self._alarm = alarm
        self._now = now

    def survey(self, after: str = "") -> tuple[list[AgentRow], str, int]:
        """The next agents after ``after``, by hostname; the last hostname (empty at the end), and the time.

        One short call, however many agents there are.
        """
        at, raw = self._scripts.call("survey_agents", self._now(), after, STEP)
        pairs = list(zip(raw[::2], raw[1::2], strict=True))
        rows = [row for hostname, fields in pairs if fields and (row := self._row(hostname, fields)) is not None]
        return rows, pairs[-1][0] if len(pairs) == STEP else "", int(at)

    def rows(self) -> Iterator[AgentRow]:
        """All agents, in short calls."""
        after = ""
        while True:
            rows, after, _ = self.survey(after)
            yield from rows
            if not after:
                return

    def store(self, summary: FleetSummary) -> None:
        """Replace the stored summary."""
        self._scripts.call("store_fleet", json.dumps(_document(summary)))

    def stored(self) -> FleetSummary | None:
        """The stored summary; None if there is none, or it was altered."""
        text = self._scripts.call("store_fleet", "")
        if not text:
            return None
        try:
            return _summary(decoding.parsed_object(text))
        except decoding.FAULTS:
            self._alarm("fleet", "The summary of all agents in Redis (fleet) cannot be read; it will be replaced.")
            return None

    def _row(self, hostname: str, fields: list[Any]) -> AgentRow | None:
        live, state, beat, running, concurrency, waiting, oldest, conditions = fields
        try:
            return AgentRow(
                hostname,
                bool(live),
                decoding.text(state),
                decoding.integer(beat),
                decoding.integer(running),
                decoding.integer(concurrency),
                decoding.integer(waiting),
                decoding.integer(oldest or 0),
                decoding.texts(conditions),
            )
        except decoding.FAULTS:  # reading the agent itself raises the alarm
            return None


def _document(summary: FleetSummary) -> dict[str, Any]:
    return {
        "at": summary.at,
        "states": [[state, live, count] for (state, live), count in summary.states.items()],
        "conditions": dict(summary.conditions),
        "running": summary.running,
        "room": summary.room,
        "waiting": summary.waiting,
        "afflicted": summary.afflicted,
        "troubled": [[agent.hostname, agent.live, agent.state, list(agent.conditions)] for agent in summary.troubled],
        "backlogs": [[backlog.queue, backlog.waiting, backlog.oldest_seconds] for backlog in summary.backlogs],
        "pulses": [
            [pulse.hostname, pulse.live, pulse.state, pulse.running, pulse.age_seconds] for pulse in summary.pulses
        ],
    }


def _summary(fields: dict[str, Any]) -> FleetSummary:
    integer, text, number = decoding.integer, decoding.text, decoding.number
    return FleetSummary(
        at=integer(fields["at"]),
        states={(text(state), bool(live)): integer(count) for state, live, count in fields["states"]},
        conditions={name: integer(count) for name, count in decoding.object_of(fields["conditions"]).items()},
        running=integer(fields["running"]),
        room=integer(fields["room"]),
        waiting=integer(fields["waiting"]),
        afflicted=integer(fields["afflicted"]),
        troubled=tuple(
            TroubledAgent(text(host), bool(live), text(state), decoding.texts(conditions))
            for host, live, state, conditions in fields["troubled"]
        ),
        backlogs=tuple(Backlog(text(queue), integer(count), number(age)) for queue, count, age in fields["backlogs"]),
        pulses=tuple(
            Pulse(text(host), bool(live), text(state), integer(running), number(age))
            for host, live, state, running, age in fields["pulses"]
        ),
    )
