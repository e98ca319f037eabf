"""Jobs in the ledger: reading, listing, cancelling and deleting them."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from jobqueue.errors import (
    JobFinal,
    JobNotFinal,
    JobNotFound,
    LedgerUnavailable,
    RecordAltered,
)
from jobqueue.ledger import decoding, records
from jobqueue.ledger.job_index import JobIndex
from jobqueue.ledger.scripts import Argument, Clock, Scripts, redis_clock
from jobqueue.ledger.tamper_alarm import TamperAlarm
from jobqueue.model.filter import JobFilter, JobPage
from jobqueue.model.job import Execution, Job
from jobqueue.model.job_summary import JobSummary, JobSummaryPage
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import UNPLACED

logger = logging.getLogger(__name__)

#: Executions that a list reads of each job, and one request for a single job.
LISTED_EXECUTIONS = 50
SHOWN_EXECUTIONS = 1000
#: Executions that one call reads, and that one round trip of a list does; keeps Redis responsive (about 3 ms).
_READ_STEP = 250
#: Slots that one call looks at (about 1 ms); ten thousand executions are searched in twenty calls.
_LOOK_STEP = 500
#: After this many bytes of answers, a call reads no further execution: of one job of a list, of a single job.
_LISTED_BYTES = 256 * 1024
_READ_BYTES = 2 * 1024 * 1024
#: Executions of a broadcast that one call cancels or removes; keeps Redis responsive (about 3 ms).
SLICE = 250
#: Slices that the deletion of one job takes itself; maintenance takes those of a larger one.
_MOST_SLICES = 100


@dataclass(frozen=True)
class ExecutionPart:
    """Some executions of a broadcast, each with its place (from 1).

    ``looked_at`` is the number of the last execution examined, ``total`` that of the last one.
    """

    executions: tuple[Execution, ...]
    places: tuple[int, ...]
    looked_at: int
    total: int


class Jobs:
    """The jobs of one ledger."""

    def __init__(self, scripts: Scripts, alarm: TamperAlarm, *, now: Clock = redis_clock) -> None:
        self._scripts = scripts
        self._index = JobIndex(scripts)
        self._alarm = alarm
        self._now = now

    def get(self, job_id: str, most: int | None = None) -> Job:
        """The job with at most ``most`` of its executions, by default all; raises ``JobNotFound``.

        The first ``_READ_STEP`` executions are as of one moment. More are read in further calls, so that none of them
        grows with the number of agents; an execution may have moved meanwhile.
        """
        most = sys.maxsize if most is None else most
        answer = self._scripts.call("read_job", job_id, min(most, _READ_STEP), min(most, SHOWN_EXECUTIONS), _READ_BYTES)
        if not answer:
            raise JobNotFound.of(job_id)
        try:
            job = records.job(job_id, answer)
        except decoding.FAULTS as error:
            raise RecordAltered(self._unreadable(job_id), {"job_id": job_id}) from error
        if not job.left_out or len(job.executions) >= most:
            return job
        executions = list(job.executions)
        for part in self.parts(job):
            executions += part[: most - len(executions)]
            if len(executions) >= most:
                break
        names = tuple(execution.slot for execution in executions)
        return replace(job, executions=tuple(executions), expected_agents=max(job.expected_agents, names, key=len))

    def parts(self, job: Job) -> Iterator[tuple[Execution, ...]]:
        """The executions that were not read with the job, in parts. Raises ``JobNotFound``, ``RecordAltered``."""
        position = len(job.executions)
        while position < job.total:
            part = self.executions(job.id, position, _READ_STEP, ())
            if part.looked_at == position:
                return
            yield part.executions
            position = part.looked_at

    def executions(self, job_id: str, first: int, most: int, states: tuple[ExecutionState, ...]) -> ExecutionPart:
        """At most ``most`` of a broadcast's executions after the ``first`` ones, of all or of those in ``states``.

        One short call; it may find fewer than there are.

        Raises ``JobNotFound``, ``RecordAltered``.
        """
        most = min(most, _READ_STEP)
        looks = _LOOK_STEP if states else most
        answer = self._scripts.call("read_executions", job_id, first, looks, most, _READ_BYTES, *map(str, states))
        if not answer:
            raise JobNotFound.of(job_id)
        looked_at, total, raw, numbers, held = answer
        try:
            executions = records.executions(raw, {"fanout": "1"} | decoding.pairs(held))
        except decoding.FAULTS as error:
            raise RecordAltered(self._unreadable(job_id), {"job_id": job_id}) from error
        return ExecutionPart(executions, tuple(numbers), looked_at, total)

    def find(self, name: str) -> str:
        """The id of the job with this alias, or with this id; raises ``JobNotFound``."""
        job_id = self._scripts.call("resolve_alias", name, "")
        if not job_id:
            raise JobNotFound.of(name)
        return str(job_id)

    def named(self, name: str, most: int | None = None) -> Job:
        """The job with this alias, or this id, as ``get``. Raises ``JobNotFound``, ``RecordAltered``."""
        job = self.get(self.find(name), most)
        if name in (job.alias, job.id):
            return job
        sentence = (
            f"The name {name!r} refers to job {job.id}, which has another name: it was altered in Redis. "
            "Use the job's id."
        )
        self._alarm(f"alias|{name}", sentence)
        raise RecordAltered(sentence, {"job_id": job.id})

    def reported(self, owner: str, name: str) -> Job | None:
        """The run that a driver of ``owner`` reports as ``name``, or None. Raises ``RecordAltered``."""
        job_id = self._scripts.call("resolve_alias", name, owner)
        if not job_id:
            return None
        job = self.get(str(job_id))
        return job if job.external_run is not None and job.external_run.name == name else None

    def get_many(self, job_ids: Iterable[str], most: int = LISTED_EXECUTIONS) -> list[Job]:
        """The jobs that (still) exist, in order, each with at most ``most`` executions.

        One script call each, and few in a round trip: Redis serves no other client while it answers one.
        """
        ids, step = list(job_ids), max(1, _READ_STEP // max(most, 1))
        arguments: tuple[Argument, ...] = (most, LISTED_EXECUTIONS, _LISTED_BYTES)
        answers = [
            answer
            for first in range(0, len(ids), step)
            for answer in self._scripts.call_many(
                "read_job", [(job_id, *arguments) for job_id in ids[first : first + step]], are_apart=True
            )
        ]
        return [self._listed(job_id, answer) for job_id, answer in zip(ids, answers, strict=True) if answer]

    def _listed(self, job_id: str, answer: Any) -> Job:
        """A job of a list: an altered record must not hide the other jobs."""
        try:
            return records.job(job_id, answer)
        except decoding.FAULTS:
            flat = answer[1] if isinstance(answer, list) else []
            head = dict(zip(flat[::2], flat[1::2], strict=False))
            return records.unreadable(job_id, head, self._unreadable(job_id))

    def _summarized(self, job_id: str, row: list[Any]) -> JobSummary:
        try:
            return records.job_summary(job_id, row)
        except decoding.FAULTS:
            self._unreadable(job_id)
            return records.unreadable_summary(job_id, row)

    def _unreadable(self, job_id: str) -> str:
        """Raise the alarm over an altered record; returns the message."""
        sentence = f"The record of job {job_id[:64]} cannot be read: it was altered in Redis."
        self._alarm(f"job|{job_id}", sentence)
        return sentence

    def cancel(self, job_id: str, actor: str) -> bool:
        """Cancel a job; returns whether all of its executions have stopped. Raises ``JobNotFound``, ``JobFinal``."""
        answer = self._cancel_slice(job_id, actor)
        try:
            while answer == "more":
                answer = self._cancel_slice(job_id, actor)
        except LedgerUnavailable as error:
            # no further execution of it starts, and maintenance ends the others
            logger.warning("Job %s is cancelled, and maintenance ends its executions: %s", job_id, error)
            return False
        if answer == "unknown":
            raise JobNotFound.of(job_id)
        if answer == "final":
            raise JobFinal(f"Job {job_id} has already ended; it cannot be cancelled.")
        return bool(answer == "cancelled")

    def _cancel_slice(self, job_id: str, actor: str, *, goes_on: bool = False) -> str:
        most = "1" if goes_on else ""
        return str(self._scripts.call("cancel_job", self._now(), job_id, actor, SLICE, most))

    def finish_slices(self, limit: int) -> int:
        """Take up to ``limit`` slices of cancels and removals of broadcasts that are not complete; returns how many.

        Those who began them may have died.
        """
        cancels, removals = self._scripts.call("list_unfinished", limit)
        finished = 0
        for job_id in cancels:
            answer = "more"
            while answer == "more" and finished < limit:
                answer = self._cancel_slice(job_id, "", goes_on=True)
                finished += 1
        for job_id in removals:
            if finished < limit:
                finished += self._remove_executions(job_id, limit - finished)
        return finished

    def _remove_executions(self, job_id: str, limit: int) -> int:
        """Remove the records of a deleted broadcast's executions, in at most ``limit`` slices; returns how many."""
        for number in range(1, limit + 1):
            if self._scripts.call("remove_executions", job_id, SLICE) == "done":
                return number
        return limit

    def _deleted(self, job_id: str, forced: str, limit: int = _MOST_SLICES) -> tuple[str, int]:
        """The answer of ``delete_job.lua``, and the number of slices that were removed after it."""
        answer = str(self._scripts.call("delete_job", job_id, forced))
        if answer != "removing":
            return answer, 0
        try:
            return "deleted", self._remove_executions(job_id, limit)
        except LedgerUnavailable as error:
            logger.warning("Job %s is deleted, and maintenance removes its executions: %s", job_id, error)
            return "deleted", limit

    def delete(self, job_id: str) -> None:
        """Remove a final job and all of its records, or a job with a damaged record, in any state.

        Raises ``JobNotFound``, ``JobNotFinal``.
        """
        try:
            answer, _ = self._deleted(job_id, "")
            if answer == "running":
                self.get(job_id)  # an unreadable job cannot be cancelled either, and could never be removed
        except RecordAltered:
            self.remove(job_id)
            return
        if answer == "unknown":
            raise JobNotFound.of(job_id)
        if answer == "running":
            raise JobNotFinal(f"Job {job_id} has not ended; cancel it first.")

    def remove(self, job_id: str) -> None:
        """Remove all records of a job, even damaged ones. An agent that runs the job stops it."""
        self._deleted(job_id, "1")

    def examine(self, job_id: str, lease_micros: int, *, repairs: bool) -> list[str]:
        """Compare a job's records, and with ``repairs`` fix the differences; returns what differs.

        A job that cannot be repaired, since its document or all of its executions are gone, is removed, with an alert.
        """
        faults = list(self._scripts.call("examine_job", self._now(), job_id, "1" if repairs else "", lease_micros))
        if repairs and faults and faults[0] in ("record", "half"):
            self.remove(job_id)
            self._alarm(
                f"job|{job_id}|removed",
                f"Job {job_id[:64]} was stored incompletely or damaged beyond repair, and was removed.",
            )
        return faults

    def suspicious(self, job_ids: list[str]) -> list[str]:
        """The jobs that may be incompletely stored, at a fixed cost for each: for ``removed_if_half``."""
        return list(self._scripts.call("list_suspicious", *job_ids)) if job_ids else []

    def removed_if_half(self, job_id: str, lease_micros: int) -> bool:
        """Remove an incompletely stored job, with an alert; returns whether it was removed."""
        if self.examine(job_id, lease_micros, repairs=False) != ["half"]:
            return False
        return bool(self.examine(job_id, lease_micros, repairs=True))

    def announce_again(self, job_id: str) -> None:
        """Rebuild the timeline of an unreadable job; remove the job if that does not help."""
        self._scripts.call("rebuild_timeline", self._now(), job_id)
        try:
            self.get(job_id)
        except JobNotFound:
            return
        except RecordAltered:
            self.remove(job_id)

    def waiting_longest(self, after: float, limit: int) -> list[tuple[str, float]]:
        """Ids and creation times of jobs that have not started, oldest first, from ``after`` on."""
        rows = self._scripts.call("list_submitted", after, limit, "")
        return [(job_id, float(time)) for job_id, time in zip(rows[::2], rows[1::2], strict=True)]

    def unplaced(self, after: float, limit: int) -> list[tuple[str, float]]:
        """Ids and times of jobs that no agent can run yet, oldest first, from ``after`` on."""
        rows = self._scripts.call("list_submitted", after, limit, UNPLACED)
        return [(job_id, float(time)) for job_id, time in zip(rows[::2], rows[1::2], strict=True)]

    def prune(self, older_than_seconds: float, limit: int) -> int:
        """Remove at most ``limit`` of the jobs that ended longer ago than this; returns how many were examined.

        A broadcast with many executions counts as many jobs as it takes slices to remove them. An entry of a job that
        does not exist or has not ended, which an agent's user can write, is removed and counts as well.
        """
        ids = self._scripts.call("list_prunable", self._now(), int(older_than_seconds * 1_000_000), limit)
        examined = 0
        for job_id in ids:  # one call each, so that Redis is not blocked for all of them
            _, slices = self._deleted(job_id, "", max(1, limit - examined))
            examined += max(slices, 1)
            if examined >= limit:
                break
        return examined

    def ended_since(self, since: int, limit: int) -> tuple[list[str], int]:
        """Ids of the newest jobs that ended after ``since`` (microseconds), and the newest of their end times."""
        flat = self._scripts.call("list_ended", since, limit, self._now())
        # a forged time may be any number
        return flat[::2], max([since, *(int(float(time)) for time in flat[1::2])])

    def counts(self) -> dict[JobStatus, int]:
        """The number of jobs in every status, zero counts included."""
        sizes = self._index.sizes([f"all:|{status}" for status in JobStatus])
        return dict(zip(JobStatus, sizes, strict=True))

    def page(self, job_filter: JobFilter) -> JobPage:
        """One page, newest first; of each job the first executions, or with ``job_filter.summary`` none of a broadcast.

        By status and at most one other dimension, the cost does not depend on the number of stored jobs. By several
        dimensions, it is bounded (``JobIndex.find``). Raises ``InvalidInput`` for an offset beyond that bound.
        """
        page = self._index.find(job_filter, counts_all=True)
        return JobPage(
            items=tuple(self.get_many(page.ids, 0 if job_filter.summary else LISTED_EXECUTIONS)),
            total=page.total,
            status_counts=self.counts(),
            next_cursor=page.cursor,
            is_least=page.is_least,
        )

    def summaries(self, job_filter: JobFilter) -> JobSummaryPage:
        """The same page without executions: the cost does not depend on how many agents the jobs have.

        By several dimensions, not all matches are counted: ``total`` is at least the number of matches up to the end of
        the page, plus one if there are more.
        """
        page = self._index.find(job_filter, counts_all=False)
        return JobSummaryPage(
            items=self.summaries_of(page.ids),
            total=page.total,
            status_counts=self.counts(),
            next_cursor=page.cursor,
            is_least=page.is_least,
        )

    def starting(self, prefix: str) -> tuple[list[str], bool]:
        """Ids that begin with ``prefix``, newest first, among the newest ``LOOKED_THROUGH`` jobs; whether that was all.

        No index is ordered by id. This costs ten calls of about a millisecond.
        """
        return self._index.starting(prefix)

    def summaries_of(self, job_ids: list[str]) -> tuple[JobSummary, ...]:
        """The summaries of the jobs that (still) exist, in order."""
        rows = zip(job_ids, self._summary_rows(job_ids), strict=True)
        return tuple(self._summarized(job_id, row) for job_id, row in rows if row[0])

    def _summary_rows(self, ids: list[str]) -> list[list[Any]]:
        """The rows of ``summarize_jobs.lua``: one call, or one per job if a record has the wrong type."""
        if not ids:
            return []
        try:
            return list(self._scripts.call("summarize_jobs", *ids))
        except RecordAltered:
            rows = self._scripts.call_many("summarize_jobs", [(job_id,) for job_id in ids], are_apart=True)
            return [answer[0] if isinstance(answer, list) else ["?"] for answer in rows]
