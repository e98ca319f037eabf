"""The audit trail in Redis: a bounded stream whose entries are chained, sealed, and vouch for each other.

Each entry is sealed by the API (``seal``), so that nobody else can write or change one. Its link holds the link of the
one before, so that none can be taken out or moved. The links alone could be computed anew by whoever can write to
Redis; but each entry also says, under its seal, which link its process saw last. So what can vanish unseen are only
the newest entries, all of them that every process wrote since; and a process that lives knows its own.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import redis

from jobqueue.model.audit import AuditEntry, Deed, Verdict
from jobqueue.store.connection import translated_errors
from jobqueue.store.keys import Keys
from jobqueue.store.scripts import Scripts
from jobqueue.store.seal import Seal

#: Entries that one read gives at the most, and that it looks through for those of one principal.
MOST_ENTRIES = 1000
_MOST_SCANNED = 20_000
_MOST_PROBLEMS = 20
_PLACE = "audit"


class Audit:
    """The audit trail of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is away."""

    def __init__(self, client: redis.Redis, keys: Keys, scripts: Scripts, seal: Seal, *, keep: int) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._seal = seal
        #: Entries that the trail keeps.
        self.keep = keep
        #: Number and link of the newest entry that this process knows of.
        self._seen: tuple[int, str] = (0, "")

    def append(self, deeds: Sequence[Deed]) -> int:
        """Add entries in one call; returns the number of the last."""
        pairs = [part for deed in deeds for part in self.sealed(deed)]
        number, link = self._scripts.call("audit", self.keep, *pairs)
        self.saw(int(number), str(link))
        return int(number)

    def sealed(self, deed: Deed, **more: str) -> tuple[str, str]:
        """The seal and the text of an entry, for a script that writes it together with what it tells of.

        ``more`` details are said in it than the deed has.
        """
        details = {**deed.details, **more}
        text = json.dumps({"at": time.time_ns() // 1000, "seen": self._seen, **deed.document(), "details": details})
        return self._seal.mark(_PLACE, text), text

    def saw(self, number: int, link: str) -> None:
        """Take note of an entry that such a script wrote: what this process writes from now on vouches for it."""
        if number > self._seen[0]:
            self._seen = (number, link)

    def total(self) -> int:
        """How many entries are kept."""
        with translated_errors():
            return int(self._client.xlen(self._keys.kind("audit")))

    def newest(self, limit: int, before: int | None = None, who: str | None = None) -> list[AuditEntry]:
        """The newest entries, newest first: those numbered lower than ``before``, and of one principal if asked."""
        found: list[AuditEntry] = []
        top = "+" if before is None else f"0-{max(before - 1, 0)}"
        scanned = 0
        while len(found) < limit and scanned < _MOST_SCANNED:
            with translated_errors():
                rows: Any = self._client.xrevrange(self._keys.kind("audit"), top, "-", count=MOST_ENTRIES)
            entries = [_entry(name, fields) for name, fields in rows]
            found += [entry for entry in entries if who is None or entry.deed.who == who]
            if len(entries) < MOST_ENTRIES:
                break
            scanned += len(entries)
            top = f"0-{entries[-1].number - 1}"
        return found[:limit]

    def after(self, number: int, limit: int) -> list[AuditEntry]:
        """Entries with a higher number, oldest first."""
        with translated_errors():
            rows: Any = self._client.xrange(self._keys.kind("audit"), f"0-{number + 1}", "+", count=limit)
        return [_entry(name, fields) for name, fields in rows]

    def verify(self) -> Verdict:
        """Look through the whole trail for what was added, changed, moved or taken out."""
        with translated_errors():
            head = self._client.hgetall(self._keys.kind("audit_head"))
        seen = self._seen
        links: dict[int, str] = {}
        problems: list[str] = []
        previous: AuditEntry | None = None
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
        number, link = _whole(str(head.get("number", "0"))), str(head.get("link", ""))
        if number is None:
            problems.append("The trail's head holds no number: somebody else has written there.")
            number = -1
        if (number or last) and links.get(number) != link:
            problems.append(f"Entry {number}, the newest by the trail's head, is not there as it was written.")
        if seen[0] and links.get(seen[0]) != seen[1] and not 0 < seen[0] < first:
            problems.append(f"Entry {seen[0]}, which this process wrote, is not there as it was written.")
        return Verdict(len(links), first, last, tuple(problems[:_MOST_PROBLEMS]))

    def _walk(self) -> Iterator[AuditEntry]:
        number = 0
        while True:
            with translated_errors():
                rows: Any = self._client.xrange(self._keys.kind("audit"), f"0-{number + 1}", "+", count=MOST_ENTRIES)
            for name, fields in rows:
                yield _entry(name, fields)
            if len(rows) < MOST_ENTRIES:
                return
            number = int(str(rows[-1][0]).partition("-")[2])

    def _problems(
        self, entry: AuditEntry, previous: AuditEntry | None, links: Mapping[int, str], first: int
    ) -> Iterator[str]:
        number = entry.number
        if not self._seal.holds(entry.seal, _PLACE, entry.text):
            yield f"Entry {number} was not written by this API, or was changed."
            return
        if entry.link != _link(entry.before, number, entry.seal):
            yield f"Entry {number} does not fit its link."
        if previous is not None and number != previous.number + 1:
            yield f"Entries {previous.number + 1} to {number - 1} are missing."
        elif entry.before != (previous.link if previous else entry.before if number > 1 else ""):
            yield f"Entry {number} does not follow the entry before it."
        seen_number, seen_link = json.loads(entry.text)["seen"]
        if seen_number >= first and links.get(seen_number) != seen_link:
            yield f"Entry {seen_number} is not the one that entry {number} saw before it was written."


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"[0-9]{1,16}", text) else None


def _link(before: str, number: int, seal: str) -> str:
    # as Redis' own Lua can compute it; the seal in it is what nobody else can make
    return hashlib.sha1(f"{before}|{number}|{seal}".encode(), usedforsecurity=False).hexdigest()


def _entry(name: Any, fields: Any) -> AuditEntry:
    """An entry as it is stored; what somebody else wrote there is shown as far as it can be."""
    number = int(str(name).partition("-")[2])
    text = str(fields.get("entry", ""))
    try:
        content = json.loads(text)
        at = int(content.pop("at"))
        content.pop("seen")
        deed = Deed(**content)
    except (ValueError, TypeError, KeyError, AttributeError):
        at, deed = 0, Deed("?", "none", "", "", "", 0, "failed", "", details={"unreadable": text[:200]})
    return AuditEntry(
        number,
        at,
        deed,
        str(fields.get("seal", "")),
        str(fields.get("before", "")),
        str(fields.get("link", "")),
        text,
    )
