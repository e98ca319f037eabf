"""Notification rules from requests, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.model.durations import show_duration
from jobqueue.model.notification import (
    Channel,
    Cursor,
    DeadLetter,
    Delivery,
    EventFilter,
    NotificationRule,
    Progress,
    RuleView,
)
from jobqueue.model.saved_job import check_manager
from jobqueue.model.schedule import Blackout, Owner, Pause
from jobqueue.model.timestamps import to_iso
from jobqueue.trust.secrets.reference import KEY

_DECLARED = ("description", "events", "filter", "channel", "group", "quiet_hours", "time_zone", "managed_by")
_LISTS = ("hosts", "operations", "saved", "submitters", "schedules", "workflows", "alerts")


def rule_of(name: str, loaded: Mapping[str, Any]) -> NotificationRule:
    """What ``NotificationRequest`` loaded, as a rule that is not stored yet."""
    paused, event_filter = loaded.get("paused"), loaded["filter"]
    return NotificationRule(
        name=name,
        uid="",
        serial="",
        events=tuple(loaded["events"]),
        channel=_channel_of(loaded["channel"]),
        owner=Owner("", "", ""),
        filter=EventFilter(
            **{field: tuple(event_filter[field]) for field in _LISTS if field in event_filter},
            tags=event_filter.get("tags", {}),
            target=event_filter.get("target", ""),
        ),
        description=loaded["description"],
        group=loaded["group"],
        quiet=tuple(Blackout(**window) for window in loaded["quiet_hours"]),
        time_zone=loaded["time_zone"],
        pause=None if paused is None else Pause(paused, "", 0),
        managed_by=check_manager(loaded["managed_by"]),
    )


def rule_document(view: RuleView) -> dict[str, Any]:
    """A rule, with its deliveries newest first."""
    rule, progress = view.rule, view.progress
    return {
        "name": rule.name,
        "description": rule.description,
        "events": list(rule.events),
        "filter": _filter_document(rule.filter),
        "channel": _channel_document(rule.channel),
        "group": show_duration(rule.group),
        "quiet_hours": [{"cron": window.cron, "duration": show_duration(window.duration)} for window in rule.quiet],
        "time_zone": rule.time_zone,
        "pause": rule.pause and {"reason": rule.pause.reason, "by": rule.pause.by, "at": to_iso(rule.pause.at)},
        "managed_by": rule.managed_by,
        "owner": rule.owner.name,
        "created": to_iso(rule.created),
        "changed": to_iso(rule.changed),
        "changed_by": rule.changed_by,
        "delivered": progress.delivered,
        "failed": progress.failed,
        "dead_letters": progress.dead,
        "attempts": progress.attempts,
        "next_attempt": None if progress.next is None else to_iso(progress.next),
        "error": progress.error,
        "deliveries": [_delivery_document(delivery) for delivery in reversed(view.deliveries)],
    }


def declared_document(rule: NotificationRule) -> dict[str, Any]:
    """What a caller sets of a rule, without what is empty."""
    shown = rule_document(RuleView(rule, Progress(Cursor("", ""))))
    fields = {name: shown[name] for name in _DECLARED}
    fields["paused"] = rule.pause and rule.pause.reason
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def letter_document(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter."""
    message = letter.message
    return {
        "id": message.id,
        "event": message.event,
        "count": message.count,
        "given_up": to_iso(letter.at),
        "error": letter.error,
        "content": dict(message.content),
    }


def _channel_of(loaded: Mapping[str, Any]) -> Channel:
    url = loaded["url"]
    is_plain = isinstance(url, str)
    return Channel(loaded["type"], url if is_plain else "", "" if is_plain else url[KEY], loaded.get("secret", ""))


def _channel_document(channel: Channel) -> dict[str, Any]:
    url: Any = {KEY: channel.url_secret} if channel.url_secret else channel.url
    secret = {"secret": {KEY: channel.secret}} if channel.secret else {}
    return {"type": channel.type, "url": url, **secret}


def _filter_document(event_filter: EventFilter) -> dict[str, Any]:
    fields: dict[str, Any] = {name: list(getattr(event_filter, name)) for name in _LISTS}
    fields |= {"tags": dict(event_filter.tags), "target": event_filter.target}
    return {name: value for name, value in fields.items() if value}


def _delivery_document(delivery: Delivery) -> dict[str, Any]:
    return {
        "at": to_iso(delivery.at),
        "result": delivery.result,
        "message_id": delivery.message_id,
        "event": delivery.event,
        "count": delivery.count,
        "error": delivery.error,
    }
