"""Runs of workflows and the lists that they are on. For the doctor.

A run that is not among those to examine never goes on if an event is lost, and one that does not follow its jobs goes
on late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.listed_names import Fault
from jobqueue.model.workflow import RUN_GROUP

_STEP = 500
#: Starts of the keys of indexes of the jobs of runs.
_INDEXED = f"group:{RUN_GROUP}"


class ListedRuns:
    """Compares runs with the lists that they are on; with ``repairs`` the lists are repaired.

    ``scan`` yields the keys of a kind.
    """

    def __init__(self, client: Any, keys: Keys, scan: Callable[[str], Iterator[str]], *, repairs: bool) -> None:
        self._client = client
        self._keys = keys
        self._scan = scan
        self._repairs = repairs

    def faults(self) -> Iterator[Fault]:
        """All faults, as they are found. Raises ``LedgerUnavailable``, ``RecordAltered`` for a list of another type."""
        for key in self._scan("workflow_run"):
            yield from self._unlisted(key.removeprefix(self._keys.kind("workflow_run")))
        lists = [self._keys.kind("workflow_runs_due"), self._keys.kind("workflow_runs_ended")]
        for key in [*lists, *self._scan("workflow_runs")]:
            yield from self._dangling(key, "")
        yield from self._dangling(self._keys.kind("following"), RUN_GROUP)
        yield from self._jobs_without_run()

    def _unlisted(self, run_id: str) -> Iterator[Fault]:
        with translated_errors():
            fields = self._client.hmget(
                self._keys.kind("workflow_run") + run_id, "workflow", "created", "ended", "updated"
            )
        workflow, created, ended, updated = (str(value or "") for value in fields)
        if not created.isdecimal():
            return  # it has been removed since, or cannot be read at all
        lists = {self._keys.kind("workflow_runs") + name: created for name in ("", workflow)}
        if ended:
            lists[self._keys.kind("workflow_runs_ended")] = ended
        else:
            lists[self._keys.kind("workflow_runs_due")] = updated
        for key, score in lists.items():
            yield from self._missing(key, run_id, run_id, score)
        if not ended:
            yield from self._missing(self._keys.kind("following"), RUN_GROUP + run_id, run_id, "0")

    def _missing(self, key: str, member: str, run_id: str, score: str) -> Iterator[Fault]:
        with translated_errors():
            if self._client.zscore(key, member) is not None or not self._exists(run_id):
                return
            if self._repairs:
                self._client.zadd(key, {member: int(score) if score.isdecimal() else 0})
        yield "run", key, f"the run {run_id[:80]!r} of a workflow is missing"

    def _dangling(self, key: str, prefix: str) -> Iterator[Fault]:
        with translated_errors():
            members = [str(member) for member, _ in self._client.zscan_iter(key, count=_STEP)]
        for member in members:
            if not member.startswith(prefix):
                continue
            with translated_errors():
                if self._exists(member.removeprefix(prefix)):
                    continue
                if self._repairs:
                    self._client.zrem(key, member)
            yield "run", key, f"the run {member[:80]!r} of a workflow does not exist"

    def _jobs_without_run(self) -> Iterator[Fault]:
        """Jobs of runs that do not exist. They are ordinary jobs, which end and are removed like others."""
        start = self._keys.kind("index") + _INDEXED
        seen: set[str] = set()
        for key in self._scan("index"):
            run_id = key.removeprefix(start).partition("|")[0]
            if not key.startswith(start) or run_id in seen:
                continue
            seen.add(run_id)
            with translated_errors():
                is_lost = not self._exists(run_id) and self._client.exists(key)
            if is_lost:
                yield "run", key, f"holds jobs of the run {run_id[:80]!r} of a workflow, which does not exist"

    def _exists(self, run_id: str) -> bool:
        return bool(self._client.exists(self._keys.kind("workflow_run") + run_id))
