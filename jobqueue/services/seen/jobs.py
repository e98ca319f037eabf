"""The jobs of one ledger as a principal sees them that may read those on some hosts only."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from jobqueue.errors import JobNotFound
from jobqueue.ledger.job_slots import LOOKED_AT, READ
from jobqueue.ledger.jobs import LISTED_EXECUTIONS, ExecutionPart, Jobs
from jobqueue.model.filter import MAX_LIMIT, JobFilter, JobPage
from jobqueue.model.job import Job
from jobqueue.model.job_summary import JobSummary, JobSummaryPage
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.services.seen.sight import Sight

#: Jobs that one list examines, and slots of them that it looks at, before it ends with a cursor.
EXAMINED_JOBS = 1000
EXAMINED_SLOTS = 50_000
#: Ids with a prefix whose jobs are examined.
_STARTING = 200


@dataclass
class _Walk:
    """What a walk through the index has found: the visible jobs that match, and how many of each status it passed."""

    summaries: list[JobSummary]
    statuses: Counter[JobStatus]
    cursor: int | None


class SeenJobs(Jobs):
    """Reads jobs as ``Jobs`` does, each without what its reader may not see. A job of which nothing is left is unknown.

    Statuses and counts are those of the visible part. Filters are applied to what is visible: an index by status or
    target would reveal the rest. What changes jobs is that of ``Jobs``: the caller checks it.
    """

    def __init__(self, jobs: Jobs, sight: Sight) -> None:
        # the same repository, with other methods to read: it holds no state of its own besides its parts
        self.__dict__.update(vars(jobs))
        self._sight = sight

    def get(self, job_id: str, most: int | None = None) -> Job:
        """The visible part of a job; raises ``JobNotFound``."""
        job, visible = self._visible(job_id)
        if job.is_broadcast and len(visible) == job.total:
            job = super().get(job_id, most)
        part = self._sight.of(job, sys.maxsize if most is None else most)
        if part is None:
            raise JobNotFound.of(job_id)
        return part

    def sees_all(self, job_id: str) -> bool:
        """Whether all of a job is visible. Raises ``JobNotFound`` if nothing is."""
        job, visible = self._visible(job_id)
        return not job.is_broadcast or len(visible) == job.total

    def hosts(self, job_id: str) -> tuple[str, ...]:
        """All hosts of a job that is visible, those that are not visible included: for checks only."""
        job, _ = self._visible(job_id)
        if not job.is_broadcast:
            return tuple(execution.hostname for execution in job.executions)
        return self._sight.slots.names(job_id, job.total)

    def _visible(self, job_id: str) -> tuple[Job, tuple[str, ...]]:
        job = super().get(job_id, 0)
        visible = self._sight.visible(job)
        if not visible:
            raise JobNotFound.of(job_id)
        return job, visible

    def executions(self, job_id: str, first: int, most: int, states: tuple[ExecutionState, ...]) -> ExecutionPart:
        """The visible executions after the ``first`` visible ones."""
        job, visible = self._visible(job_id)
        if len(visible) == job.total:
            return super().executions(job_id, first, most, states)
        slots = visible[first : first + (LOOKED_AT if states else min(most, READ))]
        numbers = list(range(first + 1, first + len(slots) + 1))
        if states:
            slot_states = self._sight.slots.states(job_id, slots)
            numbers = [number for number, state in zip(numbers, slot_states, strict=True) if state in states]
        read = self._sight.slots.executions(job_id, [visible[number - 1] for number in numbers[: min(most, READ)]])
        unread = numbers[len(read) :]
        looked_at = unread[0] - 1 if unread else first + len(slots)
        return ExecutionPart(read, tuple(numbers[: len(read)]), looked_at, len(visible))

    def named(self, name: str, most: int | None = None) -> Job:
        """The visible part of the job with this alias or id."""
        try:
            return super().named(name, most)
        except JobNotFound as error:  # it names the id of the job, which may exist
            raise JobNotFound.of(name) from error

    def get_many(self, job_ids: Iterable[str], most: int = LISTED_EXECUTIONS) -> list[Job]:
        """The visible parts of the jobs that (still) exist."""
        parts = (self._sight.of(job, most) for job in super().get_many(job_ids, most))
        return [job for job in parts if job is not None]

    def summaries_of(self, job_ids: list[str]) -> tuple[JobSummary, ...]:
        """The summaries of the visible parts."""
        parts = (self._sight.summary(head) for head in super().summaries_of(job_ids))
        return tuple(summary for summary in parts if summary is not None)

    def page(self, job_filter: JobFilter) -> JobPage:
        """One page; a short one, or an empty one, may be continued by its cursor. ``total`` counts what was found."""
        return self.search(job_filter, lambda _: True)

    def search(self, job_filter: JobFilter, matches: Callable[[Job], bool]) -> JobPage:
        """The same of the jobs that ``matches`` accepts, by their visible part."""
        most = 0 if job_filter.summary else LISTED_EXECUTIONS
        matching: dict[str, Job] = {}

        def keep(summaries: list[JobSummary]) -> list[JobSummary]:
            read = {job.id: job for job in self.get_many([summary.id for summary in summaries], most)}
            fit = [summary for summary in summaries if summary.id in read and matches(read[summary.id])]
            matching.update((summary.id, read[summary.id]) for summary in fit)
            return fit

        walk = self._walk(job_filter, keep)
        shown = walk.summaries[job_filter.offset :]
        items = tuple(matching[summary.id] for summary in shown)
        return JobPage(items, len(walk.summaries), dict(walk.statuses), walk.cursor, walk.cursor is not None)

    def summaries(self, job_filter: JobFilter) -> JobSummaryPage:
        """The same page with summaries only."""
        walk = self._walk(job_filter, lambda summaries: summaries)
        items = tuple(walk.summaries[job_filter.offset :])
        return JobSummaryPage(items, len(walk.summaries), walk.statuses, walk.cursor, walk.cursor is not None)

    def counts(self) -> dict[JobStatus, int]:
        """The number of jobs in every status, among the visible ones of the newest ``EXAMINED_JOBS``."""
        return dict(self._walk(JobFilter(limit=EXAMINED_JOBS), lambda summaries: summaries).statuses)

    def starting(self, prefix: str) -> tuple[list[str], bool]:
        """Ids of visible jobs that begin with ``prefix``; whether that was all."""
        ids, is_all = super().starting(prefix)
        return [head.id for head in self.summaries_of(ids[:_STARTING])], is_all and len(ids) <= _STARTING

    def _walk(self, job_filter: JobFilter, keep: Callable[[list[JobSummary]], list[JobSummary]]) -> _Walk:
        """Visible jobs, newest first, until there are enough for the page, or enough were examined."""
        statuses: Counter[JobStatus] = Counter(dict.fromkeys(JobStatus, 0))
        walk = _Walk([], statuses, job_filter.cursor)
        enough, spent = job_filter.offset + job_filter.limit, self._sight.cost + EXAMINED_SLOTS
        if job_filter.hostname is not None and job_filter.hostname not in self._sight.hosts():
            return replace(walk, cursor=None)
        for _ in range(EXAMINED_JOBS // MAX_LIMIT):
            step = replace(job_filter, status=None, limit=MAX_LIMIT, offset=0, cursor=walk.cursor)
            ids = self._index.find(step, counts_all=False)
            pending: list[JobSummary] = []
            for head in super().summaries_of(ids.ids):
                walk.cursor = head.created
                part = self._sight.summary(head)
                if part is not None and _fits(part, job_filter):
                    statuses[part.status] += 1
                    pending += [part] if part.status in job_filter.statuses else []
                if len(walk.summaries) + len(pending) >= enough:
                    walk.summaries += keep(pending)
                    pending = []
                if len(walk.summaries) >= enough or self._sight.cost >= spent:
                    walk.summaries += keep(pending)
                    return walk
            walk.summaries += keep(pending)
            walk.cursor = ids.cursor
            if walk.cursor is None:
                break
        return walk


def _fits(part: JobSummary, job_filter: JobFilter) -> bool:
    """Whether the visible part has the target that is asked for: the whole one may name hidden hosts."""
    return job_filter.target is None or part.target == job_filter.target
