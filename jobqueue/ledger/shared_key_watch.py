"""Checks the keys that all components share, at a cost independent of the number of jobs or agents."""

from __future__ import annotations

from jobqueue.ledger.acl import ROLES
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import KINDS
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.scripts import REPAIRABLE, SPOILED_SECONDS, STREAMS
from jobqueue.ledger.stream_ids import AHEAD, id_too_far_ahead
from jobqueue.model.alert import RECORDS_ALTERED

#: Maximum number of counters in one hash: operations, states and buckets, with room to spare.
_MOST_COUNTERS = 20_000
_COUNTERS = ("stats", "measured")
#: The keys that maintenance may touch; scripts of the API move aside the keys that only the API writes.
_SHARED = tuple(kind for kind in REPAIRABLE if not KINDS[kind][0].endswith(":") and "maintenance" in ROLES[kind])


class Watch:
    """Finds damage that an agent's script cannot repair, since an agent's user may write few shared keys."""

    def __init__(self, ledger: Ledger, lease_seconds: float) -> None:
        self._ledger = ledger
        self._lease = int(lease_seconds * 1_000_000)
        self._behind = 0.0

    def shared_keys(self) -> int:
        """Move damaged shared keys aside, with an alert; returns how many."""
        client, keys = self._ledger.client, self._ledger.keys
        with translated_errors(), client.pipeline(transaction=False) as pipe:
            for kind in _SHARED:
                pipe.type(keys.kind(kind))
            types = dict(zip(_SHARED, pipe.execute(), strict=True))
        suspicious = {kind for kind, key_type in types.items() if key_type not in (KINDS[kind][1], "none")}
        with translated_errors():
            for kind in STREAMS:
                if types[kind] == "stream" and id_too_far_ahead(client, keys.kind(kind), self._ledger.time()):
                    suspicious.add(kind)
            for kind in _COUNTERS:
                if types[kind] == "hash" and client.hlen(keys.kind(kind)) > _MOST_COUNTERS:
                    suspicious.add(kind)
        return sum(self._replaced(kind) for kind in _SHARED if kind in suspicious)

    def _replaced(self, kind: str) -> bool:
        """Move one key aside, unless it is sound meanwhile: the script of another process may have replaced it."""
        key = self._ledger.keys.kind(kind)
        now = self._ledger.time()
        most = _MOST_COUNTERS if kind in _COUNTERS else ""
        terms = (now, key, KINDS[kind][1], SPOILED_SECONDS, (now + AHEAD) // 1000, most)
        damage = self._ledger.scripts.call("replace_damaged", *terms)
        if not damage:
            return False
        self._ledger.executions.alert(
            RECORDS_ALTERED,
            "",
            "",
            f"The key {key} {damage}. It was moved to {self._ledger.keys.kind('spoiled')}{key} and replaced by an "
            "empty one; `jobqueue doctor --repair` restores what other records contain.",
        )
        return True

    def waiting_jobs(self, limit: int) -> int:
        """Check some of the jobs that have not started; successive calls cover all of them.

        Jobs without a document or without executions are removed, with an alert. Returns how many were damaged.
        """
        waiting = self._ledger.jobs.waiting_longest(self._behind, limit)
        self._behind = waiting[-1][1] if len(waiting) == limit else 0.0
        suspicious = self._ledger.jobs.suspicious([job_id for job_id, _ in waiting])
        return sum(self._ledger.jobs.removed_if_half(job_id, self._lease) for job_id in suspicious)
