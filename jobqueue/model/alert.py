"""Alerts: safety events."""

from __future__ import annotations

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


@dataclass(frozen=True)
class Alert:
    """A suspected attack, or a host in a bad condition. ``at`` is in microseconds, ``kind`` a counter."""

    at: int
    kind: str
    job_id: str
    hostname: str
    message: str
