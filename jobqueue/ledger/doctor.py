"""Checks and repairs the whole ledger while it is in use, in small atomic steps.

Checks the type of every key, every job against its executions, indexes, counts and queues, orphaned records, dangling
members of lists, the lists of agents, of names and of runs of workflows, counters, and the streams of events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from jobqueue.errors import JobNotFound, RecordAltered
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import KINDS
from jobqueue.ledger.ledger import COUNTERS, Ledger
from jobqueue.ledger.listed_agents import ListedAgents
from jobqueue.ledger.listed_names import Fault, ListedNames
from jobqueue.ledger.listed_queues import ListedQueues
from jobqueue.ledger.listed_runs import ListedRuns
from jobqueue.ledger.scripts import SPOILED_SECONDS, STREAMS
from jobqueue.ledger.stream_ids import id_too_far_ahead
from jobqueue.model.alert import RECORDS_ALTERED
from jobqueue.model.measures import is_counter

#: Keys that one SCAN step examines.
_STEP = 500
#: Field with the sum of the others.
_ALL = "all"
_TEXTS = {
    "record": "its records hold values of another type",
    "half": "its document or all its executions are missing",
    "execution": "an execution of it is missing or cannot be read",
    "counts": "its status, its times or its counts are not those of its executions",
    "index": "it is in wrong indexes, or missing from some",
    "finished": "its end is recorded wrongly",
    "deadline": "its deadline is recorded wrongly",
    "lease": "the lease of an execution does not fit its state",
    "opening": "its held executions do not match its records",
    "cancel": "it was cancelled, and an execution still waits",
    "waiting": "a waiting execution is in no queue, or a queued one is not waiting",
}


@dataclass(frozen=True)
class Damage:
    """One fault. ``kind`` is one word, ``key`` the Redis key, ``repaired`` whether it was repaired."""

    kind: str
    key: str
    text: str
    repaired: bool = False


class Doctor:
    """Examines one ledger; with ``repairs`` it repairs what it finds."""

    def __init__(self, ledger: Ledger, *, repairs: bool, lease_seconds: float) -> None:
        self._ledger = ledger
        self._repairs = repairs
        self._keys = ledger.keys
        self._client: Any = ledger.client
        self._lease = int(lease_seconds * 1_000_000)
        self._has_wrong_types = False
        self._kinds = {self._keys.kind(kind): (kind, of_type) for kind, (_, of_type, _) in KINDS.items()}

    def run(self) -> Iterator[Damage]:
        """All damage, as it is found. Raises ``LedgerUnavailable``."""
        terms = (self._client, self._keys, self._scan)
        agents = ListedAgents(*terms, repairs=self._repairs)
        queues = ListedQueues(*terms, self._ledger.executions, repairs=self._repairs)
        names = ListedNames(*terms, repairs=self._repairs)
        runs = ListedRuns(*terms, repairs=self._repairs)
        for section in (
            self._types,
            self._streams,
            self._counters,
            partial(self._each, partial(agents.faults, self._ledger.time())),
            self._orphans,
            self._jobs,
            self._members,
            self._removals,
            self._reserved,
            partial(self._each, queues.queues),
            partial(self._each, queues.parked),
            self._paused_hosts,
            partial(self._each, queues.lines),
            self._names,
            partial(self._each, names.faults),
            partial(self._each, runs.faults),
        ):
            try:
                with translated_errors():
                    yield from section()
            except RecordAltered:
                # the wrong type was reported; the contents can be checked once the key is repaired
                if self._repairs or not self._has_wrong_types:
                    raise

    def _orphans(self) -> Iterator[Damage]:
        for key in self._scan("exec", "out", "log", "fetched", "slots", "doc", "driver_report"):
            yield from self._orphan(key)

    def _jobs(self) -> Iterator[Damage]:
        for key in self._scan("job"):
            yield from self._job(key.removeprefix(self._keys.kind("job")))

    def _reserved(self) -> Iterator[Damage]:
        """The space that is reserved for fetched files: by jobs that do not exist, or another sum than of its parts."""
        key = self._keys.kind("fetched_bytes")
        with translated_errors():
            total = self._client.hget(key, _ALL)
        sizes = {name: value for name, value in self._pairs(key) if name != _ALL}
        for name, size in list(sizes.items()):
            job_id = name.rpartition(":")[2]
            with translated_errors():
                is_stored = self._client.exists(self._keys.job(job_id)) or self._is_being_removed(job_id)
            if is_stored and size.isdecimal() and len(size) < 17:
                continue
            del sizes[name]
            if self._repairs:
                self._client.hdel(key, name)
            yield self._damage("counter", key, f"{name[:300]!r} has reserved {size[:40]!r} bytes without a job")
        right = str(sum(map(int, sizes.values())))
        with translated_errors():
            has_changed = self._client.hget(key, _ALL) != total  # files are being sent: the parts are of other times
        if has_changed or (total or "0") == right:
            return
        if self._repairs:
            self._client.hset(key, _ALL, right)
        yield self._damage("counter", key, f"{str(total)[:40]!r} bytes are reserved, but its parts have {right}")

    def _is_being_removed(self, job_id: str) -> bool:
        return self._client.zscore(self._keys.kind("removals"), job_id) is not None

    def _paused_hosts(self) -> Iterator[Damage]:
        """Pauses of hosts that have lost some. The hosts cannot be found again: targets are evaluated by the API."""
        for pause in self._ledger.pauses.all():
            key = self._keys.kind("paused_hosts") + pause.id
            with translated_errors():
                count = int(self._client.scard(key))
            if count < pause.hosts:
                text = (
                    f"the pause {pause.id} of {pause.value[:200]!r} has lost {pause.hosts - count} of its "
                    f"{pause.hosts} hosts, where executions start again; end it and create it again"
                )
                yield Damage("pause", key, text)

    def _removals(self) -> Iterator[Damage]:
        removals = self._keys.kind("removals")
        for key in self._scan("removing"):
            job_id = key.removeprefix(self._keys.kind("removing"))
            with translated_errors():
                if self._client.zscore(removals, job_id) is not None or not self._client.exists(key):
                    continue
                if self._repairs:
                    self._client.zadd(removals, {job_id: 1})
            yield self._damage("removal", key, "belongs to a deleted job whose removal has stopped")

    def _names(self) -> Iterator[Damage]:
        for key in self._scan("idem", "alias", "exclusive", "reported"):
            yield from self._name(key)

    def _each(self, faults: Callable[[], Iterator[Fault]]) -> Iterator[Damage]:
        for fault in faults():
            yield self._damage(*fault)

    def _damage(self, kind: str, key: str, text: str) -> Damage:
        return Damage(kind, key, text, self._repairs)

    def _scan(self, *kinds: str) -> Iterator[str]:
        """Keys of these kinds, or all keys of the ledger."""
        for start in [self._keys.kind(kind) for kind in kinds] or [self._keys.prefix]:
            cursor = 0
            while True:
                with translated_errors():
                    cursor, names = self._client.scan(cursor, match=f"{start}*", count=_STEP)
                yield from map(str, names)
                if not cursor:
                    break

    def _kind_of(self, key: str) -> tuple[str, str] | None:
        """Kind and type of a key, from its name."""
        if key in self._kinds:
            return self._kinds[key]
        start = key[: key.find(":", len(self._keys.prefix)) + 1]
        return self._kinds.get(start)

    def _types(self) -> Iterator[Damage]:
        for key in self._scan():
            kind_of_key = self._kind_of(key)
            if kind_of_key is None or kind_of_key[1] == "any":
                continue
            with translated_errors():
                kind = self._client.type(key)
            if kind in (kind_of_key[1], "none"):
                continue
            self._has_wrong_types = True
            if self._repairs:
                self._set_aside(key)
                self._ledger.executions.alert(
                    RECORDS_ALTERED, "", "", f"The key {key[:200]} held a {kind}: moved aside."
                )
            yield self._damage("type", key, f"holds a {kind} in place of a {kind_of_key[1]}")
        barred, revoked = self._keys.kind("barred"), self._keys.kind("revoked")
        with translated_errors():
            is_lost = not self._client.exists(barred) and self._client.exists(self._keys.kind("spoiled") + barred)
            hosts = self._client.hkeys(revoked) if is_lost else []
        if hosts:
            if self._repairs:
                self._client.sadd(barred, *hosts)
            yield self._damage(
                "barred", barred, "was lost: agents that were ever revoked stay barred until they are accepted"
            )

    def _set_aside(self, key: str) -> None:
        aside = self._keys.kind("spoiled") + key
        with translated_errors():
            self._client.rename(key, aside)
            self._client.expire(aside, SPOILED_SECONDS)

    def _streams(self) -> Iterator[Damage]:
        for key in map(self._keys.kind, STREAMS):
            with translated_errors():
                if not self._client.exists(key):
                    continue
                last = id_too_far_ahead(self._client, key, self._ledger.time())
            if last:
                if self._repairs:
                    self._set_aside(key)
                yield self._damage(
                    "stream", key, f"its last id {last} is in the future: soon no more entries can be added"
                )

    def _counters(self) -> Iterator[Damage]:
        for kind in ("stats", "measured"):
            key = self._keys.kind(kind)
            for name, value in self._pairs(key):
                is_known = name in COUNTERS if kind == "stats" else is_counter(name)
                if is_known and value.isdecimal() and len(value) < 17:
                    continue
                if self._repairs:
                    self._client.hdel(key, name)
                yield self._damage(
                    "counter", key, f"{name[:100]!r} holds {value[:40]!r}, which is not a counter of the ledger"
                )

    def _pairs(self, key: str) -> Iterator[tuple[str, str]]:
        cursor = 0
        while True:
            with translated_errors():
                cursor, pairs = self._client.hscan(key, cursor, count=_STEP)
            yield from ((str(name), str(value)) for name, value in pairs.items())
            if not cursor:
                return

    def _orphan(self, key: str) -> Iterator[Damage]:
        kind, _ = self._kind_of(key) or ("", "")
        rest = key.removeprefix(self._keys.kind(kind))
        slot, _, job_id = rest.rpartition(":") if kind in ("exec", "out", "log", "fetched") else ("", "", rest)
        try:
            outcome = self._ledger.scripts.call("remove_orphan", key, job_id, slot, "1" if self._repairs else "")
        except RecordAltered:
            return  # the job's own record is damaged, which is reported with the job
        if outcome:
            yield self._damage("orphan", key, "belongs to no existing job or execution")

    def _job(self, job_id: str) -> Iterator[Damage]:
        key = self._keys.job(job_id)
        for fault in self._ledger.jobs.examine(job_id, self._lease, repairs=self._repairs):
            yield self._damage("job", key, _TEXTS[fault])
        try:
            self._ledger.jobs.get(job_id)
        except JobNotFound:
            return
        except RecordAltered:
            if self._repairs:
                self._ledger.jobs.announce_again(job_id)
            yield self._damage("job", key, "it cannot be read")

    def _members(self) -> Iterator[Damage]:
        sets = [(self._keys.kind(kind), "execution", "") for kind in ("due", "leases")]
        sets += [(key, "execution", "") for key in self._scan("parked")]
        sets += [
            (self._keys.kind(kind), "job", "") for kind in ("deadlines", "finished", "outside", "opening", "cancelling")
        ]
        sets += [(key, "job", "") for key in self._scan("index")]
        sets += [(key, "job", key.removeprefix(self._keys.kind("waiting"))) for key in self._scan("waiting")]
        for key, of, slot in sets:
            cursor = "0"
            while True:
                cursor, *members = self._ledger.scripts.call(
                    "remove_dangling", key, cursor, of, slot, "1" if self._repairs else ""
                )
                for member in members:
                    yield self._damage("member", key, f"{member[:80]!r} leads nowhere")
                if cursor == "0":
                    break

    def _name(self, key: str) -> Iterator[Damage]:
        with translated_errors():
            text = self._client.get(key) or ""
        job_id = text.split("|")[1] if text.count("|") == 3 else text
        with translated_errors():
            if not text or self._client.exists(self._keys.job(job_id)):
                return
            if self._repairs:
                self._client.delete(key)
        yield self._damage("name", key, f"refers to job {job_id[:40]!r}, which does not exist")
