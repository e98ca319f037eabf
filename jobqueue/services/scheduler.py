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
from dataclasses import replace
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
from jobqueue.model.schedule import Outcome, Owner, Pause, Schedule, ScheduleView
from jobqueue.model.submission import Accepted
from jobqueue.model.timestamps import to_iso
from jobqueue.schedules.times import SECOND
from jobqueue.services.due_schedule import DueSchedule, Firing
from jobqueue.services.schedule_owner import OwnerReader
from jobqueue.services.schedules import CancelJob, MakeSubmission, made_for
from jobqueue.services.submission import JobSubmitter, ScheduledJob

logger = logging.getLogger(__name__)

#: Schedules of one turn.
BATCH = 100
#: Seconds for which a process that died keeps others from firing, and after which each process asks again.
LEASE_SECONDS, IDLE_SECONDS = 5.0, 1.0
#: Seconds between two turns while schedules are due.
_BUSY_SECONDS = 0.001
#: How long a schedule that cannot be processed is left alone.
_RETRY = 3600 * SECOND
#: What becomes of the next time of a schedule; None if it is not due.
Decision = TypeVar("Decision", bound=Step | Firing | None)


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
        firings: list[Firing] = []
        for view in self._views(names):
            decision = self._guarded(view, now, lambda due: due.decide(self._cancel_last))
            if isinstance(decision, Firing):
                firings.append(decision)
            elif decision is not None:
                steps.append(decision)
        refused, stopped = self._fire(firings, now)
        self._schedules.settle([*steps, *refused])
        for schedule in stopped:
            self._stop(schedule, now)

    def _plan_again(self, names: tuple[str, ...], now: int) -> None:
        """The clock went back: the next times were computed from a time that is yet to come."""
        self._schedules.settle([self._guarded(view, now, DueSchedule.planned_again) for view in self._views(names)])

    def _guarded(self, view: ScheduleView, now: int, decide: Callable[[DueSchedule], Decision]) -> Decision | Step:
        """The decision about a schedule. One that cannot be processed must not keep the others from firing: it is tried
        again later, with an alert.
        """
        schedule, progress = view.schedule, view.progress
        try:
            decision = decide(DueSchedule(view, now))
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

    def _cancel_last(self, view: ScheduleView, running: str) -> str:
        """Cancel the last job of a schedule for its owner, before the next one; why the owner may not, or ''."""
        schedule = view.schedule
        owner = self._owners.principal(schedule.owner)
        if owner is None:
            return ""  # `_fire` pauses the schedule
        try:
            self._submit.check(self._make(schedule.content, owner))
            self._cancel(owner, running, f"by the schedule {schedule.name}")
        except (JobFinal, JobNotFound):
            logger.debug("Job %s ended before it was cancelled", running)
        except LedgerUnavailable:
            raise  # the next turn processes this time again
        except JobQueueError as error:
            logger.warning("The schedule %s did not replace its last job %s: %s", schedule.name, running, error)
            return error.message
        return ""

    def _fire(self, firings: list[Firing], now: int) -> tuple[list[Step], list[Schedule]]:
        """Submit jobs; returns the steps of the schedules whose jobs were refused, and those whose owner is gone."""
        steps: list[Step] = []
        stopped: list[Schedule] = []
        principals: dict[Owner, Principal | None] = {}
        jobs: list[ScheduledJob] = []
        submitted: list[Firing] = []
        for firing in firings:
            schedule = firing.view.schedule
            if schedule.owner not in principals:
                principals[schedule.owner] = self._owners.principal(schedule.owner)
            principal = principals[schedule.owner]
            if principal is None:
                steps.append(firing.refused(f"its owner {schedule.owner.name} is gone"))
                stopped.append(schedule)
                continue
            try:
                jobs.append(self._job(firing, principal, now))
                submitted.append(firing)
            except LedgerUnavailable:
                raise  # the next turn processes this time again
            except JobQueueError as error:
                logger.warning("The schedule %s made no job: %s", schedule.name, error)
                steps.append(firing.refused(error.message))
            except Exception as error:  # the other schedules fire
                logger.exception("The schedule %s made no job", schedule.name)
                steps.append(firing.refused(_reason(error)))
        for firing, outcome in zip(submitted, self._submit.fire(jobs) if jobs else (), strict=True):
            if isinstance(outcome, (Accepted, RecordChanged)):
                continue
            if isinstance(outcome, LedgerUnavailable):
                logger.warning("The schedule %s is fired again soon: %s", firing.view.schedule.name, outcome)
                continue
            logger.warning("The schedule %s made no job: %s", firing.view.schedule.name, outcome)
            steps.append(firing.refused(outcome.message))
        return steps, stopped

    def _job(self, firing: Firing, principal: Principal, now: int) -> ScheduledJob:
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


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, JobQueueError) else f"{type(error).__name__}: {error}"
