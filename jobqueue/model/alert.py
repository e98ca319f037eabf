"""Alerts: safety events."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: The kinds of alerts, which are also counters. An agent refused a job without a valid signature; a result was not
#: signed by its agent; a record that only the API may write was altered; a message in a queue was not one of
#: jobqueue's.
WORK_REFUSED = "work_refused"
RESULTS_FORGED = "results_forged"
#: A result of an agent of another version, which cannot be verified until the agent is upgraded.
RESULTS_UNVERIFIED = "results_unverified"
RECORDS_ALTERED = "records_altered"
MESSAGES_REFUSED = "messages_refused"
#: Many agents stopped answering at about the same time.
AGENTS_LOST = "agents_lost"
#: Redis has few connections left (its setting maxclients): soon it refuses agents.
CONNECTIONS_SCARCE = "connections_scarce"
#: A schedule was paused, because its owner is gone.
SCHEDULES_STOPPED = "schedules_stopped"
#: Notifications could not be delivered: a rule was paused, events were removed before it read them, or messages were
#: given up.
NOTIFICATIONS_LOST = "notifications_lost"
#: The bucket for large objects cannot be used.
BUCKET_FAILURES = "bucket_failures"


@dataclass(frozen=True)
class Alert:
    """A suspected attack, or a host in a bad condition. ``at`` is in microseconds, ``kind`` a counter."""

    at: int
    kind: str
    job_id: str
    hostname: str
    message: str

    @property
    def version(self) -> str:
        """Differs between any two alerts, and changes when an alert is updated."""
        parts = (str(self.at), self.kind, self.job_id, self.hostname, self.message)
        return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True)
class Acknowledgement:
    """Who has seen the alerts of a kind, when (microseconds), up to which ``version``, and the note left."""

    kind: str
    version: str
    by: str
    at: int
    note: str = ""


@dataclass(frozen=True)
class AlertGroup:
    """The alerts of one kind, newest first; at least one. ``acknowledgement`` is the last one, also if it lapsed."""

    kind: str
    alerts: tuple[Alert, ...]
    acknowledgement: Acknowledgement | None = None

    @property
    def newest(self) -> Alert:
        return self.alerts[0]

    @property
    def version(self) -> str:
        """The version of the newest alert: a new or updated alert of the kind changes it."""
        return self.newest.version

    @property
    def is_acknowledged(self) -> bool:
        """Whether the alerts were acknowledged, and none of the kind was raised or updated since."""
        return self.acknowledgement is not None and self.acknowledgement.version == self.version

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that the alerts name, those of the newest first."""
        return tuple(dict.fromkeys(alert.hostname for alert in self.alerts if alert.hostname))


def grouped(alerts: Iterable[Alert], acknowledged: Mapping[str, Acknowledgement]) -> tuple[AlertGroup, ...]:
    """Alerts (newest first) by kind: those that are not acknowledged first, then those with the newest alert."""
    kinds: dict[str, list[Alert]] = {}
    for alert in alerts:
        kinds.setdefault(alert.kind, []).append(alert)
    groups = [AlertGroup(kind, tuple(alerts), acknowledged.get(kind)) for kind, alerts in kinds.items()]
    return tuple(sorted(groups, key=lambda group: group.is_acknowledged))
