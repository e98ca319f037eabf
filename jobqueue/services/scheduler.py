"""Fires schedules: submits their jobs when they are due. It also moves the runs of workflows on.

Every API process runs a scheduler; a short lease lets one of them at a time fire. The lease only avoids duplicate work:
the ledger stores a job and moves its schedule on in one step, and refuses a time that was already processed. So each
time makes one job, however many processes there are, and whenever one of them dies. The API fires, not maintenance,
because firing needs what only the API has: the key that signs work, the permissions of owners, and the audit trail.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from typing import TypeVar

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.schedules import Step
from jobqueue.model.alert import SCHEDULES_STOPPED
from jobqueue.model.schedule import ScheduleView
from jobqueue.schedules.times import SECOND
from jobqueue.services.due_schedule import DueSchedule
from jobqueue.services.firing import Firer, Firing, result_reason
from jobqueue.services.follower import Follower
from jobqueue.services.schedule_owner import OwnerReader
from jobqueue.services.schedules import CancelJob, MakeSubmission
from jobqueue.services.submission import Submitter
from jobqueue.services.workflows.engine import WorkflowEngine

logger = logging.getLogger(__name__)

#: Schedules of one turn.
BATCH = 100
#: Seconds for which a process that died keeps others from firing, and after which each process asks again.
LEASE_SECONDS, IDLE_SECONDS = 5.0, 1.0
#: Seconds between two turns while schedules or runs of workflows follow the ends of jobs.
FOLLOWING_SECONDS = 0.2
#: Seconds between two turns while schedules are due.
_BUSY_SECONDS = 0.001
#: How long a schedule that cannot be processed is left alone.
_RETRY = 3600 * SECOND
#: What becomes of the next time of a schedule; None if it is not due.
Decision = TypeVar("Decision", bound=Step | Firing | None)


class Scheduler:
    """Fires the schedules of one ledger."""

    def __init__(
        self,
        ledger: Ledger,
        submitter: Submitter,
        cancel: CancelJob,
        owners: OwnerReader,
        make: MakeSubmission,
        workflows: WorkflowEngine,
    ) -> None:
        self._ledger = ledger
        self._schedules = ledger.schedules
        self._workflows = workflows
        self._firer = Firer(ledger, submitter, cancel, owners, make)
        self._follower = Follower(ledger, self._firer, workflows)
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
        has_more_endings = due.has_endings and self._follower.turn(due.now)
        has_more_runs = self._workflows.turn()
        if due.due or has_more_endings or has_more_runs:
            return _BUSY_SECONDS
        idle = FOLLOWING_SECONDS if due.is_following else IDLE_SECONDS
        if due.first is None:
            return idle
        return min(idle, max((due.first - due.now) / SECOND, _BUSY_SECONDS))

    def _process(self, names: tuple[str, ...], now: int) -> None:
        steps: list[Step] = []
        firings: list[Firing] = []
        for view in self._views(names):
            decision = self._guarded(view, now, lambda due: due.decide(self._firer.cancel_last))
            if isinstance(decision, Firing):
                firings.append(decision)
            elif decision is not None:
                steps.append(decision)
        refused, stopped, _ = self._firer.fire(firings, now)  # what is undecided is still due
        self._schedules.settle([*steps, *refused])
        for schedule in stopped:
            self._firer.stop(schedule, now)

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
            reason = result_reason(error).removesuffix(".")
            sentence = f"The schedule {schedule.name} cannot fire: {reason}. It is tried again every hour."
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
