"""Fires schedules: submits their jobs when they are due.

Every API process runs a scheduler; a short lease lets one of them at a time fire. The lease only avoids duplicate work:
the ledger stores a job and moves its schedule on in one step, and refuses a time that was already processed. So each
time makes one job, however many processes there are, and whenever one of them dies. The API fires, not maintenance,
because firing needs what only the API has: the key that signs work, the permissions of owners, and the audit trail.
"""

from __future__ import annotations

import logging
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from jobqueue.errors import (
    JobFinal,
    JobNotFound,
    JobQueueError,
    LedgerUnavailable,
    RecordChanged,
    ScheduleNotFound,
)
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.schedules import Step, fire_argument
from jobqueue.model.alert import SCHEDULES_STOPPED
from jobqueue.model.audit import AuditEntry
from jobqueue.model.principal import Principal
from jobqueue.model.schedule import Outcome, Overlap, Owner, Pause, Result, Schedule, ScheduleView
from jobqueue.model.submission import Accepted
from jobqueue.model.timestamps import to_iso
from jobqueue.schedules.times import SECOND, Times, times_of
from jobqueue.services.schedule_owner import OwnerReader
from jobqueue.services.schedules import CancelJob, MakeSubmission, made_for, running_job
from jobqueue.services.submission import JobSubmitter, ScheduledJob

logger = logging.getLogger(__name__)

#: Schedules of one turn.
BATCH = 100
#: Seconds for which a process that died keeps others from firing, and after which each process asks again.
LEASE_SECONDS, IDLE_SECONDS = 5.0, 1.0
#: Seconds between two turns while schedules are due.
_BUSY_SECONDS = 0.001
#: How late a time may be that is not made up for, and that a blackout of now does not concern.
ON_TIME = 60 * SECOND
#: How long a time that waits for the last job is left alone.
_WAIT = SECOND
#: How long a schedule that cannot be processed is left alone.
_RETRY = 3600 * SECOND
#: Times that `buffer_all` lets wait, and times that are counted when they were missed.
MOST_BUFFERED, MOST_COUNTED = 100, 1000
_BUFFERED = (Overlap.BUFFER_ONE, Overlap.BUFFER_ALL)


@dataclass(frozen=True)
class _Firing:
    """A time of a schedule at which a job is to be submitted."""

    view: ScheduleView
    time: int
    next: int | None
    due: int | None


#: What to do with the next time of a schedule; None if it is not due.
Decision = TypeVar("Decision", bound=Step | _Firing | None)


class Scheduler:
    """Fires the schedules of one ledger."""

    def __init__(
        self, ledger: Ledger, submit: JobSubmitter, cancel: CancelJob, owners: OwnerReader, make: MakeSubmission
    ) -> None:
        self._ledger = ledger
        self._schedules = ledger.schedules
        self._submit = submit
        self._cancel = cancel
        self._owners = owners
        self._make = make
        self._me = secrets.token_hex(8)
        #: By schedule that cannot be processed: the alert about it.
        self._stuck: dict[str, str] = {}

    def run(self, pause: Callable[[float], bool]) -> None:
        """Run until ``pause(seconds)`` returns True."""
        seconds, failure = IDLE_SECONDS, None
        while not pause(seconds):
            seconds = IDLE_SECONDS
            try:
                seconds = self.turn()
                failure = None
            except LedgerUnavailable as error:
                logger.debug("Schedules cannot be fired at present: %s", error)
            except Exception as error:  # without this thread, schedules would no longer fire
                if failure is not type(error):
                    logger.exception("Schedules cannot be fired at present")
                failure = type(error)
        try:
            self._schedules.give_up(self._me)
        except LedgerUnavailable as error:
            logger.debug("The lease for firing schedules could not be released; it will expire: %s", error)

    def turn(self) -> float:
        """Process one time of each schedule that is due; returns the seconds until the next turn."""
        due = self._schedules.take(self._me, LEASE_SECONDS, BATCH)
        if due is None:
            return IDLE_SECONDS
        if due.ahead:
            self._plan_again(due.ahead, due.now)
        if due.due:
            self._process(due.due, due.now)
            return _BUSY_SECONDS
        if due.first is None:
            return IDLE_SECONDS
        return min(IDLE_SECONDS, max((due.first - due.now) / SECOND, _BUSY_SECONDS))

    def _process(self, names: tuple[str, ...], now: int) -> None:
        steps: list[Step] = []
        firings: list[_Firing] = []
        for view in self._views(names):
            decision = self._guarded(view, now, self._decide)
            if isinstance(decision, _Firing):
                firings.append(decision)
            elif decision is not None:
                steps.append(decision)
        refused, stopped = self._fire(firings, now)
        self._schedules.settle([*steps, *refused])
        for schedule in stopped:
            self._stop(schedule, now)

    def _plan_again(self, names: tuple[str, ...], now: int) -> None:
        """The clock went back: the next times were computed from a time that is yet to come."""
        self._schedules.settle([self._guarded(view, now, _planned_again) for view in self._views(names)])

    def _guarded(
        self, view: ScheduleView, now: int, decide: Callable[[ScheduleView, int], Decision]
    ) -> Decision | Step:
        """The decision about a schedule. One that cannot be processed must not keep the others from firing: it is tried
        again later, with an alert.
        """
        schedule, progress = view.schedule, view.progress
        try:
            decision = decide(view, now)
        except LedgerUnavailable:
            raise
        except Exception as error:
            sentence = f"The schedule {schedule.name} cannot fire: {_reason(error)} It is tried again every hour."
            logger.exception("ALERT: %s", sentence)
            if self._stuck.get(schedule.name) != sentence:
                self._ledger.executions.alert(SCHEDULES_STOPPED, "", "", sentence)
            self._stuck[schedule.name] = sentence
            return Step(schedule, progress, now if progress.next is None else progress.next, now + _RETRY)
        self._stuck.pop(schedule.name, None)
        return decision

    def _views(self, names: tuple[str, ...]) -> list[ScheduleView]:
        views = self._schedules.some(names, 0)
        intact = [view for view in views if isinstance(view, ScheduleView)]
        if len(intact) < len(names):
            names_found = {view.schedule.name for view in intact}
            for name in names:
                if name not in names_found:  # removed meanwhile, or altered
                    self._schedules.shelve(name)
        return intact

    def _decide(self, view: ScheduleView, now: int) -> Step | _Firing | None:
        """The step for the next time of a schedule, or the job to submit for it; None if it is not due."""
        schedule, progress = view.schedule, view.progress
        times, time = _times_of(schedule), progress.next
        if time is None or times.after(time - 1) != time:
            logger.warning("The next time of the schedule %s was altered; it is computed again", schedule.name)
            return _planned_again(view, now)
        if times.due(time) > now:
            return None
        newest = _newest(times, time, now)
        if schedule.pause is not None:
            return _passed(view, times, time, newest, Outcome.PAUSED, schedule.pause.reason)
        missed = self._missed(view, times, newest, now)
        if missed is not None:
            return missed
        moments = [times.due(time)] if now - times.due(time) <= ON_TIME else [times.due(time), now]
        if any(map(times.is_blacked_out, moments)):
            return _passed(view, times, time, time, Outcome.BLACKOUT, "in a blackout")
        waits = self._overlap(view, times, time, now)
        if waits is not None:
            return waits
        following = times.after(time)
        return _Firing(view, time, following, _due(times, following))

    def _missed(self, view: ScheduleView, times: Times, newest: int, now: int) -> Step | None:
        """The step over times that are too late; None if the next time is not."""
        schedule, time = view.schedule, view.progress.next
        assert time is not None  # noqa: S101 - for the type checker
        if schedule.overlap in _BUFFERED and time <= view.progress.seen:
            return None  # it waited for another job
        if schedule.catch_up is None:
            if now - times.due(time) <= ON_TIME:
                return None
            last = newest if now - times.due(newest) > ON_TIME else _newest(times, time, newest - 1)
            return _passed(view, times, time, last, Outcome.MISSED, "no API process fired schedules")
        begin = now - schedule.catch_up
        if time >= min(begin, newest):
            return None
        first = times.after(begin - 1)
        last = newest if first is None else min(first, newest)
        return _passed(
            view, times, time, _newest(times, time, last - 1), Outcome.MISSED, "no API process fired schedules"
        )

    def _overlap(self, view: ScheduleView, times: Times, time: int, now: int) -> Step | None:
        """The effect of the schedule's last job on a time; None: the time fires."""
        schedule, progress = view.schedule, view.progress
        if schedule.overlap is Overlap.BUFFER_ONE and progress.waits not in (None, time) and time <= progress.seen:
            return _passed(view, times, time, time, Outcome.SKIPPED, "another time waited for the last job")
        running = running_job(progress)
        if not running or schedule.overlap is Overlap.ALLOW:
            return None
        if schedule.overlap is Overlap.CANCEL_OTHER:
            return self._replace_last(view, running, times, time)
        if schedule.overlap is Overlap.SKIP:
            return _passed(view, times, time, time, Outcome.SKIPPED, f"job {running} has not ended")
        if schedule.overlap is Overlap.BUFFER_ALL and times.count(time, now + 1, MOST_BUFFERED + 1) > MOST_BUFFERED:
            return _passed(
                view, times, time, time, Outcome.SKIPPED, f"{MOST_BUFFERED} later times wait for the last job"
            )
        return Step(schedule, progress, time, now + _WAIT, None, time, now)

    def _replace_last(self, view: ScheduleView, running: str, times: Times, time: int) -> Step | None:
        """Cancel the last job for its owner; the step over the time if the owner may not."""
        schedule = view.schedule
        owner = self._owners.principal(schedule.owner)
        if owner is None:
            return None  # `_fire` pauses the schedule
        try:
            self._submit.check(self._make(schedule.content, owner))
            self._cancel(owner, running, f"by the schedule {schedule.name}")
        except (JobFinal, JobNotFound):
            logger.debug("Job %s ended before it was cancelled", running)
        except LedgerUnavailable:
            raise  # the next turn processes this time again
        except JobQueueError as error:
            logger.warning("The schedule %s did not replace its last job %s: %s", schedule.name, running, error)
            return _passed(view, times, time, time, Outcome.REFUSED, error.message)
        return None

    def _fire(self, firings: list[_Firing], now: int) -> tuple[list[Step], list[Schedule]]:
        """Submit jobs; returns the steps of the schedules whose jobs were refused, and those whose owner is gone."""
        steps: list[Step] = []
        stopped: list[Schedule] = []
        principals: dict[Owner, Principal | None] = {}
        jobs: list[ScheduledJob] = []
        submitted: list[_Firing] = []
        for firing in firings:
            schedule = firing.view.schedule
            if schedule.owner not in principals:
                principals[schedule.owner] = self._owners.principal(schedule.owner)
            principal = principals[schedule.owner]
            if principal is None:
                steps.append(_refused(firing, f"its owner {schedule.owner.name} is gone"))
                stopped.append(schedule)
                continue
            try:
                jobs.append(self._job(firing, principal, now))
                submitted.append(firing)
            except LedgerUnavailable:
                raise  # the next turn processes this time again
            except JobQueueError as error:
                logger.warning("The schedule %s made no job: %s", schedule.name, error)
                steps.append(_refused(firing, error.message))
            except Exception as error:  # the other schedules fire
                logger.exception("The schedule %s made no job", schedule.name)
                steps.append(_refused(firing, _reason(error)))
        for firing, outcome in zip(submitted, self._submit.fire(jobs) if jobs else (), strict=True):
            if isinstance(outcome, (Accepted, RecordChanged)):
                continue
            if isinstance(outcome, LedgerUnavailable):
                logger.warning("The schedule %s is fired again soon: %s", firing.view.schedule.name, outcome)
                continue
            logger.warning("The schedule %s made no job: %s", firing.view.schedule.name, outcome)
            steps.append(_refused(firing, outcome.message))
        return steps, stopped

    def _job(self, firing: _Firing, principal: Principal, now: int) -> ScheduledJob:
        schedule = firing.view.schedule
        submission = made_for(schedule, self._make(schedule.content, principal), now)
        details = {"operation": submission.operation, "target": submission.target[:200], "time": to_iso(firing.time)}
        if submission.saved:
            details |= {"saved": submission.saved["name"], "version": submission.saved["version"]}
        path = f"/schedule/{schedule.name}"
        audit_entry = AuditEntry(principal.name, principal.kind, "", "", path, 201, "done", "", principal.id, details)
        fire = fire_argument(schedule, Outcome.FIRED, firing.time, firing.next, firing.due)
        return ScheduledJob(submission, job_id_of(schedule, firing.time), fire, audit_entry)

    def _stop(self, schedule: Schedule, now: int) -> None:
        """Pause a schedule whose owner is gone, and raise an alert."""
        sentence = (
            f"The schedule {schedule.name} is paused: its owner {schedule.owner.name} ({schedule.owner.kind}) is gone. "
            "Store it again as its new owner, or delete it."
        )
        paused = replace(
            schedule, pause=Pause("its owner is gone", "jobqueue", now), serial=secrets.token_hex(8), changed=now
        )
        # first the alert: a process that dies in between raises it again
        logger.error("ALERT: %s", sentence)
        self._ledger.executions.alert(SCHEDULES_STOPPED, "", "", sentence)
        try:
            self._schedules.change(paused, schedule.serial)
        except (RecordChanged, ScheduleNotFound):
            logger.info("The schedule %s was changed meanwhile, so it is not paused", schedule.name)


def job_id_of(schedule: Schedule, time: int) -> str:
    """The id of the job for one time of a schedule, always the same."""
    return str(uuid.uuid5(uuid.UUID(schedule.uid), str(time)))


def _times_of(schedule: Schedule) -> Times:
    return times_of(schedule.timing, schedule.blackouts, schedule.uid)


def _planned_again(view: ScheduleView, now: int) -> Step:
    """The step to the first time after now."""
    times = _times_of(view.schedule)
    following = times.after(now)
    return Step(view.schedule, view.progress, following, _due(times, following))


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, JobQueueError) else f"{type(error).__name__}: {error}"


def _due(times: Times, time: int | None) -> int | None:
    return None if time is None else times.due(time)


def _newest(times: Times, begin: int, end: int) -> int:
    """The newest time from ``begin``, which is a time, that is due at ``end``."""
    newest = times.newest(begin, end)
    return times.newest(begin, newest - 1) if newest > begin and times.due(newest) > end else newest


def _passed(view: ScheduleView, times: Times, first: int, last: int, outcome: Outcome, reason: str) -> Step:
    """The step over the times from ``first`` to ``last``, of which none makes a job."""
    following = times.after(last)
    result = Result(first, last, 0, outcome, times.count(first, last + 1, MOST_COUNTED), "", reason)
    return Step(view.schedule, view.progress, following, _due(times, following), result)


def _refused(firing: _Firing, reason: str) -> Step:
    result = Result(firing.time, firing.time, 0, Outcome.REFUSED, 1, "", reason)
    return Step(firing.view.schedule, firing.view.progress, firing.next, firing.due, result)
