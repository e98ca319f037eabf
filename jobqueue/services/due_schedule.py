"""What becomes of the next time of a schedule: it fires, it waits for the last job, or it passes without a job."""

from __future__ import annotations

import logging
from collections.abc import Callable

from jobqueue.ledger.schedules import Step
from jobqueue.model.schedule import Outcome, Overlap, Result, Schedule, ScheduleView
from jobqueue.schedules.times import SECOND
from jobqueue.services.firing import Firing, job_id_of
from jobqueue.services.schedules import running_job, times_for

logger = logging.getLogger(__name__)

#: How late a time may be that is not made up for, and that a blackout of now does not concern.
ON_TIME = 60 * SECOND
#: How long a time that waits for the last job is left alone.
_WAIT = SECOND
#: Times that `buffer_all` lets wait, and times that are counted when they were missed.
MOST_BUFFERED, MOST_COUNTED = 100, 1000
_BUFFERED = (Overlap.BUFFER_ONE, Overlap.BUFFER_ALL)
_NOT_FIRED = "no API process fired schedules"


class DueSchedule:
    """A schedule at the moment ``now`` (microseconds). Raises ``InvalidInput`` if its times cannot be computed."""

    def __init__(self, view: ScheduleView, now: int) -> None:
        schedule = view.schedule
        self._view = view
        self._now = now
        self._times = times_for(schedule)

    def decide(self, cancel_last: Callable[[Schedule, str], str]) -> Step | Firing | None:
        """The step for the next time, or the job to submit for it; None if it is not due.

        ``cancel_last(schedule, job id)`` cancels the last job, and returns why it could not; '' if it did.
        """
        schedule, time, times, now = self._view.schedule, self._view.progress.next, self._times, self._now
        if time is None or times.after(time - 1) != time:
            logger.warning("The next time of the schedule %s was altered; it is computed again", schedule.name)
            return self.planned_again()
        if times.due(time) > now:
            return None
        newest = self._newest(time, now)
        if schedule.pause is not None:
            return self._passed(time, newest, Outcome.PAUSED, schedule.pause.reason)
        missed = self._missed(time, newest)
        if missed is not None:
            return missed
        moments = [times.due(time)] if self._is_on_time(time) else [times.due(time), now]
        if any(map(times.is_blacked_out, moments)):
            return self._passed(time, time, Outcome.BLACKOUT, "in a blackout")
        overlapping = self._overlap(time, cancel_last)
        if overlapping is not None:
            return overlapping
        following = times.after(time)
        return Firing(self._view, time, job_id_of(schedule, time), following, self._due(following))

    def planned_again(self) -> Step:
        """The step to the first time after now."""
        return self._step(self._times.after(self._now))

    def _missed(self, time: int, newest: int) -> Step | None:
        """The step over times that are too late; None if the next time is not."""
        schedule, times = self._view.schedule, self._times
        if schedule.overlap in _BUFFERED and time <= self._view.progress.seen:
            return None  # it waited for another job
        if schedule.catch_up is None:
            if self._is_on_time(time):
                return None
            last = self._newest(time, newest - 1) if self._is_on_time(newest) else newest
            return self._passed(time, last, Outcome.MISSED, _NOT_FIRED)
        begin = self._now - schedule.catch_up
        if time >= min(begin, newest):
            return None
        first = times.after(begin - 1)
        last = newest if first is None else min(first, newest)
        return self._passed(time, self._newest(time, last - 1), Outcome.MISSED, _NOT_FIRED)

    def _overlap(self, time: int, cancel_last: Callable[[Schedule, str], str]) -> Step | None:
        """The effect of the schedule's last job on a time; None: the time fires."""
        overlap, progress = self._view.schedule.overlap, self._view.progress
        if overlap is Overlap.BUFFER_ONE and progress.waits not in (None, time) and time <= progress.seen:
            return self._passed(time, time, Outcome.SKIPPED, "another time waited for the last job")
        running = running_job(progress)
        if not running or overlap is Overlap.ALLOW:
            return None
        if overlap is Overlap.CANCEL_OTHER:
            refusal = cancel_last(self._view.schedule, running)
            return self._passed(time, time, Outcome.REFUSED, refusal) if refusal else None
        if overlap is Overlap.SKIP:
            return self._passed(time, time, Outcome.SKIPPED, f"job {running} has not ended")
        most = MOST_BUFFERED
        if overlap is Overlap.BUFFER_ALL and self._times.count(time, self._now + 1, most + 1) > most:
            return self._passed(time, time, Outcome.SKIPPED, f"{most} later times wait for the last job")
        return Step(self._view.schedule, progress, time, self._now + _WAIT, None, time, self._now)

    def _is_on_time(self, time: int) -> bool:
        return self._now - self._times.due(time) <= ON_TIME

    def _newest(self, begin: int, end: int) -> int:
        """The newest time from ``begin``, which is a time, that is due at ``end``."""
        newest = self._times.newest(begin, end)
        if newest > begin and self._times.due(newest) > end:
            return self._times.newest(begin, newest - 1)
        return newest

    def _passed(self, first: int, last: int, outcome: Outcome, reason: str) -> Step:
        """The step over the times from ``first`` to ``last``, of which none makes a job."""
        number = self._times.count(first, last + 1, MOST_COUNTED)
        return self._step(self._times.after(last), Result(first, last, 0, outcome, number, "", reason))

    def _step(self, following: int | None, result: Result | None = None) -> Step:
        return Step(self._view.schedule, self._view.progress, following, self._due(following), result)

    def _due(self, time: int | None) -> int | None:
        return None if time is None else self._times.due(time)
