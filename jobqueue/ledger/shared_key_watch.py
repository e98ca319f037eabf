"""Checks the keys that all components share, at a cost independent of the number of jobs or agents."""

from __future__ import annotations

from jobqueue.ledger.acl import ROLES
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import KINDS
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.scripts import NOTICES, REPAIRABLE, SPOILED_SECONDS, STREAMS
from jobqueue.ledger.stream_ids import id_too_far_ahead
from jobqueue.model.alert import RECORDS_ALTERED

#: Maximum number of counters in one hash: operations, states and buckets, with room to spare.
_MOST_COUNTERS = 20_000
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
        damaged = {kind: f"held a {found}" for kind, found in types.items() if found not in (KINDS[kind][1], "none")}
        with translated_errors():
            for kind in STREAMS:
                if types[kind] == "stream" and (last := id_too_far_ahead(client, keys.kind(kind), self._ledger.time())):
                    damaged[kind] = f"had the last id {last}, after which no entry can be added"
            for kind in ("stats", "measured"):
                if types[kind] == "hash" and client.hlen(keys.kind(kind)) > _MOST_COUNTERS:
                    damaged[kind] = "held more counters than the ledger has"
            for kind, damage in damaged.items():
                aside = keys.kind("spoiled") + keys.kind(kind)
                client.rename(keys.kind(kind), aside)
                client.expire(aside, SPOILED_SECONDS)
                if kind in NOTICES:  # without the stream, the next events would not be noted
                    client.xadd(keys.kind(kind), {"v": f"begin|{self._ledger.time()}||"})
                self._ledger.executions.alert(
                    RECORDS_ALTERED,
                    "",
                    "",
                    f"The key {keys.kind(kind)} {damage}. It was moved to {aside} and replaced by an empty one; "
                    "`jobqueue doctor --repair` restores what other records contain.",
                )
        return len(damaged)

    def waiting_jobs(self, limit: int) -> int:
        """Check some of the jobs that have not started; successive calls cover all of them.

        Jobs without a document or without executions are removed, with an alert. Returns how many were damaged.
        """
        waiting = self._ledger.jobs.waiting_longest(self._behind, limit)
        self._behind = waiting[-1][1] if len(waiting) == limit else 0.0
        suspicious = self._ledger.jobs.suspicious([job_id for job_id, _ in waiting])
        return sum(self._ledger.jobs.removed_if_half(job_id, self._lease) for job_id in suspicious)
