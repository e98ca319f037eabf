"""Events in words."""

from __future__ import annotations

import pytest

from jobqueue.model.states import ExecutionState
from jobqueue.model.timeline import Event


@pytest.mark.parametrize(
    ("event", "host", "note", "message", "error"),
    [
        ("submitted", "_api", "", "Job submitted to queue", None),
        ("acknowledged", "a", "", "Job acknowledged by agent a", None),
        ("started", "a", "", "Job processing started on a", None),
        ("completed", "a", "", "Job completed successfully on a", None),
        ("failed", "a", "disk full", "Job failed on a", "disk full"),
        ("failed", "a", "", "Job failed on a", None),
        ("skipped", "a", "not supported", "Job skipped on a (not supported)", None),
        ("cancelled", "a", "on request", "Job cancelled on a (on request)", None),
        ("cancelled", "_any", "on request", "Job cancelled before an agent took it up (on request)", None),
        ("expired", "a", "too late", "Job expired before a started it", "too late"),
        ("expired", "_any", "too late", "Job expired before an agent took it up", "too late"),
        ("lost", "a", "silent", "Agent a was lost while it ran the job; the outcome is unknown", "silent"),
        ("retried", "_api", "as 123", "Job retried: as 123", None),
        ("retried", "a", "", "Job retried", None),
    ],
)
def test_each_event(event: str, host: str, note: str, message: str, error: str | None) -> None:
    found = Event(1, event, host, note)
    assert (found.message, found.error) == (message, error)


@pytest.mark.parametrize("host", ["a", "_any", "_api", "%s {host}"])
def test_every_state_has_words(host: str) -> None:
    for state in ExecutionState:
        assert Event(1, str(state), host).message
