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


#: The steps of a rollout; ``{note}`` is the number of the batch, who asked, or the reason.
_ROLLOUT = {
    "batch_opened": "Batch {note} opened",
    "batch_ended": "Batch {note} ended",
    "paused": "Rollout paused {note}",
    "resumed": "Rollout resumed {note}",
    "approved": "Next batch approved {note}",
    "aborted": "Rollout aborted {note}",
    "stopped": "Rollout stopped: {note}",
}
#: The end of executions that were held, of which none has been opened.
_HELD = {
    "cancelled": "Held executions cancelled",
    "expired": "Held executions expired before they were opened",
}

#: Events whose message ends with their note, in parentheses.
EXPLAINED = frozenset({"skipped", "cancelled"})
#: All valid events.
EVENTS = frozenset(_MESSAGES) | frozenset(_ROLLOUT) | {"retried", "reported"}


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
        if self.event in _ROLLOUT:
            return _ROLLOUT[self.event].format(note=self.note).rstrip()
        if self.hostname == API_HOST and self.event in _HELD:
            return f"{_HELD[self.event]} ({self.note})" if self.note else _HELD[self.event]
        text = (_UNTAKEN if self.hostname in NO_HOST else _MESSAGES)[self.event].format(host=self.hostname)
        if self.note and self.event in EXPLAINED:
            return f"{text} ({self.note})"
        return text

    @property
    def is_consequence(self) -> bool:
        """Whether the event is a step of the job that those of executions at the same time caused."""
        return self.hostname == API_HOST and self.event != "submitted"

    @property
    def error(self) -> str | None:
        return self.note or None if self.event in ("failed", "expired", "lost") else None


def note_in(message: str, event: str, hostname: str) -> str:
    """The note of an event of ``EXPLAINED``, from its message; empty if it has none."""
    text = f"{Event(0, event, hostname).message} ("
    return message.removeprefix(text).removesuffix(")") if message.startswith(text) else ""
