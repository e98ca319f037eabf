"""Backfills: the jobs of a schedule's past times that made none.

A time has the same job id whether the scheduler fires it or a backfill makes up for it, and the ledger stores a job id
once. So each time has at most one job, however often and by how many callers its range is backfilled. A caller gets a
slice of the range, and continues where it ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from jobqueue.errors import InvalidInput, JobQueueError, LedgerUnavailable, RecordChanged
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.schedules import fire_argument
from jobqueue.model.audit import AuditEntry
from jobqueue.model.concurrency import Concurrency
from jobqueue.model.schedule import Outcome, Overlap, Schedule, ScheduleView
from jobqueue.model.submission import Accepted, Submission
from jobqueue.model.timestamps import to_iso
from jobqueue.services.firing import job_id_of
from jobqueue.services.schedules import made_for, times_for
from jobqueue.services.submission import ScheduledJob, Submitter

#: Times of one slice, and of a whole range.
SLICE, MOST_TIMES = 50, 1000
#: What became of a time, beside ``Outcome.BACKFILLED`` and ``Outcome.REFUSED``: its job was there, or would be made.
EXISTS, PLANNED = "exists", "planned"


@dataclass(frozen=True)
class BackfilledTime:
    """What became of one time."""

    time: int
    outcome: str
    job_id: str = ""
    reason: str = ""


@dataclass(frozen=True)
class BackfillSlice:
    """The first times of a range. ``total``: how many the range has; ``next``: the time after them, None for none."""

    times: tuple[BackfilledTime, ...]
    total: int
    next: int | None


class Backfiller:
    """Makes the jobs of past times, for the submission's principal."""

    def __init__(self, ledger: Ledger, submitter: Submitter) -> None:
        self._ledger = ledger
        self._submitter = submitter

    def plan(self, view: ScheduleView, submission: Submission, begin: int, end: int) -> BackfillSlice:
        """The times that ``run`` would process, whose jobs may exist. Raises as ``run``."""
        self._submitter.check(submission)
        times, total, following = _slice(view.schedule, begin, end, self._ledger.time())
        return BackfillSlice(tuple(BackfilledTime(time, PLANNED) for time in times), total, following)

    def run(
        self, view: ScheduleView, submission: Submission, begin: int, end: int, entry: Callable[[int], AuditEntry]
    ) -> BackfillSlice:
        """Make the jobs of the first times from ``begin`` to ``end``, both included, outside of blackouts.

        They are submitted at once, in the order of their times. Unless the schedule's ``overlap`` is ``allow``, they
        run one after the other: by a concurrency key, or by that of the job. ``entry`` makes the entry of the audit
        trail for the job of a time.

        Raises ``InvalidInput`` for a range that is not past or has too many times; ``PermissionDenied``;
        ``RecordChanged`` if the schedule is changed meanwhile; ``LedgerUnavailable``. Then some jobs may be stored.
        """
        self._submitter.check(submission)
        schedule, now = view.schedule, self._ledger.time()
        times, total, following = _slice(schedule, begin, end, now)
        job = made_for(schedule, _in_order(schedule, submission), now)
        jobs = [
            ScheduledJob(
                job,
                job_id_of(schedule, time),
                fire_argument(schedule, Outcome.BACKFILLED, time, None, None),
                entry(time),
            )
            for time in times
        ]
        outcomes = self._submitter.fire(jobs) if jobs else []
        done = tuple(_result(*each) for each in zip(times, jobs, outcomes, strict=True))
        return BackfillSlice(done, total, following)


def _slice(schedule: Schedule, begin: int, end: int, now: int) -> tuple[list[int], int, int | None]:
    """The first times of a range, how many it has, and the one that follows them. Raises ``InvalidInput``."""
    if end > now:
        raise InvalidInput.of("to", f"Must not be later than now, {to_iso(now)}; later times fire by themselves.")
    if begin > end:
        raise InvalidInput.of("from", "Must not be later than to.")
    if schedule.after is not None:
        raise InvalidInput.of("from", "The schedule has no times to backfill: it follows the ends of jobs.")
    times = times_for(schedule)
    moments: list[int] = []
    moment = times.after(begin - 1)
    while moment is not None and moment <= end:
        if len(moments) == MOST_TIMES:
            raise InvalidInput.of("to", f"The range has more than {MOST_TIMES} times; choose a shorter one.")
        moments.append(moment)
        moment = times.after(moment)
    # times that a jitter still delays are left to the schedule
    past = [time for time in moments if (due := times.due(time)) <= now and not times.is_blacked_out(due)]
    return past[:SLICE], len(past), past[SLICE] if len(past) > SLICE else None


def _in_order(schedule: Schedule, submission: Submission) -> Submission:
    """The submission with a key that lets its jobs run one after the other, if it has none and may not overlap."""
    if schedule.overlap is Overlap.ALLOW or submission.concurrency is not None:
        return submission
    return replace(submission, concurrency=Concurrency(f"backfill:{schedule.name}"))


def _result(time: int, job: ScheduledJob, outcome: Accepted | JobQueueError) -> BackfilledTime:
    if isinstance(outcome, (LedgerUnavailable, RecordChanged)):
        raise outcome
    if isinstance(outcome, JobQueueError):
        return BackfilledTime(time, str(Outcome.REFUSED), "", outcome.message)
    # a job that is stored has its entry in the audit trail; one that was there gets no other
    return BackfilledTime(time, str(Outcome.BACKFILLED) if outcome.is_audited else EXISTS, job.id)
