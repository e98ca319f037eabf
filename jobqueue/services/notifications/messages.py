"""Messages about events."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jobqueue.model.durations import show_duration
from jobqueue.model.notification import GROUP, TEST, Message, NotificationRule
from jobqueue.model.timestamps import to_iso
from jobqueue.services.notifications.events import Event

#: Events that a message about a group lists.
MOST_LISTED = 20
_PLURALS = {
    "job.cancelled": "jobs were cancelled",
    "job.completed": "jobs completed",
    "job.failed": "jobs failed",
    "job.partial_failure": "jobs failed on some hosts",
    "job.skipped": "jobs were skipped",
    "rollout.stopped": "rollouts stopped",
    "approval.waiting": "jobs wait for an approval",
    "schedule.missed": "times of schedules were missed",
    "schedule.refused": "times of schedules were refused",
    "schedule.skipped": "times of schedules were skipped",
    "workflow.cancelled": "runs of workflows were cancelled",
    "workflow.completed": "runs of workflows completed",
    "workflow.failed": "runs of workflows failed",
    "workflow.skipped": "runs of workflows were skipped",
    "alert.raised": "alerts were raised",
}


def message_of(rule: NotificationRule, events: Sequence[Event]) -> Message:
    """The message of a rule about one or more events. Its id depends on the rule and the first event only."""
    first, names = events[0], Counter(event.name for event in events)
    message_id = f"msg_{uuid.uuid5(uuid.UUID(rule.uid), f'{first.notice.id}|{first.notice.is_of_job}').hex}"
    name = first.name if len(names) == 1 else GROUP
    summary = first.summary if len(events) == 1 else _together(rule, names)
    return _message(rule, message_id, name, first.notice.at, summary, [event.document for event in events])


def check_message(rule: NotificationRule, now: int) -> Message:
    """A message that tests a rule's channel."""
    summary = f"This is a test of the notification rule {rule.name}."
    event = {"event": TEST, "time": to_iso(now), "summary": summary}
    return _message(rule, f"msg_{uuid.uuid4().hex}", TEST, now, summary, [event])


def plain_text(message: Message) -> tuple[str, str]:
    """A message as a title and a text, for people."""
    data = message.content["data"]
    lines = [f"{event['time']}  {event['summary']}{_job_of(event)}" for event in data["events"]]
    if data["count"] > len(lines):
        lines.append(f"and {data['count'] - len(lines)} more")
    return f"{data['rule']}: {data['summary']}", "\n".join(lines)


def _job_of(event: Mapping[str, Any]) -> str:
    job = event.get("job")
    return f" (job {job['id']})" if job else ""


def _together(rule: NotificationRule, names: Counter[str]) -> str:
    parts = [f"{count} {_PLURALS.get(name, f'events {name}')}" for name, count in sorted(names.items())]
    return f"{', '.join(parts)} within {show_duration(rule.group)}"


def _message(
    rule: NotificationRule, message_id: str, name: str, at: int, summary: str, documents: Sequence[Any]
) -> Message:
    data = {"rule": rule.name, "count": len(documents), "summary": summary, "events": list(documents[:MOST_LISTED])}
    return Message(message_id, name, len(documents), {"type": name, "timestamp": to_iso(at), "data": data})
