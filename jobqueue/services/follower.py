"""Fires the schedules that follow other jobs, once these have ended, and moves the runs of workflows on.

Events say which jobs have ended; a cursor in the ledger says which events were processed. The cursor moves on after the
jobs of an event were stored, so an event may be processed twice, and none is skipped. The id of a job that follows is
made from the schedule and the job that it follows, and the ledger stores an id once: each ending starts one job.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass

from jobqueue.errors import JobNotFound, LedgerUnavailable, RecordAltered
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.schedules import Ending, Step
from jobqueue.model.alert import NOTIFICATIONS_LOST
from jobqueue.model.job import Job
from jobqueue.model.schedule import Outcome, Overlap, Result, Schedule, ScheduleView
from jobqueue.services.firing import Firer, Firing, result_reason
from jobqueue.services.schedules import running_job, times_for
from jobqueue.services.workflows.engine import WorkflowEngine, run_of_group

logger = logging.getLogger(__name__)

#: Events of one turn.
_EVENTS = 200
#: The tag with the id of the job that a job follows.
TAG = "after"
#: How many jobs may follow one another.
MOST_IN_A_ROW = 16


@dataclass(frozen=True)
class _Ended:
    """A job that has ended, and how many jobs it and those that it followed are."""

    job: Job
    row: int


class Follower:
    """Fires the schedules of one ledger that follow jobs. One process at a time calls it."""

    def __init__(self, ledger: Ledger, firer: Firer, workflows: WorkflowEngine) -> None:
        self._ledger = ledger
        self._schedules = ledger.schedules
        self._firer = firer
        self._workflows = workflows

    def turn(self, now: int) -> bool:
        """Process endings; whether there may be more at once. Raises ``LedgerUnavailable``."""
        read = self._schedules.endings(_EVENTS)
        if read is None:
            return False
        if read.is_cut:
            self._report_cut()
        cursor = read.before
        for ending in read.endings:
            if not self._process(ending, now):
                return False
            if not self._schedules.pass_endings(cursor, ending.event):
                return False
            cursor = ending.event
        return cursor != read.after and self._schedules.pass_endings(cursor, read.after)

    def _process(self, ending: Ending, now: int) -> bool:
        """Fire the schedules that follow a job, and move its run on; False if that is to be repeated."""
        for run_id in filter(None, map(run_of_group, ending.names)):
            self._workflows.examine(run_id)
        ended = self._ended(ending)
        if ended is None:
            return True
        steps: list[Step] = []
        firings: list[Firing] = []
        for view in self._schedules.some([name for name in ending.names if run_of_group(name) is None], 0):
            if not isinstance(view, ScheduleView):  # the alarm has been raised
                continue
            try:
                decision = self._decide(view, ended, now)
            except LedgerUnavailable:
                raise
            except Exception as error:  # the other schedules fire
                logger.exception("The schedule %s made no job", view.schedule.name)
                decision = _passed(view, ended.job.updated, Outcome.REFUSED, result_reason(error))
            if isinstance(decision, Firing):
                firings.append(decision)
            elif decision is not None:
                steps.append(decision)
        refused, stopped, is_decided = self._firer.fire(firings, now)
        self._schedules.settle([*steps, *refused])
        for schedule in stopped:
            self._firer.stop(schedule, now)
        return is_decided

    def _ended(self, ending: Ending) -> _Ended | None:
        """The job of an event; None if it was removed, or its record says something else."""
        job = self._job(ending.job_id)
        if job is None or not job.status.is_final or str(job.status) != ending.status:
            return None
        row, before = 1, job
        while row < MOST_IN_A_ROW:
            earlier = self._job(before.tags.get(TAG, ""))
            if earlier is None:
                break
            row, before = row + 1, earlier
        return _Ended(job, row)

    def _job(self, job_id: str) -> Job | None:
        try:
            return self._ledger.jobs.get(job_id, 1) if job_id else None
        except (JobNotFound, RecordAltered):
            return None

    def _decide(self, view: ScheduleView, ended: _Ended, now: int) -> Step | Firing | None:
        schedule, job = view.schedule, ended.job
        after, timing, time = schedule.after, schedule.timing, job.updated
        if after is None or after.group not in job.groups or str(job.status) not in after.status:
            return None
        if (timing.starts is not None and time < timing.starts) or (timing.ends is not None and time > timing.ends):
            return None
        if schedule.pause is not None:
            return _passed(view, time, Outcome.PAUSED, schedule.pause.reason)
        if times_for(schedule).is_blacked_out(now):
            return _passed(view, time, Outcome.BLACKOUT, "in a blackout")
        if ended.row >= MOST_IN_A_ROW:
            return _passed(
                view, time, Outcome.REFUSED, f"{MOST_IN_A_ROW} jobs have followed one another, up to {job.id}"
            )
        running = running_job(view.progress)
        job_id = job_id_after(schedule, job.id)
        if running and running != job_id and schedule.overlap is Overlap.SKIP:
            return _passed(view, time, Outcome.SKIPPED, f"job {running} has not ended")
        if running and running != job_id and schedule.overlap is Overlap.CANCEL_OTHER:
            reason = self._firer.cancel_last(schedule, running)
            if reason:
                return _passed(view, time, Outcome.REFUSED, reason)
        return Firing(view, time, job_id, outcome=Outcome.FOLLOWED, tags={TAG: job.id}, details={TAG: job.id})

    def _report_cut(self) -> None:
        sentence = "Events of jobs were removed before they were read: schedules with `after` may have missed endings."
        logger.error("ALERT: %s", sentence)
        self._ledger.executions.alert(NOTIFICATIONS_LOST, "", "", sentence)


def job_id_after(schedule: Schedule, job_id: str) -> str:
    """The id of the job of a schedule that follows another job, always the same."""
    return str(uuid.uuid5(uuid.UUID(schedule.uid), f"after|{job_id}"))


def _passed(view: ScheduleView, time: int, outcome: Outcome, reason: str) -> Step:
    """The step over an ending that starts no job."""
    return Step(view.schedule, view.progress, None, None, Result(time, time, 0, outcome, 1, "", reason))
