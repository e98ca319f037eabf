"""Pauses in the ledger: claims read them, so that nothing that is paused starts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import redis

from jobqueue.errors import Conflict, PauseNotFound
from jobqueue.ledger import decoding
from jobqueue.ledger.audit import Audit
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.damaged_keys import intact_answers
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Clock, Scripts, redis_clock
from jobqueue.ledger.tamper_alarm import TamperAlarm
from jobqueue.model.pause import MAX_PAUSES, Pause, PauseKind
from jobqueue.model.rate import Rate

_KIND = "pauses"
#: Hosts of a pause that one call reads.
_STEP = 500


class Pauses:
    """The pauses of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is away."""

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        scripts: Scripts,
        alarm: TamperAlarm,
        audit: Audit,
        now: Clock = redis_clock,
    ) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._alarm = alarm
        self._audit = audit
        self._now = now

    def add(self, pause: Pause, hostnames: Sequence[str] = ()) -> None:
        """Begin a pause; ``hostnames`` are those of a target. Raises ``Conflict`` if there are too many."""
        arguments = (pause.id, _text(pause), MAX_PAUSES)
        answer = self._audit.change(
            lambda entry: self._scripts.call("add_pause", *arguments, *entry, *hostnames),
            pause=pause.id,
            paused=pause.subject,
            reason=pause.reason,
        )
        if answer == "full":
            raise Conflict(f"There are {MAX_PAUSES} pauses already; end some first.")

    def end(self, pause_id: str) -> None:
        """End a pause: what it held back starts, in its former order. Raises ``PauseNotFound``."""
        arguments = (self._now(), pause_id)
        answer = self._audit.change(lambda entry: self._scripts.call("end_pause", *arguments, *entry), pause=pause_id)
        if answer == "unknown":
            raise PauseNotFound.of(pause_id)

    def all(self) -> list[Pause]:
        """All pauses, the oldest first. One whose time has passed is listed until maintenance ends it."""
        answer: Any = self._scripts.command("HGETALL", self._keys.kind(_KIND))
        records = answer if isinstance(answer, dict) else decoding.pairs(answer)  # a list in Redis' older protocol
        parsed = (self._parsed(str(pause_id), str(text)) for pause_id, text in records.items())
        return sorted((pause for pause in parsed if pause is not None), key=lambda pause: (pause.created, pause.id))

    def held_back(self, pauses: Iterable[Pause]) -> list[int]:
        """For each pause, the number of executions that it has kept from starting so far; 0 if the key is damaged."""
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            for key in self.lists(pauses):
                pipe.zcard(key)
            return [int(count or 0) for count in intact_answers(pipe.execute(raise_on_error=False))]

    def lists(self, pauses: Iterable[Pause]) -> list[str]:
        """The keys of the executions that the pauses have kept from starting."""
        return [self._keys.parked(f"pause:{pause.id}") for pause in pauses]

    def hosts(self, pause_id: str) -> Iterator[str]:
        """The hosts of a pause of a target, read in steps."""
        with translated_errors():
            yield from self._client.sscan_iter(self._keys.kind("paused_hosts") + pause_id, count=_STEP)

    def of_hosts(self, pauses: Sequence[Pause], hostnames: Sequence[str]) -> set[str]:
        """The ids of those pauses of targets that hold one of these hosts, in one round trip."""
        if not (pauses and hostnames):
            return set()
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            for pause in pauses:
                pipe.smismember(self._keys.kind("paused_hosts") + pause.id, list(hostnames))
            return {pause.id for pause, answers in zip(pauses, pipe.execute(), strict=True) if any(answers)}

    def _parsed(self, pause_id: str, text: str) -> Pause | None:
        try:
            kind, until, length, details = text.split("|", 3)
            size = decoding.integer(length)
            kind, *paced = kind.split("@", 1)
            about = decoding.pairs_of_texts(decoding.parsed(details.encode()[size:].decode()))
            return Pause(
                id=pause_id,
                kind=PauseKind(kind),
                value=details.encode()[:size].decode(),
                reason=about["reason"],
                until=decoding.integer(until) if until else None,
                created=decoding.integer(about["created"]),
                created_by=about["created_by"],
                hosts=decoding.integer(about["hosts"]),
                rate=_rate(about["rate"]) if paced else None,
            )
        except decoding.FAULTS:
            self._alarm(f"{_KIND}|{pause_id[:80]}", f"The pause {pause_id[:80]!r} in Redis cannot be read.")
            return None


def _rate(text: str) -> Rate:
    rate = Rate.parse(text)
    if rate is None:
        raise ValueError("not a rate")
    return rate


def _text(pause: Pause) -> str:
    """The record: first what claims read, with the length of the value in bytes, then the rest as JSON."""
    about = {
        "reason": pause.reason,
        "created": str(pause.created),
        "created_by": pause.created_by,
        "hosts": str(pause.hosts),
    }
    until = "" if pause.until is None else pause.until
    kind = pause.kind.value
    if pause.rate:
        about["rate"] = str(pause.rate)
        kind += f"@{pause.rate.burst},{pause.rate.interval}"
    return f"{kind}|{until}|{len(pause.value.encode())}|{pause.value}{json.dumps(about)}"
