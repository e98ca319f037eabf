"""Delivers the messages of one rule, in order: an event stays in front of the rule until its message was delivered or
given up.
"""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, replace

from jobqueue import jitter
from jobqueue.errors import NotificationNotFound, RecordChanged
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.notifications import Reading, Settlement
from jobqueue.model.alert import NOTIFICATIONS_LOST
from jobqueue.model.notification import (
    Cursor,
    DeadLetter,
    Delivery,
    Message,
    Notice,
    NotificationRule,
    RuleView,
)
from jobqueue.model.schedule import Pause, Timing
from jobqueue.model.timestamps import to_iso
from jobqueue.schedules.times import times_of
from jobqueue.services.notifications.channels import Channels
from jobqueue.services.notifications.events import Event, EventReader
from jobqueue.services.notifications.failure import DeliveryFailed
from jobqueue.services.notifications.messages import message_of
from jobqueue.services.notifications.target_filter import TargetFilter
from jobqueue.services.schedule_owner import OwnerReader

logger = logging.getLogger(__name__)

_SECOND = 1_000_000
#: How long after its event a message is tried: it is given up at the first failure after this time.
TRIED_FOR = 24 * 3600 * _SECOND
#: The pause after the first failure, which doubles with each, and the longest one, in seconds.
_FIRST_PAUSE, _LONGEST_PAUSE, _DOUBLINGS = 5.0, 900.0, 8
#: Events of one message, and entries of the streams that are read for it.
MOST_EVENTS, _MOST_READINGS = 1000, 10
#: A window that never begins: quiet hours are only asked whether they include a moment.
_NEVER = 0


@dataclass(frozen=True)
class _Batch:
    """The events of the next message, and the cursors before and after them. ``ready``: when the message is sent."""

    events: tuple[Event, ...]
    before: Cursor
    after: Cursor
    ready: int


class Deliverer:
    """Delivers for any rule; holds no state of a rule between two calls. Thread-safe."""

    def __init__(self, ledger: Ledger, channels: Channels, owners: OwnerReader) -> None:
        self._ledger = ledger
        self._notifications = ledger.notifications
        self._channels = channels
        self._owners = owners
        targets = TargetFilter(ledger.roster.fleet, ledger.job_slots.names)
        self._events = EventReader(lambda job_id: ledger.jobs.get(job_id, 1), ledger.executions.exists, targets)

    def step(self, name: str) -> bool:
        """Make one attempt to deliver the next message of a rule, if one is due; whether there may be more at once.

        Raises ``LedgerUnavailable``.
        """
        for view in self._notifications.some([name], 0):
            if not isinstance(view, RuleView):  # the alarm has been raised
                return False
            now = self._ledger.time()
            if view.progress.next is not None and view.progress.next > now:
                return False
            if view.rule.pause is not None:
                return self._pass_all(view)
            reason = self._refusal(view.rule)
            if reason:
                self._stop(view.rule, now, reason)
                return False
            return self._advance(view, now)
        return False

    def _advance(self, view: RuleView, now: int) -> bool:
        rule, progress = view.rule, view.progress
        is_quiet = _is_quiet(rule, now)
        # in quiet hours, only the cursor before the first event is of use
        batch = self._batch(replace(rule, group=0) if is_quiet else rule, progress.cursor)
        if not batch.events:
            if batch.after == progress.cursor:
                return False
            return self._pass(view, batch.after)
        if is_quiet or batch.ready > now:
            if batch.before != progress.cursor:
                self._pass(view, batch.before)
            return False
        return self._attempt(view, batch, now)

    def _batch(self, rule: NotificationRule, cursor: Cursor) -> _Batch:
        """The events of the next message: the first that the rule covers, and those that are grouped with it."""
        events: list[Event] = []
        before = after = cursor
        for _ in range(_MOST_READINGS):
            reading = self._notifications.read(after)
            if reading.begin != after:
                if events:  # the next step reports it
                    break
                self._report_gap(rule, reading)
                return _Batch((), reading.begin, reading.begin, 0)
            for notice in reading.notices:
                if events and (len(events) >= MOST_EVENTS or notice.at > events[0].notice.at + rule.group):
                    return _Batch(tuple(events), before, after, 0)
                event = self._events.event(notice, rule)
                if event is not None:
                    if not events:
                        before = after
                    events.append(event)
                after = _after(after, notice)
                if events and rule.group == 0:
                    return _Batch(tuple(events), before, after, 0)
            if reading.is_last or not events:
                break
        # the window is still open, unless it has passed without another event
        ready = events[0].notice.at + rule.group + _SECOND if events and rule.group else 0
        return _Batch(tuple(events), before if events else after, after, ready)

    def _attempt(self, view: RuleView, batch: _Batch, now: int) -> bool:
        rule, progress, message = view.rule, view.progress, message_of(view.rule, batch.events)
        try:
            self._channels.send(rule.channel, message)
        except DeliveryFailed as failure:
            return self._failed(view, batch, message, failure)
        delivery = Delivery(now, "delivered", message.id, message.event, message.count)
        settlement = Settlement(batch.after, delivery=delivery)
        return self._notifications.settle(rule.name, progress.cursor, settlement) is not None

    def _failed(self, view: RuleView, batch: _Batch, message: Message, failure: DeliveryFailed) -> bool:
        rule, progress, now = view.rule, view.progress, self._ledger.time()
        attempts, error = progress.attempts + 1, failure.message
        is_dead = failure.is_gone or now - batch.events[0].notice.at >= TRIED_FOR
        delivery = Delivery(now, "dead" if is_dead else "failed", message.id, message.event, message.count, error)
        logger.log(
            logging.ERROR if is_dead else logging.WARNING,
            "The notification rule %s: attempt %d to send %s failed: %s",
            *(rule.name, attempts, message.id, error),
        )
        if not is_dead:
            pause = failure.retry_after or _pause(attempts)
            settlement = Settlement(
                progress.cursor,
                attempts,
                next=now + round(pause * _SECOND),
                since=progress.since or now,
                error=error,
                delivery=delivery,
            )
            self._notifications.settle(rule.name, progress.cursor, settlement)
            return False
        if progress.dead == 0:  # one alert, not one for each message
            self._alert(
                f"A message of the notification rule {rule.name} became a dead letter: {error} "
                f"`jobqueue notification dead-letters {rule.name}` shows it, `resend` sends it again."
            )
        settlement = Settlement(batch.after, delivery=delivery, dead_letter=DeadLetter(message, now, error))
        dropped = self._notifications.settle(rule.name, progress.cursor, settlement)
        if failure.is_gone:
            self._stop(rule, now, "the receiver answered 410 Gone: it accepts no more messages")
            return False
        return dropped is not None

    def _pass(self, view: RuleView, cursor: Cursor) -> bool:
        """Move on past events that are not reported."""
        return self._notifications.settle(view.rule.name, view.progress.cursor, Settlement(cursor)) is not None

    def _pass_all(self, view: RuleView) -> bool:
        """The events during a pause are not reported."""
        newest = self._notifications.read(view.progress.cursor).newest
        if newest != view.progress.cursor:
            self._pass(view, newest)
        return False

    def _refusal(self, rule: NotificationRule) -> str:
        """Why the rule's owner may not have it any more; empty if it may."""
        owner = self._owners.principal(rule.owner)
        if owner is None:
            return f"its owner {rule.owner.name} is gone"
        missing = [permission for permission in rule.permissions if not owner.may(permission)]
        return f"its owner {rule.owner.name} lacks {', '.join(missing)}" if missing else ""

    def _stop(self, rule: NotificationRule, now: int, reason: str) -> None:
        """Pause a rule, and raise an alert."""
        # first the alert: a process that dies in between raises it again
        self._alert(f"The notification rule {rule.name} is paused: {reason}. Store it again, or delete it.")
        paused = replace(rule, pause=Pause(reason, "jobqueue", now), serial=secrets.token_hex(8), changed=now)
        try:
            self._notifications.put(paused, rule.serial)
        except (RecordChanged, NotificationNotFound):
            logger.info("The notification rule %s was changed concurrently, so it is not paused", rule.name)

    def _report_gap(self, rule: NotificationRule, reading: Reading) -> None:
        first = f" before {to_iso(reading.notices[0].at)}" if reading.notices else ""
        self._alert(
            f"The notification rule {rule.name} may have missed events{first}: they were removed before it read them. "
            "`jobqueue job list` and `jobqueue alert list` show what happened."
        )

    def _alert(self, sentence: str) -> None:
        logger.error("ALERT: %s", sentence)
        self._ledger.executions.alert(NOTIFICATIONS_LOST, "", "", sentence)


def _after(cursor: Cursor, notice: Notice) -> Cursor:
    return replace(cursor, jobs=notice.id) if notice.is_of_job else replace(cursor, others=notice.id)


def _pause(attempts: int) -> float:
    """Seconds until the next attempt."""
    return jitter.shortened(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, _DOUBLINGS)))


def _is_quiet(rule: NotificationRule, now: int) -> bool:
    if not rule.quiet:
        return False
    return times_of(Timing(at=_NEVER, time_zone=rule.time_zone), rule.quiet, rule.uid).is_blacked_out(now)
