"""Notification rules in the ledger, their progress, and dead letters. Rules and dead letters are sealed: the API signs
and sends what they contain.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jobqueue.errors import NotificationExists, NotificationNotFound, RecordAltered
from jobqueue.ledger import decoding
from jobqueue.ledger.numbered_records import NumberedKind, NumberedRecords, one_line, whole_number
from jobqueue.ledger.scripts import Clock, redis_clock
from jobqueue.ledger.sealed_records import SealedRecords, SealedStorage
from jobqueue.model.notification import (
    KEPT_DEAD_LETTERS,
    KEPT_DELIVERIES,
    MOST_RULES,
    Cursor,
    DeadLetter,
    Delivery,
    Message,
    Notice,
    NotificationRule,
    Progress,
    RuleView,
)

#: Maximum number of rules of one page.
MAX_PAGE = 100
#: Entries of each stream that one call reads.
MOST_NOTICES = 200
#: The largest second part of the id of a stream's entry.
_LAST_NUMBER = 2**64 - 1
_KIND = NumberedKind(
    name="notification",
    noun="notification rule",
    remedy="It sends nothing; delete it, and store it again.",
    most=MOST_RULES,
    kept=KEPT_DELIVERIES,
    read="read_notifications",
    store="store_notification",
)


@dataclass(frozen=True)
class Turn:
    """The ledger's time, the newest entries of the streams, and the names of all rules."""

    now: int
    newest: Cursor
    names: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """Events after a cursor, oldest first. ``begin``: that cursor; or another one, just before the first event that is
    left, if events after the cursor were removed before they were read. ``is_last``: there are no more.
    """

    notices: tuple[Notice, ...]
    begin: Cursor
    is_last: bool
    newest: Cursor


@dataclass(frozen=True)
class Settlement:
    """The new progress of a rule, after an attempt or, without a ``delivery``, past events that are not reported."""

    cursor: Cursor
    attempts: int = 0
    next: int | None = None
    since: int | None = None
    error: str = ""
    delivery: Delivery | None = None
    dead_letter: DeadLetter | None = None


class Notifications(NumberedRecords[RuleView]):
    """The notification rules of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is away."""

    def __init__(self, storage: SealedStorage, *, now: Clock = redis_clock) -> None:
        super().__init__(storage, _KIND, now)
        self._letters = SealedRecords(storage, "dead-letter", "dead letter of", "It is not sent; delete it.")

    def put(self, rule: NotificationRule, before: str) -> None:
        """Store a rule in place of the one with the serial number ``before`` ('': it is new).

        A new one begins with the events from now on. Raises ``NotificationExists``, ``NotificationNotFound``,
        ``RecordChanged``, ``Conflict`` if there are too many.
        """
        sealed = self._records.close(rule.name, json.dumps(rule.document()))
        self._store(rule.name, before, sealed, rule.serial)

    def remove(self, name: str, serial: str) -> None:
        """Remove a rule with its dead letters. Raises ``NotificationNotFound``, ``RecordChanged``."""
        self._store(name, serial, "", "")

    def take(self, holder: str, lease_seconds: float, passed: Cursor) -> Turn | None:
        """The rules, for the one process that delivers; None for the others. Removes the events before ``passed``."""
        lease = int(lease_seconds * 1000)
        answer = self._scripts.call("take_notifications", self._now(), holder, lease, passed.jobs, passed.others)
        if not answer:
            return None
        now, jobs, others, names = answer
        return Turn(int(now), Cursor(str(jobs), str(others)), tuple(map(str, names)))

    def give_up(self, holder: str) -> None:
        """Let another process deliver."""
        self._scripts.call("take_notifications", self._now(), holder, 0, "", "")

    def read(self, cursor: Cursor) -> Reading:
        """The events after a cursor."""
        answer = self._scripts.call("read_notices", self._now(), cursor.jobs, cursor.others, MOST_NOTICES)
        has_jobs, has_others, jobs, others, newest_job, newest_other = answer
        merged = [_notice(*entry, is_of_job=True) for entry in jobs]
        merged += [_notice(*entry, is_of_job=False) for entry in others]
        merged.sort(key=lambda notice: notice.position)
        is_last = True
        for entries in (jobs, others):
            if len(entries) == MOST_NOTICES:  # of the other stream, only those that are certainly not after unread ones
                end = _notice(*entries[-1], is_of_job=entries is jobs).position
                merged = [notice for notice in merged if notice.position <= end]
                is_last = False
        newest = Cursor(str(newest_job), str(newest_other))
        begin = Cursor(
            cursor.jobs if has_jobs == "1" else _just_before(jobs, newest.jobs),
            cursor.others if has_others == "1" else _just_before(others, newest.others),
        )
        return Reading(tuple(merged), begin, is_last, newest)

    def settle(self, name: str, cursor: Cursor, settlement: Settlement) -> int | None:
        """Move a rule on from ``cursor``; None if another process did, or the rule is gone.

        Returns how many dead letters were dropped because there are too many.
        """
        letter = settlement.dead_letter
        sealed = "" if letter is None else self._letters.close(name, json.dumps(_letter_document(letter)))
        delivery = settlement.delivery
        line = "" if delivery is None else _line(delivery)
        answer = self._scripts.call(
            "settle_notification",
            name,
            cursor.jobs,
            cursor.others,
            settlement.cursor.jobs,
            settlement.cursor.others,
            "passed" if delivery is None else delivery.result,
            settlement.attempts,
            "" if settlement.next is None else settlement.next,
            "" if settlement.since is None else settlement.since,
            one_line(settlement.error),
            line,
            KEPT_DELIVERIES,
            sealed,
            KEPT_DEAD_LETTERS,
        )
        return int(answer[1]) if answer[0] == "done" else None

    def backlog(self, now: int) -> tuple[int, int, int]:
        """How many rules there are, how many dead letters they have, and for how long (microseconds) the message that
        waits longest has been tried.
        """
        total, *records = self._scripts.call("read_notifications", 0, MOST_RULES, "")
        since = [number for number in (whole_number(str(record[6])) for record in records) if number is not None]
        dead = sum(whole_number(str(record[10])) or 0 for record in records)
        return int(total), dead, max((now - first for first in since), default=0)

    def dead_letters(self, name: str) -> list[DeadLetter]:
        """The dead letters of a rule, oldest first. Altered ones are left out, with an alert."""
        records = self._scripts.command("LRANGE", self._keys.kind("dead_letters") + name, 0, KEPT_DEAD_LETTERS - 1)
        letters = []
        for record in records:
            try:
                document = json.loads(self._letters.open(name, str(record)))
            except RecordAltered:  # the alarm has been raised; the others are intact
                continue
            letters.append(DeadLetter(Message(**document["message"]), document["at"], document["error"], str(record)))
        return letters

    def discard(self, name: str, letter: DeadLetter) -> bool:
        """Remove a dead letter; False if another caller did."""
        removed = self._scripts.command("LREM", self._keys.kind("dead_letters") + name, 1, letter.record)
        return bool(int(removed))

    def _view(self, name: str, sealed: str, *rest: Any) -> RuleView | RecordAltered:
        jobs, others, attempts, following, since, error, delivered, failed, dead, *lines = map(str, rest)
        try:
            rule = NotificationRule.of(json.loads(self._records.open(name, sealed)))
        except RecordAltered as altered:
            return altered
        progress = Progress(
            Cursor(jobs, others),
            whole_number(attempts) or 0,
            whole_number(following),
            whole_number(since),
            error,
            whole_number(delivered) or 0,
            whole_number(failed) or 0,
            whole_number(dead) or 0,
        )
        deliveries = (_delivery(line) for line in lines)
        return RuleView(rule, progress, tuple(delivery for delivery in deliveries if delivery is not None))

    def _unknown(self, name: str) -> NotificationNotFound:
        return NotificationNotFound(
            f"No notification rule has the name {name[:80]!r}; `jobqueue notification list` shows all."
        )

    def _taken(self, name: str) -> NotificationExists:
        return NotificationExists(f"The notification rule {name!r} was stored by another caller meanwhile; try again.")


def _notice(entry_id: str, text: str, *, is_of_job: bool) -> Notice:
    try:
        kind, at, subject, detail = str(text).split("|", 3)
        return Notice(str(entry_id), kind, decoding.integer(at), subject, detail, is_of_job)
    except decoding.FAULTS:
        # a forged entry: it has a position in the stream, and no content
        return Notice(str(entry_id), "", 0, "", "", is_of_job)


def _just_before(entries: Sequence[Sequence[Any]], newest: str) -> str:
    """The id before that of the first entry: a cursor after which no entry is missing. ``newest`` if there is none."""
    if not entries:
        return newest
    time, number = map(int, str(entries[0][0]).split("-"))
    return f"{time}-{number - 1}" if number else f"{time - 1}-{_LAST_NUMBER}"


def _letter_document(letter: DeadLetter) -> dict[str, Any]:
    message = letter.message
    content = {"id": message.id, "event": message.event, "count": message.count, "content": message.content}
    return {"message": content, "at": letter.at, "error": letter.error}


def _line(delivery: Delivery) -> str:
    parts = (delivery.at, delivery.result, delivery.message_id, delivery.event, delivery.count)
    return "|".join([*map(str, parts), one_line(delivery.error)])


def _delivery(line: str) -> Delivery | None:
    try:
        at, result, message_id, event, count, error = line.split("|", 5)
        return Delivery(decoding.integer(at), result, message_id, event, decoding.integer(count), error)
    except decoding.FAULTS:  # not written by the ledger
        return None
