"""Notification rules: storing, testing and deleting them, and sending dead letters again."""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace

from jobqueue.errors import InvalidInput, NotificationNotFound
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.notification import DeadLetter, NotificationRule, RuleView, check_events
from jobqueue.model.principal import Principal
from jobqueue.model.record_name import check_record_name
from jobqueue.model.schedule import Owner, Timing
from jobqueue.schedules.times import Times
from jobqueue.services.notifications.channels import Channels
from jobqueue.services.notifications.failure import DeliveryFailed
from jobqueue.services.notifications.messages import check_message
from jobqueue.services.schedule_owner import owner_of

#: Dead letters that one request sends again, and seconds after which it begins no other.
MOST_RESENT, _RESEND_SECONDS = 20, 20.0
_USE = "secret:use"


@dataclass(frozen=True)
class DeliveryResult:
    """How many messages were delivered, how many are left, and why the next one was not delivered ('': it was)."""

    sent: int
    left: int
    error: str = ""


class NotificationManager:
    """Stores, lists, tests and removes rules. ``clock`` is in seconds."""

    def __init__(self, ledger: Ledger, channels: Channels, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._notifications = ledger.notifications
        self._channels = channels
        self._clock = clock

    def get(self, name: str) -> RuleView:
        """One rule. Raises ``NotificationNotFound``, ``RecordAltered``."""
        return self._notifications.get(name)

    def page(self, after: str, limit: int) -> tuple[list[RuleView], int, str | None]:
        """Rules by name; how many there are in all, and the name after which the next page begins."""
        return self._notifications.page(after, limit, 1)

    def put(self, rule: NotificationRule, principal: Principal) -> tuple[RuleView, bool]:
        """Store a rule, in place of one with the same name; the principal becomes its owner. Returns it, and whether it
        is new.

        One that is replaced continues with the events that it has not reported. Raises ``InvalidInput``,
        ``PermissionDenied`` unless the principal may read about all of its events, ``RecordChanged``, ``Conflict``.
        """
        before, stored = self.compare(rule, principal)
        self._notifications.put(stored, "" if before is None else before.serial)
        return self.get(stored.name), before is None

    def compare(self, rule: NotificationRule, principal: Principal) -> tuple[NotificationRule | None, NotificationRule]:
        """The rule of this name as it is, None if there is none, and as ``put`` would store it. Nothing is stored.

        Raises ``InvalidInput``, ``PermissionDenied``.
        """
        check_record_name(rule.name)
        check_events(rule.events)
        _check_quiet_hours(rule)
        rule = replace(rule, filter=replace(rule.filter, target=_target(rule.filter.target)))
        for permission in rule.permissions:
            principal.require(permission)
        self._channels.check(rule.channel)  # afterwards: the answer shows which secrets there are
        now, before = self._ledger.time(), self._find(rule.name)
        stored = replace(
            rule,
            uid=uuid.uuid4().hex if before is None else before.uid,
            serial=secrets.token_hex(8),
            owner=_owner(principal),
            created=now if before is None else before.created,
            changed=now,
            changed_by=principal.name,
        )
        if stored.pause is not None:
            stored = replace(stored, pause=replace(stored.pause, by=principal.name, at=now))
        return before, stored

    def remove(self, name: str) -> None:
        """Remove a rule, also an altered one, with its dead letters. Raises ``NotificationNotFound``,
        ``RecordChanged``.
        """
        self._notifications.remove(name, self._notifications.serial(name))

    def test(self, name: str) -> DeliveryResult:
        """Send a test message through a rule's channel, once. Raises ``NotificationNotFound``, ``RecordAltered``."""
        rule = self.get(name).rule
        try:
            self._channels.send(rule.channel, check_message(rule, self._ledger.time()))
        except DeliveryFailed as failure:
            return DeliveryResult(0, 1, failure.message)
        return DeliveryResult(1, 0)

    def dead_letters(self, name: str, principal: Principal) -> list[DeadLetter]:
        """The dead letters of a rule, oldest first. Raises ``NotificationNotFound``,
        ``PermissionDenied`` unless the principal may read about its events.
        """
        for permission in self.get(name).rule.permissions:
            if permission != _USE:
                principal.require(permission)
        return self._notifications.dead_letters(name)

    def resend(self, name: str, message_id: str | None = None) -> DeliveryResult:
        """Send dead letters again, oldest first, up to the first that fails; or one of them.

        Those that are delivered are removed. Raises ``NotificationNotFound``, also for a message that is not there.
        """
        rule = self.get(name).rule
        letters = self._notifications.dead_letters(name)
        chosen = [letter for letter in letters if message_id in (None, letter.message.id)]
        if message_id is not None and not chosen:
            raise NotificationNotFound(
                f"The rule {name!r} has no dead letter {message_id[:80]!r}; `jobqueue notification dead-letters` shows "
                "all."
            )
        sent, error, until = 0, "", self._clock() + _RESEND_SECONDS
        for letter in chosen[:MOST_RESENT]:
            try:
                self._channels.send(rule.channel, letter.message)
            except DeliveryFailed as failure:
                error = failure.message
                break
            self._notifications.discard(name, letter)
            sent += 1
            if self._clock() >= until:
                break
        return DeliveryResult(sent, len(letters) - sent, error)

    def _find(self, name: str) -> NotificationRule | None:
        try:
            return self.get(name).rule
        except NotificationNotFound:
            return None


def _owner(principal: Principal) -> Owner:
    try:
        return owner_of(principal)
    except InvalidInput as error:
        sentence = (
            "A notification rule is in use as long as its owner may read about its events, and the permissions of "
            f"{principal.name!r} are only in the token that was sent. Use an API key or a user: `jobqueue key create`."
        )
        raise InvalidInput.of("owner", sentence) from error


def _target(text: str) -> str:
    """The target of a filter in its canonical spelling."""
    if not text:
        return ""
    from jobqueue.targets import scopes  # its parser is part of the extra `api`

    try:
        return scopes.spelled(text, "filter events")
    except InvalidInput as error:
        raise InvalidInput.of("filter.target", error.message) from error


def _check_quiet_hours(rule: NotificationRule) -> None:
    try:
        Times(Timing(at=0, time_zone=rule.time_zone), rule.quiet, is_new=True)
    except InvalidInput as error:
        fields = {
            field.replace("blackouts", "quiet_hours"): sentences for field, sentences in (error.details or {}).items()
        }
        raise InvalidInput(error.message.replace("blackouts", "quiet_hours"), fields) from error
