"""Timeline: the events of a job, in order, as text."""

from __future__ import annotations

from dataclasses import dataclass

from jobqueue.model.target import NO_HOST

#: Hostname of events that the API caused.
API_HOST = "_api"

_MESSAGES = {
    "submitted": "Job submitted to queue",
    "acknowledged": "Job acknowledged by agent {host}",
    "started": "Job processing started on {host}",
    "completed": "Job completed successfully on {host}",
    "failed": "Job failed on {host}",
    "skipped": "Job skipped on {host}",
    "cancelled": "Job cancelled on {host}",
    "expired": "Job expired before {host} started it",
    "lost": "Agent {host} was lost while it ran the job; the outcome is unknown",
}
#: The same for an ``_any`` execution that no agent has claimed.
_UNTAKEN = _MESSAGES | {
    "cancelled": "Job cancelled before an agent took it up",
    "expired": "Job expired before an agent took it up",
}


#: All valid events.
EVENTS = frozenset(_MESSAGES) | {"retried", "reported"}


@dataclass(frozen=True)
class Event:
    """One step of a job. ``at`` is in microseconds; ``note`` is the error, or another remark."""

    at: int
    event: str
    hostname: str
    note: str = ""

    @property
    def message(self) -> str:
        """A sentence for a person."""
        if self.event == "retried":
            return f"Job retried: {self.note}" if self.note else "Job retried"
        if self.event == "reported":
            return f"The driver on {self.hostname} reported {self.note}"
        text = (_UNTAKEN if self.hostname in NO_HOST else _MESSAGES)[self.event].format(host=self.hostname)
        if self.note and self.event in ("skipped", "cancelled"):
            return f"{text} ({self.note})"
        return text

    @property
    def error(self) -> str | None:
        return self.note or None if self.event in ("failed", "expired", "lost") else None
