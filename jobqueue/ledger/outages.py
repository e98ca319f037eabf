"""Agents that stopped answering without leaving, and the one alert that reports them together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import redis

from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Clock, Scripts, redis_clock

#: Agents that one call reads; keeps Redis responsive (about 1 ms).
_STEP = 500


@dataclass(frozen=True)
class Liveness:
    """Numbers of agents: ``live`` ones answer, the time of ``silent`` ones ended in the period asked for, ``known`` are
    all of them."""

    live: int
    silent: int
    known: int


@dataclass(frozen=True)
class Missing:
    """An agent that stopped answering: since when (microseconds), and its labels (``key:value``)."""

    hostname: str
    since: int
    labels: tuple[str, ...]


class Outages:
    """Which agents of one ledger stopped answering, and the alert about them."""

    def __init__(self, client: redis.Redis, keys: Keys, scripts: Scripts, *, now: Clock = redis_clock) -> None:
        self._client: Any = client
        self._keys = keys
        self._scripts = scripts
        self._now = now

    def liveness(self, since: int, now: int) -> Liveness:
        """How many agents are live, and how many stopped being so between ``since`` and ``now``, left or lost."""
        agents = self._keys.kind("agents")
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            pipe.zcount(agents, f"({now}", "+inf")
            pipe.zcount(agents, since, now)
            pipe.zcard(agents)
            live, silent, known = pipe.execute()
        return Liveness(int(live), int(silent), int(known))

    def missing(self, since: int, now: int) -> Iterator[Missing]:
        """The agents that stopped answering in this period and did not leave; in steps."""
        first = 0
        while True:
            with translated_errors():
                rows = self._client.zrangebyscore(
                    self._keys.kind("agents"), since, now, start=first, num=_STEP, withscores=True
                )
                yield from self._lost(rows)
            if len(rows) < _STEP:
                return
            first += _STEP

    def _lost(self, rows: list[tuple[str, float]]) -> Iterator[Missing]:
        with self._client.pipeline(transaction=False) as pipe:
            for hostname, _ in rows:
                pipe.hmget(self._keys.agent(hostname), "boot", "left")
                pipe.hget(self._keys.kind("roster") + hostname, "labels")
            answers = pipe.execute(raise_on_error=False)
        for (hostname, time), boots, labels in zip(rows, answers[::2], answers[1::2], strict=True):
            if not isinstance(boots, list) or not boots[0] or boots[0] == boots[1]:
                continue  # it left, or its record is damaged, which is reported elsewhere
            names = labels.split("\n") if isinstance(labels, str) else []
            yield Missing(hostname, int(time), tuple(name for name in names if name))

    def began(self) -> int | None:
        """When the outage began that the present alert is about (microseconds); None if there is none."""
        with translated_errors():
            line = str(self._client.get(self._keys.kind("outage")) or "")
        start = line.partition("|")[0]
        return int(start) if start.isdecimal() and len(start) < 17 else None

    def report(self, began: int, kind: str, message: str) -> None:
        """Raise the alert about an outage, or update it."""
        self._scripts.call("report_outage", began, kind, message)

    def end(self, message: str) -> None:
        """The outage is over: replace its alert by this one, the last about it."""
        self._scripts.call("report_outage", "", "", message)
