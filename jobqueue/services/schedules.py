"""Schedules: creating, changing, pausing and triggering them. ``services/scheduler.py`` fires them."""

from __future__ import annotations

import logging
import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from jobqueue.errors import Conflict, InvalidInput, JobFinal, JobNotFound, RecordChanged, ScheduleNotFound
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.schedules import fire_argument
from jobqueue.model.audit import AuditEntry
from jobqueue.model.principal import Principal
from jobqueue.model.record_name import check_record_name
from jobqueue.model.schedule import (
    PREVIEWED,
    After,
    Outcome,
    Overlap,
    Pause,
    Progress,
    Schedule,
    ScheduleView,
    Timing,
)
from jobqueue.model.states import FINAL_STATUSES
from jobqueue.model.submission import Accepted, Submission
from jobqueue.model.timestamps import to_iso
from jobqueue.schedules.times import DAY, Times, times_of
from jobqueue.schedules.zones import instant, local, zone_of
from jobqueue.services.schedule_owner import owner_of
from jobqueue.services.submission import ScheduledJob, Submitter

#: Makes the submission that a schedule's content stands for: content, principal -> submission. The API provides it:
#: only the API knows its requests. Raises ``InvalidInput``, ``PermissionDenied``, ``RecordAltered``,
#: ``LedgerUnavailable``.
MakeSubmission = Callable[[Mapping[str, Any], Principal], Submission]

#: Cancels a job with the permissions of a principal, for a reason: principal, id, reason. Raises ``JobNotFound``,
#: ``JobFinal``, ``PermissionDenied``.
CancelJob = Callable[[Principal, str, str], None]

#: The tag by which the jobs of a schedule are found.
TAG = "schedule"
#: Names that routes of the API have.
RESERVED = frozenset({"preview"})
#: Moments of a timing that a caller may set.
_MOMENTS = ("at", "anchor", "starts", "ends")
#: What a schedule that follows jobs can do if its last job has not ended.
_OVERLAPS_AFTER = (Overlap.SKIP, Overlap.CANCEL_OTHER, Overlap.ALLOW)
#: Lists of jobs that are followed in search of a loop; a longer one ends at the bound of jobs in a row.
_MOST_WAYS = 500
#: Distances between times that the jitter is compared with.
_COMPARED = 10
logger = logging.getLogger(__name__)
_FINAL = frozenset(str(status) for status in FINAL_STATUSES)


class ScheduleManager:
    """Stores, lists, changes and triggers schedules."""

    def __init__(self, ledger: Ledger, submitter: Submitter, cancel: CancelJob) -> None:
        self._ledger = ledger
        self._schedules = ledger.schedules
        self._submitter = submitter
        self._cancel = cancel

    def get(self, name: str) -> ScheduleView:
        """One schedule. Raises ``ScheduleNotFound``."""
        return self._schedules.get(name)

    def page(self, after: str, limit: int, results: int) -> tuple[list[ScheduleView], int, str | None]:
        """Schedules by name; how many there are in all, and the name after which the next page begins."""
        return self._schedules.page(after, limit, results)

    def preview(self, schedule: Schedule, number: int = PREVIEWED) -> list[int]:
        """The next times of a schedule, stored or not, without those in blackouts. Raises ``InvalidInput``."""
        now = self._ledger.time()
        schedule = replace(schedule, timing=_anchored(schedule.timing, now))
        return list(_times(schedule).following(now, number))

    def next_times(
        self, schedule: Schedule, begin: int | None = None, number: int = PREVIEWED, end: int | None = None
    ) -> list[int]:
        """The next times of a stored schedule after ``begin`` (default: now), without those in blackouts.

        Empty if they cannot be computed, for example because this host's time zone database no longer has its zone.
        """
        after = self._ledger.time() if begin is None else begin
        try:
            return list(times_for(schedule).following(after, number, end))
        except InvalidInput as error:
            logger.info("The next times of the schedule %s cannot be computed: %s", schedule.name, error)
            return []

    def create(self, schedule: Schedule, submission: Submission) -> ScheduleView:
        """Store a new schedule, whose owner is the principal of ``submission``, which its content stands for.

        Raises ``InvalidInput``, ``PermissionDenied`` for a job that the owner may not submit, ``ScheduleExists``.
        """
        _check_new_name(schedule.name)
        now = self._ledger.time()
        stored = self._owned(replace(schedule, uid=uuid.uuid4().hex, created=now), submission, now)
        self._store(stored, "", now)
        return self.get(stored.name)

    def replace(
        self, schedule: Schedule, submission: Submission, serial: str | None = None, *, resumes: bool = False
    ) -> tuple[ScheduleView, bool]:
        """Store a schedule in place of one with the same name, or as a new one; the principal becomes its owner.

        Returns it, and whether it is new. Its results, and a pause, remain. If its timing is the same, so does its next
        time. ``serial`` is that of the schedule to replace, as the caller has seen it; None: any, or none. ``resumes``:
        a pause that it has ends.

        Raises as ``create``, ``RecordChanged``, and with ``serial`` also ``ScheduleNotFound``.
        """
        try:
            before = self.get(schedule.name)
        except ScheduleNotFound:
            if serial is not None:
                raise
            return self.create(schedule, submission), True
        if serial not in (None, before.schedule.serial):
            raise RecordChanged(f"{before.schedule.changed_by} has changed the schedule meanwhile; open it again.")
        now, current = self._ledger.time(), before.schedule
        kept = _kept(schedule, current)
        stored = self._owned(replace(kept, pause=schedule.pause) if resumes else kept, submission, now)
        if stored.timing == current.timing and before.progress.next is not None:
            self._schedules.change(stored, current.serial)
        else:
            self._store(stored, current.serial, now)
        return self.get(stored.name), False

    def compare(
        self, schedule: Schedule, principal: Principal, submission: Submission | None
    ) -> tuple[Schedule | None, Schedule]:
        """The schedule of this name as it is, None if there is none, and as ``replace`` would store it. Nothing is
        stored. Without a ``submission`` the job is not checked. Raises as ``replace``.
        """
        now = self._ledger.time()
        try:
            stored = self.get(schedule.name).schedule
        except ScheduleNotFound:
            _check_new_name(schedule.name)
            stored = None
        changed = schedule if stored is None else _kept(schedule, stored)
        changed = self._checked_after(changed, submission)
        if submission is None:
            changed = replace(changed, timing=_anchored(changed.timing, now), owner=owner_of(principal))
        else:
            changed = self._owned(changed, submission, now)
        if stored is None or changed.timing != stored.timing:
            _first_time(changed, _times(changed), now)
        return stored, changed

    def pause(self, name: str, reason: str, principal: Principal) -> ScheduleView:
        """Pause the schedule: its times pass without a job. Raises ``ScheduleNotFound``, ``RecordChanged``."""
        return self._change(name, Pause(reason, principal.name, self._ledger.time()), principal)

    def resume(self, name: str, principal: Principal) -> ScheduleView:
        """End a pause. Raises ``ScheduleNotFound``, ``RecordChanged``."""
        return self._change(name, None, principal)

    def remove(self, name: str) -> None:
        """Remove a schedule, also an altered one; its jobs remain. Raises ``ScheduleNotFound``, ``RecordChanged``."""
        self._schedules.remove(name, self._schedules.serial(name))

    def trigger(self, view: ScheduleView, submission: Submission, audit_entry: AuditEntry) -> Accepted:
        """Submit the schedule's job now, beside its times, for the submission's principal, not for the owner.

        It also does so if the schedule is paused, or in a blackout. Raises ``Conflict`` if its last job has not ended,
        unless its ``overlap`` allows that; what ``JobSubmitter.submit`` raises; and ``PermissionDenied`` if the
        principal may not cancel the last job.
        """
        schedule, running = view.schedule, running_job(view.progress)
        if running and schedule.overlap is Overlap.CANCEL_OTHER:
            self._submitter.check(submission)  # before its last job is cancelled for it
            self._cancel_last(submission.principal, running, schedule.name)
        elif running and schedule.overlap is not Overlap.ALLOW:
            raise Conflict(
                f"Job {running} of the schedule {schedule.name!r} has not ended, and its overlap is "
                f"{schedule.overlap}; wait for the job, or cancel it.",
                {"job_id": running},
            )
        now = self._ledger.time()
        fire = fire_argument(schedule, Outcome.TRIGGERED, now, None, None)
        job = ScheduledJob(made_for(schedule, submission, now), str(uuid.uuid4()), fire, audit_entry)
        (outcome,) = self._submitter.fire([job])
        if not isinstance(outcome, Accepted):
            raise outcome
        return outcome

    def _cancel_last(self, principal: Principal, job_id: str, name: str) -> None:
        try:
            self._cancel(principal, job_id, f"by the schedule {name}")
        except (JobFinal, JobNotFound) as error:
            logger.debug("The last job of the schedule %s needs no cancellation: %s", name, error)

    def _owned(self, schedule: Schedule, submission: Submission, now: int) -> Schedule:
        """The schedule as it is stored, once its job and its terms were checked."""
        principal = submission.principal
        owner = owner_of(principal)
        self._submitter.check(submission)
        stored = replace(
            self._checked_after(schedule, submission),
            timing=_anchored(schedule.timing, now),
            owner=owner,
            serial=secrets.token_hex(8),
            changed=now,
            changed_by=principal.name,
        )
        if stored.pause is not None and not stored.pause.by:
            stored = replace(stored, pause=replace(stored.pause, by=principal.name, at=now))
        return stored

    def _checked_after(self, schedule: Schedule, submission: Submission | None) -> Schedule:
        """The schedule with the lists of its jobs, if it follows others. Raises ``InvalidInput`` for a loop."""
        after = schedule.after
        if after is None:
            return schedule
        _check_terms(schedule)
        after = replace(after, makes=() if submission is None else tuple(submission.groups))
        self._check_loop(schedule.name, after)
        return replace(schedule, after=after)

    def _check_loop(self, name: str, after: After) -> None:
        """Raise ``InvalidInput`` if an end of the schedule's own job would start it, also by way of other schedules."""
        ways = dict.fromkeys(after.makes, name)
        pending = list(ways)
        while pending and len(ways) < _MOST_WAYS:
            group = pending.pop()
            if group == after.group:
                sentence = f"The schedule would start itself: {ways[group]} -> {after.kind} {after.name} -> {name}."
                raise InvalidInput.of("after", sentence)
            for view in self._schedules.some(self._schedules.followers(group, _MOST_WAYS), 0):
                if isinstance(view, ScheduleView) and view.schedule.after and view.schedule.name != name:
                    new = [other for other in view.schedule.after.makes if other not in ways]
                    ways |= dict.fromkeys(new, f"{ways[group]} -> {view.schedule.name}")
                    pending += new

    def _store(self, schedule: Schedule, before: str, now: int) -> None:
        times = _times(schedule)
        next_time = _first_time(schedule, times, now)
        self._schedules.put(schedule, before, next_time, None if next_time is None else times.due(next_time))

    def _change(self, name: str, pause: Pause | None, principal: Principal) -> ScheduleView:
        before = self.get(name).schedule
        changed = replace(
            before, pause=pause, serial=secrets.token_hex(8), changed=self._ledger.time(), changed_by=principal.name
        )
        self._schedules.change(changed, before.serial)
        return self.get(name)


def made_for(
    schedule: Schedule, submission: Submission, now: int, tags: Mapping[str, str] = MappingProxyType({})
) -> Submission:
    """The submission for one time of a schedule: tagged with its name and with ``tags``, and with a deadline if it
    waits for hosts.
    """
    tags = {**submission.tags, TAG: schedule.name, **tags}
    expires_at = submission.expires_at if schedule.expires_after is None else now + schedule.expires_after
    return replace(submission, tags=tags, expires_at=expires_at)


def running_job(progress: Progress) -> str:
    """The id of the schedule's last job, if it has not ended; else ''."""
    return progress.job_id if progress.job_status and progress.job_status not in _FINAL else ""


def _check_new_name(name: str) -> None:
    check_record_name(name)
    if name in RESERVED:
        raise InvalidInput.of("name", f"{name!r} is reserved; choose another name.")


def _kept(schedule: Schedule, before: Schedule) -> Schedule:
    """The schedule in place of ``before``, with what remains of it: its identity, its anchor, a pause."""
    timing = _exact(schedule.timing, before.timing)
    if replace(timing, anchor=before.timing.anchor) == before.timing and timing.anchor is None:
        timing = before.timing
    return replace(
        schedule, timing=timing, uid=before.uid, created=before.created, pause=schedule.pause or before.pause
    )


def _exact(timing: Timing, before: Timing) -> Timing:
    """The timing with those moments of ``before`` that it names as the API shows them, in milliseconds."""
    moments = {name: (getattr(timing, name), getattr(before, name)) for name in _MOMENTS}
    same = {name: old for name, (new, old) in moments.items() if None not in (new, old) and to_iso(new) == to_iso(old)}
    return replace(timing, **same)


def _first_time(schedule: Schedule, times: Times, now: int) -> int | None:
    """The first time of a schedule that is new or has another timing; None if it follows jobs.

    Raises ``InvalidInput``.
    """
    if schedule.after is not None:
        return None
    next_time = times.after(now - 1)
    if next_time is None:
        raise InvalidInput.of(_field_of(schedule.timing), "The schedule would never fire: all of its times are past.")
    _check_jitter(schedule.timing, times, now)
    return next_time


def times_for(schedule: Schedule) -> Times:
    """The times of a stored schedule."""
    return times_of(schedule.timing, schedule.blackouts, schedule.uid, is_timed=schedule.after is None)


def _times(schedule: Schedule) -> Times:
    return Times(schedule.timing, schedule.blackouts, schedule.uid, is_timed=schedule.after is None, is_new=True)


def _check_terms(schedule: Schedule) -> None:
    """Raise ``InvalidInput`` for terms that a schedule which follows jobs cannot have."""
    if schedule.overlap not in _OVERLAPS_AFTER:
        sentence = f"A schedule with after has {', '.join(map(str, _OVERLAPS_AFTER))}, not {schedule.overlap}."
        raise InvalidInput.of("overlap", sentence)
    if schedule.catch_up != 0:
        raise InvalidInput.of("catch_up", "A schedule with after fires for every end, also late; leave it out.")


def _anchored(timing: Timing, now: int) -> Timing:
    """The timing with the anchor that a caller left out: its start; else, for an interval, its length from now, and for
    a rule the midnight before.
    """
    if timing.anchor is not None or (timing.every is None and timing.rrule is None):
        return timing
    if timing.starts is not None or timing.every is not None:
        # whole milliseconds, as the API shows them: a schedule that is exported and applied again stays as it is
        first = (now + (timing.every or 0)) // 1000 * 1000
        return replace(timing, anchor=first if timing.starts is None else timing.starts)
    zone = zone_of(timing.time_zone)
    midnight = local(now, zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    return replace(timing, anchor=instant(midnight, zone))


def _field_of(timing: Timing) -> str:
    return next(name for name in ("cron", "every", "at", "rrule") if getattr(timing, name) is not None)


def _check_jitter(timing: Timing, times: Times, now: int) -> None:
    """Raise ``InvalidInput`` if a delayed time could come after the next one."""
    moments: list[int] = []
    moment: int | None = now
    while moment is not None and len(moments) < _COMPARED:
        moment = times.after(moment)
        if moment is not None:
            moments.append(moment)
    distance = min((later - earlier for earlier, later in pairwise(moments)), default=DAY + 1)
    if timing.jitter >= distance:
        sentence = f"Must be shorter than the interval between two times, {distance / 1e6:g} s."
        raise InvalidInput.of("jitter", sentence)
