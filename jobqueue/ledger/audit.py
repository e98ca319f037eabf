"""The audit trail in Redis: a bounded stream of entries that are chained, sealed, and vouch for each other.

The API seals each entry (``seal``), so that only the API can write or change one. Each entry's link includes the link
of its predecessor, so that no entry can be removed or moved. An attacker with write access to Redis could recompute the
links alone; but each entry also holds, under its seal, the last link that its process saw. So the only entries that can
vanish undetected are the newest ones, and only if all entries that every process wrote since then vanish too; and a
running process knows its own.

An attacker with write access to Redis can also make the stream unwritable. The next entry then repairs it: the trail
continues after a *break*, a sealed entry that records where and why the trail was broken.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import redis

from jobqueue.errors import AuditUnavailable, LedgerRefuses, RecordAltered
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Scripts
from jobqueue.ledger.seal import Seal
from jobqueue.ledger.tamper_alarm import TamperAlarm
from jobqueue.model.audit import AuditEntry, AuditRecord, AuditVerdict
from jobqueue.redis_refusal import refusal_of

#: Maximum number of entries that one read returns, and that it searches for those of one principal.
MOST_ENTRIES = 1000
_MOST_SCANNED = 20_000
#: Entries at a time where many are searched or verified: Redis, or this process, serves no other client meanwhile.
_SCANNED_STEP = 250
_MOST_PROBLEMS = 20
_PLACE = "audit"
#: ``result`` of the entry that marks where the trail was broken.
BROKEN = "broken"
#: Entries that one repair step moves, and the maximum number of steps; the next entry continues with the rest.
_MOST_MOVED, _MOST_STEPS = 1000, 500
#: The trail never assigns higher numbers: it could not continue after them.
_HIGHEST = 9_000_000_000_000_000 - 1_000_000


class Together:
    """The audit entry of a request, written by the ledger atomically with the requested change.

    ``make_entry`` returns the entry when the change is made. ``is_written``: the trail has it, and the change was made.
    """

    def __init__(self, make_entry: Callable[[], AuditEntry]) -> None:
        self.make_entry = make_entry
        self.is_written = False


_TOGETHER: ContextVar[Together | None] = ContextVar("audit_together", default=None)


@contextmanager
def together(make_entry: Callable[[], AuditEntry]) -> Iterator[Together]:
    """Changes made inside this context are written atomically with their entry, or not at all."""
    pending = Together(make_entry)
    token = _TOGETHER.set(pending)
    try:
        yield pending
    finally:
        _TOGETHER.reset(token)


class Audit:
    """The audit trail of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is down."""

    def __init__(
        self,
        client: redis.Redis,
        keys: Keys,
        scripts: Scripts,
        seal: Seal,
        *,
        keep: int,
        alarm: TamperAlarm | None = None,
        strict: bool = False,
    ) -> None:
        self._alarm = alarm
        #: Jobs are also refused while they cannot be recorded.
        self.strict = strict
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._seal = seal
        #: Entries that the trail keeps.
        self.keep = keep
        #: Number and link of the newest entry that this process knows of.
        self._seen: tuple[int, str] = (0, "")

    def append(self, entries: Sequence[AuditEntry]) -> int:
        """Add entries in one call; returns the number of the last. A broken trail is repaired first.

        Raises ``AuditUnavailable`` if the repair fails.
        """
        try:
            return self._append(entries)
        except (redis.ResponseError, RecordAltered) as error:
            if not self.repair():
                raise unavailable(str(error)) from error
        try:
            return self._append(entries)
        except (redis.ResponseError, RecordAltered) as error:
            raise unavailable(str(error)) from error

    def _append(self, entries: Sequence[AuditEntry]) -> int:
        pairs = [part for entry in entries for part in self.sealed(entry)]
        number, link = self._scripts.call("append_audit", self.keep, *pairs)
        self.saw(int(number), str(link))
        return int(number)

    def change(self, call: Callable[[tuple[int, str, str]], Any], **details: Any) -> str:
        """Make a change atomically with the audit entry of its request, if there is one (``together``).

        ``call`` runs the script with what the entry needs: how many entries to keep, the seal, and the entry or ''.
        Returns the first word of the script's answer. Raises ``AuditUnavailable``: nothing was changed.
        """
        pending = _TOGETHER.get()
        answer = call(self._entry(pending, details))
        if answer[0] == "unrecorded" and self.repair():
            answer = call(self._entry(pending, details))
        if answer[0] == "unrecorded":
            raise unavailable(str(answer[1]))
        if len(answer) > 2 and answer[1] and pending is not None:
            self.saw(int(answer[1]), str(answer[2]))
            pending.is_written = True
        return str(answer[0])

    def _entry(self, pending: Together | None, details: Mapping[str, Any]) -> tuple[int, str, str]:
        return (self.keep, *(self.sealed(pending.make_entry(), **details) if pending else ("", "")))

    def trouble(self) -> str:
        """Why the trail cannot be written; empty if it can."""
        return str(self._scripts.call("check_audit"))

    def is_broken(self) -> bool:
        """Whether the newest break is still among the retained entries.

        An attacker with write access to Redis can hide it from this check; ``verify`` reads the whole trail and finds
        it.
        """
        try:
            with translated_errors():
                number = _integer(str(self._client.hget(self._keys.kind("audit_head"), "broken") or ""))
            entries = self.after(number - 1, 1) if number else []
        except RecordAltered:
            return False  # the trail cannot be written either, which ``trouble`` reports
        return bool(entries) and entries[0].number == number and self._is_break(entries[0])

    def _is_break(self, entry: AuditRecord) -> bool:
        return entry.content.result == BROKEN and self._seal.holds(entry.seal, _PLACE, entry.text)

    def check(self) -> None:
        """Raise ``AuditUnavailable`` if the trail can be neither written nor repaired."""
        trouble = self.trouble()
        if trouble and not self.repair():
            raise unavailable(trouble)

    def repair(self) -> bool:
        """Continue an unwritable trail after a break; returns whether it can be written now."""
        trouble = self.trouble()
        if not trouble:
            return True
        number, link = self._newest_of_ours()
        entry = AuditEntry("", "audit", "", "", "", 0, BROKEN, "", details={"reason": trouble, "after": number})
        sentence = (
            f"The audit trail could not be written, because {trouble}: it was altered in Redis. It continues "
            f"after entry {number} with a break; `jobqueue audit verify` shows it."
        )
        if self._alarm is not None:
            self._alarm("audit", sentence)
        mark, text = self.sealed(entry)
        for _ in range(_MOST_STEPS):
            try:
                state, *rest = self._scripts.call("repair_audit", self.keep, number, link, mark, text, _MOST_MOVED)
            except (redis.ResponseError, RecordAltered):
                return False
            if state == "repaired":
                self.saw(int(rest[0]), str(rest[1]))
            if state != "more":
                return True
        return False

    def _newest_of_ours(self) -> tuple[int, str]:
        """Number and link of the newest entry that the API wrote."""
        for kind in ("audit", "audit_spoiled"):
            newest = self._newest_sealed(self._keys.kind(kind))
            if newest is not None:
                return newest
        try:
            with translated_errors():
                head = self._client.hgetall(self._keys.kind("audit_head"))
        except RecordAltered:
            return self._seen
        number = _integer(str(head.get("number", "")))
        return (number, str(head.get("link", ""))) if number is not None and number <= _HIGHEST else self._seen

    def _newest_sealed(self, key: str) -> tuple[int, str] | None:
        top = "0-18446744073709551615"
        for _ in range(_MOST_STEPS):
            try:
                with translated_errors():
                    rows: Any = self._client.xrevrange(key, top, "-", count=MOST_ENTRIES)
            except RecordAltered:
                return None
            for name, fields in rows:
                entry = _entry(name, fields)
                if self._seal.holds(entry.seal, _PLACE, entry.text) and 0 < entry.number <= _HIGHEST:
                    return entry.number, entry.link
            if len(rows) < MOST_ENTRIES:
                return None
            top = f"0-{_entry(*rows[-1]).number - 1}"
        return None

    def sealed(self, entry: AuditEntry, **more: Any) -> tuple[str, str]:
        """The seal and the text of an entry, for a script that writes both with the change that the entry records.

        ``more`` are details to add to those of the entry.
        """
        details = {**entry.details, **more}
        text = json.dumps({"at": time.time_ns() // 1000, "seen": self._seen, **entry.document(), "details": details})
        return self._seal.mark(_PLACE, text), text

    def saw(self, number: int, link: str) -> None:
        """Record an entry that such a script wrote: later entries of this process vouch for it."""
        if number > self._seen[0]:
            self._seen = (number, link)

    def total(self) -> int:
        """How many entries are kept."""
        with translated_errors():
            return int(self._client.xlen(self._keys.kind("audit")))

    def newest(self, limit: int, before: int | None = None, who: str | None = None) -> list[AuditRecord]:
        """The newest entries, newest first: optionally only numbers below ``before``, and only one principal's."""
        top = "+" if before is None else f"0-{max(before - 1, 0)}"
        if who is not None:
            return self._newest_of(who, limit, top)
        with translated_errors():
            rows: Any = self._client.xrevrange(self._keys.kind("audit"), top, "-", count=limit)
        return [_entry(name, fields) for name, fields in rows]

    def _newest_of(self, who: str, limit: int, top: str) -> list[AuditRecord]:
        """The newest entries of a principal from ``top`` on, among ``_MOST_SCANNED`` entries.

        Redis searches for its name, in small steps: to read and decode all of them would hold up other requests.
        """
        records: list[AuditRecord] = []
        needle = f'"who": {json.dumps(who)}'
        for _ in range(_MOST_SCANNED // _SCANNED_STEP):
            last, *rows = self._scripts.call("search_audit", top, _SCANNED_STEP, needle)
            entries = (_entry(name, dict(zip(fields[::2], fields[1::2], strict=True))) for name, fields in rows)
            records += [entry for entry in entries if entry.content.who == who]
            if not last or len(records) >= limit:
                break
            top = f"0-{int(last.partition('-')[2]) - 1}"
        return records[:limit]

    def after(self, number: int, limit: int) -> list[AuditRecord]:
        """Entries with a higher number, oldest first."""
        with translated_errors():
            rows: Any = self._client.xrange(self._keys.kind("audit"), f"0-{number + 1}", "+", count=limit)
        return [_entry(name, fields) for name, fields in rows]

    def verify(self) -> AuditVerdict:
        """Check the whole trail for entries that were added, changed, moved or removed."""
        trouble = self.trouble()
        try:
            return self._verify(trouble)
        except RecordAltered:  # the keys to check cannot even be determined
            return AuditVerdict(0, 0, 0, (f"The trail cannot be written: {trouble}.",))

    def _verify(self, trouble: str) -> AuditVerdict:
        with translated_errors():
            head = self._client.hgetall(self._keys.kind("audit_head"))
        seen = self._seen
        links: dict[int, str] = {}
        problems: list[str] = []
        previous: AuditRecord | None = None
        first = 0
        for entry in self._walk():
            first = first or entry.number
            if len(problems) < _MOST_PROBLEMS:
                problems += self._problems(entry, previous, links, first)
            links[entry.number] = entry.link
            previous = entry
        last = previous.number if previous else 0
        if first > 1 and len(links) < self.keep:
            problems.append(
                f"The oldest {first - 1} entries are missing, though there is room for {self.keep} "
                "(JOBQUEUE_AUDIT_ENTRIES, unless it was raised since)."
            )
        if trouble:
            problems.append(f"The trail cannot be written: {trouble}.")
        number, link = _integer(str(head.get("number", "0"))), str(head.get("link", ""))
        if number is None:
            problems.append("The trail's head is not a number: it was altered in Redis.")
            number = -1
        if (number or last) and links.get(number) != link:
            problems.append(f"Entry {number}, the newest by the trail's head, is missing or was changed.")
        if seen[0] and links.get(seen[0]) != seen[1] and not 0 < seen[0] < first:
            problems.append(f"Entry {seen[0]}, which this process wrote, is missing or was changed.")
        return AuditVerdict(len(links), first, last, tuple(problems[:_MOST_PROBLEMS]))

    def _walk(self) -> Iterator[AuditRecord]:
        number = 0
        while True:
            with translated_errors():
                rows: Any = self._client.xrange(self._keys.kind("audit"), f"0-{number + 1}", "+", count=_SCANNED_STEP)
            for name, fields in rows:
                yield _entry(name, fields)
            if len(rows) < _SCANNED_STEP:
                return
            number = int(str(rows[-1][0]).partition("-")[2])

    def _problems(
        self, entry: AuditRecord, previous: AuditRecord | None, links: Mapping[int, str], first: int
    ) -> Iterator[str]:
        number = entry.number
        if not self._seal.holds(entry.seal, _PLACE, entry.text):
            yield f"Entry {number} was not written by this API, or was changed."
            return
        if entry.content.result == BROKEN:
            details = entry.content.details
            yield (
                f"The trail was broken after entry {details.get('after')} ({details.get('reason')}), and continues "
                f"with entry {number}: events in between are recorded only in the logs of the API."
            )
        if entry.link != _link(entry.before, number, entry.seal):
            yield f"Entry {number} does not fit its link."
        if previous is not None and number != previous.number + 1:
            yield f"Entries {previous.number + 1} to {number - 1} are missing."
        elif entry.before != (previous.link if previous else entry.before if number > 1 else ""):
            yield f"Entry {number} does not follow the entry before it."
        seen_number, seen_link = json.loads(entry.text)["seen"]
        if seen_number >= first and links.get(seen_number) != seen_link:
            yield f"Entry {seen_number} is not the one that preceded entry {number} when it was written."


def unavailable(why: str) -> AuditUnavailable | LedgerRefuses:
    """The error for a request that is refused because its entry cannot be written (``why``)."""
    refusal = refusal_of(redis.ResponseError(why))
    if refusal is not None:
        return LedgerRefuses(f"{refusal.sentence}: {why}", sentence=f"{refusal.sentence}.")
    return AuditUnavailable(
        f"The change was refused, because it cannot be recorded in the audit trail ({why}). `jobqueue audit verify` "
        "has details; see docs/runbook.md."
    )


def _integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,16}", text) else None


def _link(before: str, number: int, seal: str) -> str:
    # computable by Redis' own Lua; only the API can compute the seal in it
    return hashlib.sha1(f"{before}|{number}|{seal}".encode(), usedforsecurity=False).hexdigest()


def _entry(name: Any, fields: Any) -> AuditRecord:
    """An entry as it is stored; a forged one is shown as far as it can be decoded."""
    number = int(str(name).partition("-")[2])
    text = str(fields.get("entry", ""))
    try:
        content = json.loads(text)
        at = int(content.pop("at"))
        content.pop("seen")
        entry = AuditEntry(**content)
    except (ValueError, TypeError, KeyError, AttributeError):
        at, entry = 0, AuditEntry("?", "none", "", "", "", 0, "failed", "", details={"unreadable": text[:200]})
    return AuditRecord(
        number,
        at,
        entry,
        str(fields.get("seal", "")),
        str(fields.get("before", "")),
        str(fields.get("link", "")),
        text,
    )
