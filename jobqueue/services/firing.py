"""Submits the jobs of schedules that fire, with the permissions of their owners."""

from __future__ import annotations

import logging
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from jobqueue.errors import JobFinal, JobNotFound, JobQueueError, LedgerUnavailable, RecordChanged, ScheduleNotFound
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.schedules import Step, fire_argument
from jobqueue.model.alert import SCHEDULES_STOPPED
from jobqueue.model.audit import AuditEntry
from jobqueue.model.principal import Principal
from jobqueue.model.schedule import Outcome, Owner, Pause, Result, Schedule, ScheduleView
from jobqueue.model.submission import Accepted
from jobqueue.model.timestamps import to_iso
from jobqueue.services.schedule_owner import OwnerReader
from jobqueue.services.schedules import CancelJob, MakeSubmission, made_for
from jobqueue.services.submission import ScheduledJob, Submitter

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Firing:
    """A time of a schedule at which a job is to be submitted, which then has the id ``job_id``.

    ``tags`` are added to the job's; ``details`` to its entry of the audit trail.
    """

    view: ScheduleView
    time: int
    job_id: str
    next: int | None = None
    due: int | None = None
    outcome: Outcome = Outcome.FIRED
    tags: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)


class Firer:
    """Submits the jobs of firings, and settles those that are refused."""

    def __init__(
        self, ledger: Ledger, submitter: Submitter, cancel: CancelJob, owners: OwnerReader, make: MakeSubmission
    ) -> None:
        self._ledger = ledger
        self._submitter = submitter
        self._cancel = cancel
        self._owners = owners
        self._make = make

    def fire(self, firings: Sequence[Firing], now: int) -> tuple[list[Step], list[Schedule], bool]:
        """Submit jobs; returns the steps of the schedules whose jobs were refused, the schedules whose owner is gone,
        and whether every firing was decided: the others are to be repeated, which makes no second job.

        Raises ``LedgerUnavailable``.
        """
        steps: list[Step] = []
        stopped: list[Schedule] = []
        principals: dict[Owner, Principal | None] = {}
        jobs: list[ScheduledJob] = []
        submitted: list[Firing] = []
        is_decided = True
        for firing in firings:
            schedule = firing.view.schedule
            if schedule.owner not in principals:
                principals[schedule.owner] = self._owners.principal(schedule.owner)
            principal = principals[schedule.owner]
            if principal is None:
                steps.append(refused(firing, f"its owner {schedule.owner.name} is gone"))
                stopped.append(schedule)
                continue
            try:
                jobs.append(self._job(firing, principal, now))
                submitted.append(firing)
            except LedgerUnavailable:
                raise  # the next turn processes this time again
            except JobQueueError as error:
                logger.warning("The schedule %s made no job: %s", schedule.name, error)
                steps.append(refused(firing, error.message))
            except Exception as error:  # the other schedules fire
                logger.exception("The schedule %s made no job", schedule.name)
                steps.append(refused(firing, result_reason(error)))
        for firing, outcome in zip(submitted, self._submitter.fire(jobs) if jobs else (), strict=True):
            if isinstance(outcome, Accepted):
                continue
            if isinstance(outcome, (RecordChanged, LedgerUnavailable)):
                if isinstance(outcome, LedgerUnavailable):
                    logger.warning("The schedule %s is fired again soon: %s", firing.view.schedule.name, outcome)
                is_decided = False
                continue
            logger.warning("The schedule %s made no job: %s", firing.view.schedule.name, outcome)
            steps.append(refused(firing, outcome.message))
        return steps, stopped, is_decided

    def cancel_last(self, schedule: Schedule, running: str) -> str:
        """Cancel the last job of a schedule for its owner; why that was refused, or an empty text."""
        owner = self._owners.principal(schedule.owner)
        if owner is None:
            return ""  # `fire` pauses the schedule
        try:
            self._submitter.check(self._make(schedule.content, owner))
            self._cancel(owner, running, f"by the schedule {schedule.name}")
        except (JobFinal, JobNotFound):
            logger.debug("Job %s ended before it was cancelled", running)
        except LedgerUnavailable:
            raise  # the next turn processes this time again
        except JobQueueError as error:
            logger.warning("The schedule %s did not replace its last job %s: %s", schedule.name, running, error)
            return error.message
        return ""

    def stop(self, schedule: Schedule, now: int) -> None:
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
            self._ledger.schedules.change(paused, schedule.serial)
        except (RecordChanged, ScheduleNotFound):
            logger.info("The schedule %s was changed concurrently, so it is not paused", schedule.name)

    def _job(self, firing: Firing, principal: Principal, now: int) -> ScheduledJob:
        schedule = firing.view.schedule
        submission = made_for(schedule, self._make(schedule.content, principal), now, firing.tags)
        details = {"operation": submission.operation, "target": submission.target[:200], "time": to_iso(firing.time)}
        if submission.saved:
            details |= {"saved": submission.saved["name"], "version": submission.saved["version"]}
        details |= firing.details
        path = f"/schedule/{schedule.name}"
        audit_entry = AuditEntry(principal.name, principal.kind, "", "", path, 201, "done", "", principal.id, details)
        fire = fire_argument(schedule, firing.outcome, firing.time, firing.next, firing.due)
        return ScheduledJob(submission, firing.job_id, fire, audit_entry)


def result_reason(error: Exception) -> str:
    """An error as the reason of a result."""
    return error.message if isinstance(error, JobQueueError) else f"{type(error).__name__}: {error}"


def job_id_of(schedule: Schedule, time: int) -> str:
    """The id of the job for one time of a schedule, always the same."""
    return str(uuid.uuid5(uuid.UUID(schedule.uid), str(time)))


def refused(firing: Firing, reason: str) -> Step:
    """The step over a time whose job was refused."""
    result = Result(firing.time, firing.time, 0, Outcome.REFUSED, 1, "", reason)
    return Step(firing.view.schedule, firing.view.progress, firing.next, firing.due, result)
