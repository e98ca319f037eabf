"""Notification rules: which events are reported, and to which channel. Times and durations are in microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from jobqueue.errors import InvalidInput
from jobqueue.model.schedule import Blackout, Owner, Pause
from jobqueue.model.states import FINAL_STATUSES
from jobqueue.model.workflow_run import FINAL
from jobqueue.wildcard import matches

#: Deliveries and dead letters that a rule keeps, and maximum number of rules.
KEPT_DELIVERIES, KEPT_DEAD_LETTERS, MOST_RULES = 30, 500, 100
#: Maximum number of patterns of each field of a rule.
MOST_PATTERNS = 20
#: Results of an attempt to send a message.
RESULTS = ("delivered", "failed", "dead")

ROLLOUT_STOPPED, APPROVAL_WAITING = "rollout.stopped", "approval.waiting"
AGENTS_LOST, AGENTS_BACK, ALERT_RAISED = "agents.lost", "agents.back", "alert.raised"
#: The event of a test message and of a message about several events; no rule can name them.
TEST, GROUP = "notification.test", "notification.group"
#: Event -> the permission that is needed to read about it.
EVENTS: Mapping[str, str] = {
    **{f"job.{status}": "job:read" for status in sorted(map(str, FINAL_STATUSES))},
    ROLLOUT_STOPPED: "job:read",
    APPROVAL_WAITING: "job:read",
    **{f"schedule.{outcome}": "schedule:read" for outcome in ("missed", "refused", "skipped")},
    **{f"workflow.{status}": "job:read" for status in sorted(map(str, FINAL))},
    AGENTS_LOST: "agent:read",
    AGENTS_BACK: "agent:read",
    ALERT_RAISED: "metrics:read",
}

WEBHOOK, APPRISE = "webhook", "apprise"
CHANNELS = (WEBHOOK, APPRISE)


@dataclass(frozen=True)
class Channel:
    """Where notifications go. ``url``: an address, or with ``url_secret`` the name of the secret that holds it, as that
    of a service that Apprise knows always is. ``secret``: the name of the secret that signs a webhook's messages.
    """

    type: str
    url: str = ""
    url_secret: str = ""
    secret: str = ""

    @property
    def secrets(self) -> tuple[str, ...]:
        """Names of the secrets that it uses."""
        return tuple(name for name in (self.url_secret, self.secret) if name)


@dataclass(frozen=True)
class EventFilter:
    """Restricts a rule. Each field that is not empty must match; texts may contain ``*``.

    ``hosts``: hostnames, of which the job must have an execution on one, or that the alert names. ``target``: the same
    for the hosts that this expression names when the event is read, in its canonical spelling. ``operations``,
    ``saved`` (names of saved jobs), ``submitters`` and ``tags`` restrict events of jobs, ``schedules`` those of
    schedules, ``workflows`` those of runs of workflows, and ``alerts`` the kinds of alerts; other events are not
    restricted by them.
    """

    hosts: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    submitters: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    schedules: tuple[str, ...] = ()
    alerts: tuple[str, ...] = ()
    target: str = ""
    workflows: tuple[str, ...] = ()


@dataclass(frozen=True)
class NotificationRule:
    """A rule as stored. ``uid`` distinguishes it from others that had the same name, ``serial`` changes with each
    change. ``events`` are names or patterns (``job.*``).

    ``group``: events within so much time after a first one are sent as one message; 0: each by itself. In ``quiet``
    hours nothing is sent; it is sent afterwards. ``owner``: the principal who stored it, whose permissions to read
    about the events are needed for as long as it is in use.
    """

    name: str
    uid: str
    serial: str
    events: tuple[str, ...]
    channel: Channel
    owner: Owner
    filter: EventFilter = field(default_factory=EventFilter)
    description: str = ""
    group: int = 0
    quiet: tuple[Blackout, ...] = ()
    time_zone: str = "UTC"
    pause: Pause | None = None
    created: int = 0
    changed: int = 0
    changed_by: str = ""
    managed_by: str = ""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> NotificationRule:
        """The inverse of ``document``."""
        pause, restrictions = document["pause"], document["filter"]
        return cls(
            **{
                **document,
                "events": tuple(document["events"]),
                "channel": Channel(**document["channel"]),
                "owner": Owner(**document["owner"]),
                "filter": EventFilter(
                    tags=restrictions["tags"],
                    target=restrictions.get("target", ""),  # rules of earlier versions have none
                    **{name: tuple(value) for name, value in restrictions.items() if name not in ("tags", "target")},
                ),
                "quiet": tuple(Blackout(**window) for window in document["quiet"]),
                "pause": pause and Pause(**pause),
            }
        )

    def covers(self, event: str) -> bool:
        """Whether the rule names this event."""
        return any(matches(pattern, event) for pattern in self.events)

    @property
    def permissions(self) -> tuple[str, ...]:
        """The permissions that are needed to read about its events, and to use its secrets."""
        needed = {permission for event, permission in EVENTS.items() if self.covers(event)}
        return tuple(sorted(needed | ({"secret:use"} if self.channel.secrets else set())))


@dataclass(frozen=True)
class Cursor:
    """How far a rule is in the stream of events of jobs, and in that of other events."""

    jobs: str
    others: str


@dataclass(frozen=True)
class Progress:
    """Where a rule is. ``attempts``: failed attempts to send the next message; ``since``: the first of them; ``next``:
    when the next one is made. ``delivered`` and ``failed`` count attempts, ``dead`` its dead letters.
    """

    cursor: Cursor
    attempts: int = 0
    next: int | None = None
    since: int | None = None
    error: str = ""
    delivered: int = 0
    failed: int = 0
    dead: int = 0


@dataclass(frozen=True)
class Delivery:
    """One attempt to send a message. ``result`` is delivered, failed (it is tried again) or dead (it is not)."""

    at: int
    result: str
    message_id: str
    event: str
    count: int
    error: str = ""


@dataclass(frozen=True)
class Message:
    """A notification: its id, which is the same in each attempt, and its content as JSON."""

    id: str
    event: str
    count: int
    content: Mapping[str, Any]


@dataclass(frozen=True)
class DeadLetter:
    """A message that was given up, when, and the last error. ``record`` is it as stored."""

    message: Message
    at: int
    error: str
    record: str = field(default="", repr=False)


@dataclass(frozen=True)
class RuleView:
    """A rule, where it is, and its newest deliveries, oldest first."""

    rule: NotificationRule
    progress: Progress
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True)
class Notice:
    """An entry of a stream of events. ``detail`` depends on ``kind``; ``is_of_job``: from the stream of jobs."""

    id: str
    kind: str
    at: int
    subject: str
    detail: str
    is_of_job: bool

    @property
    def position(self) -> tuple[int, int, bool]:
        """Sorts entries of both streams."""
        time, _, number = self.id.partition("-")
        return int(time), int(number), self.is_of_job


def check_events(events: tuple[str, ...]) -> None:
    """Raise ``InvalidInput`` for an event that does not exist, or a pattern that matches none."""
    for number, event in enumerate(events):
        if not any(matches(event, known) for known in EVENTS):
            sentence = f"Unknown event {event[:80]!r}; choose from {', '.join(EVENTS)}, or a pattern such as job.*."
            raise InvalidInput.of(f"events.{number}", sentence)
