"""The registry of agents as target expressions see it, read in small slices and kept for a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import redis

from jobqueue.ledger import decoding
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Clock, redis_clock
from jobqueue.ledger.server_error import is_wrong_type
from jobqueue.model.agent import AgentState
from jobqueue.shared_reading import SharedReading
from jobqueue.targets.fleet import Fleet
from jobqueue.targets.host import Host, flat_facts
from jobqueue.targets.quantity import Value

#: Seconds for which one reading of the registry is used.
KEPT_SECONDS = 1.0
#: A reading is used for at least this many times as long as it took, but at most ``MOST_KEPT_SECONDS``: reading 10,000
#: agents takes about 0.4 seconds.
_PAYS_OFF = 5.0
MOST_KEPT_SECONDS = 5.0
#: Agents per call: each call takes Redis well under a millisecond.
_SLICE = 200


@dataclass(frozen=True, slots=True)
class _Info:
    """What an agent reported when it registered, decoded; ``digest`` identifies the text."""

    digest: int
    labels: dict[str, str]
    facts: dict[str, tuple[Value, ...]]
    operations: frozenset[str]
    version: str


class Roster:
    """The agents of one ledger, for expressions. Thread-safe: one reading serves all who ask meanwhile."""

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        *,
        now: Clock = redis_clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._keys = keys
        self._now = now
        self._monotonic = monotonic
        self._newest = SharedReading(self._timed, monotonic)
        self._infos: dict[str, _Info] = {}
        self._operations: dict[tuple[str, ...], frozenset[str]] = {}

    def fleet(self, *, is_fresh: bool = False) -> Fleet:
        """The agents as they were a moment ago (``KEPT_SECONDS``; a few seconds in fleets of thousands).

        With ``is_fresh``, they are read again. Raises ``LedgerUnavailable``.
        """
        return self._newest(is_fresh=is_fresh)

    def _timed(self) -> tuple[Fleet, float]:
        """The agents now, and for how many seconds this reading is used."""
        began = self._monotonic()
        fleet = Fleet(self._read())
        took = self._monotonic() - began
        return fleet, min(max(KEPT_SECONDS, took * _PAYS_OFF), MOST_KEPT_SECONDS) - took

    def _read(self) -> list[Host]:
        agents = self._keys.kind("agents")
        infos: dict[str, _Info] = {}
        hosts: dict[str, Host] = {}
        with translated_errors():
            seconds, micros = self._client.time()
            now = int(self._now() or seconds * 1_000_000 + micros)
            barred = set(map(str, self._client.smembers(self._keys.kind("barred"))))
            cursor = 0
            while True:
                cursor, rows = self._client.zscan(agents, cursor, count=_SLICE)
                for hostname, live_until, fields in self._fields((str(row[0]), float(row[1])) for row in rows):
                    info = self._info(hostname, fields)
                    if info is None:
                        continue  # an altered record: GET /agent shows it; no expression can look into it
                    infos[hostname] = info
                    hosts[hostname] = _host(hostname, info, fields, live=live_until > now, barred=hostname in barred)
                if not cursor:
                    break
        self._infos = infos
        self._operations = {tuple(sorted(info.operations)): info.operations for info in infos.values()}
        return list(hosts.values())

    def _fields(self, rows: Iterable[tuple[str, float]]) -> Iterable[tuple[str, float, list[str | None]]]:
        scored = list(rows)
        with self._client.pipeline(transaction=False) as pipe:
            for hostname, _ in scored:
                pipe.hmget(self._keys.agent(hostname), ["info", "state", "vitals"])
            answers = pipe.execute(raise_on_error=False)
        for (hostname, live_until), fields in zip(scored, answers, strict=True):
            if isinstance(fields, redis.RedisError):
                if not is_wrong_type(fields):
                    raise fields
                continue
            if fields[0] is not None:
                yield hostname, live_until, fields

    def _info(self, hostname: str, fields: list[str | None]) -> _Info | None:
        text = fields[0] or ""
        cached = self._infos.get(hostname)
        digest = hash(text)
        if cached is not None and cached.digest == digest:
            return cached
        try:
            info = decoding.parsed_object(text)
            operations = tuple(sorted(set(decoding.texts(info["operations"]))))
            return _Info(
                digest,
                dict(decoding.pairs_of_texts(info["labels"])),
                flat_facts(decoding.object_of(info["facts"])),
                self._operations.setdefault(operations, frozenset(operations)),
                decoding.text(info["version"]),
            )
        except decoding.FAULTS:
            return None


def _host(hostname: str, info: _Info, fields: list[str | None], *, live: bool, barred: bool) -> Host:
    try:
        state = AgentState.REVOKED if barred else AgentState(fields[1] or "")
        vitals = decoding.parsed_object(fields[2] or "{}")
        conditions = decoding.texts(vitals.get("conditions", ()))
    except decoding.FAULTS:
        state, conditions = AgentState.PENDING, ()
    return Host(hostname, live, state, info.labels, info.facts, info.operations, info.version, conditions)
