"""Records that are listed under their names, such as schedules and saved jobs. For the doctor.

A record that is not listed is hidden, and a schedule that is not among those that are due never fires.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.model.workflow import RUN_GROUP

#: Kinds of records, and of the lists of their names.
_LISTS = (
    ("schedule", "schedules"),
    ("saved", "saved_names"),
    ("workflow", "workflow_names"),
    ("config", "configs"),
    ("notification", "notifications"),
)
#: The lists of schedules that fire, by time: the field of the record with the time, None for any time in the past.
_TIMES = (("schedules_due", "due"), ("schedules_planned", None))
_STEP = 500

#: Kind, key and description of a fault.
Fault = tuple[str, str, str]


class ListedNames:
    """Compares records with the lists of their names; with ``repairs`` the lists are repaired.

    ``scan`` yields the keys of a kind.
    """

    def __init__(self, client: Any, keys: Keys, scan: Callable[[str], Iterator[str]], *, repairs: bool) -> None:
        self._client = client
        self._keys = keys
        self._scan = scan
        self._repairs = repairs

    def faults(self) -> Iterator[Fault]:
        """All faults, as they are found. Raises ``LedgerUnavailable``, ``RecordAltered`` for a list of another type."""
        for kind, names in _LISTS:
            yield from self._unlisted(kind, names)
            yield from self._dangling(kind, names)
        for names, field in _TIMES:
            yield from self._without_a_time(names, field)
            yield from self._dangling("schedule", names)
        yield from self._unfollowed()

    def _unlisted(self, kind: str, names: str) -> Iterator[Fault]:
        index = self._keys.kind(names)
        for key in self._scan(kind):
            name = key.removeprefix(self._keys.kind(kind))
            with translated_errors():
                if self._client.zscore(index, name) is not None or not self._client.exists(key):
                    continue
                if self._repairs:
                    self._client.zadd(index, {name: 0})
            yield "name", index, f"{name[:200]!r} is missing"

    def _without_a_time(self, names: str, field: str | None) -> Iterator[Fault]:
        """Schedules with a next time that would never fire."""
        index = self._keys.kind(names)
        for key in self._scan("schedule"):
            name = key.removeprefix(self._keys.kind("schedule"))
            with translated_errors():
                due = self._client.hget(key, "due")
                if not due or not str(due).isdecimal() or self._client.zscore(index, name) is not None:
                    continue
                if self._repairs:
                    self._client.zadd(index, {name: 0 if field is None else int(due)})
            yield "schedule", index, f"{name[:200]!r} has a next time, and would not fire"

    def _unfollowed(self) -> Iterator[Fault]:
        """Schedules that follow jobs, and would not fire at their ends."""
        index = self._keys.kind("following")
        for key in self._scan("schedule"):
            name = key.removeprefix(self._keys.kind("schedule"))
            with translated_errors():
                group = self._client.hget(key, "follows")
                if not group:
                    continue
                followers = self._keys.kind("followers") + str(group)
                missing = [key for key in (followers, index) if self._client.zscore(key, name) is None]
                if self._repairs:
                    for each in missing:
                        self._client.zadd(each, {name: 0})
            for each in missing:
                yield "schedule", each, f"{name[:200]!r} follows jobs, and would not fire"
        yield from self._dangling("schedule", "following")

    def _dangling(self, kind: str, names: str) -> Iterator[Fault]:
        key = self._keys.kind(names)
        with translated_errors():
            listed = [str(name) for name, _ in self._client.zscan_iter(key, count=_STEP)]
        for name in listed:
            if name.startswith(RUN_GROUP):  # `ListedRuns` looks at these
                continue
            with translated_errors():
                if self._client.exists(self._keys.kind(kind) + name):
                    continue
                if self._repairs:
                    self._client.zrem(key, name)
            yield "name", key, f"{name[:200]!r} does not exist"
