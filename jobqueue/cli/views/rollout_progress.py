"""A rollout's progress, for a line of text: from the job itself and its events since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.cli.views.text import one_line

_STATES = {"paused": "paused", "resumed": "", "approved": "", "stopped": "stopped", "aborted": "aborted"}


class RolloutProgress:
    """Which batch a rollout has come to, and what keeps it back."""

    def __init__(self) -> None:
        self._batches = 0
        self._opened = 0
        self._note = ""

    def replace(self, rollout: Mapping[str, Any]) -> None:
        """Take everything from the job as the API shows it."""
        batches = rollout.get("batches") or []
        self._batches = len(batches)
        self._opened = sum(1 for batch in batches if batch.get("opened"))
        state = str(rollout.get("state") or "")
        self._note = "" if state in ("running", "ended") else state.replace("_", " ")
        if rollout.get("stopped_because"):
            self._note = f"stopped: {rollout['stopped_because']}"

    def apply(self, step: str, message: str) -> None:
        """Take in one event of the API."""
        if step == "batch_opened":
            number = int("".join(filter(str.isdecimal, message)) or 0)
            # a stream of events begins with what is known already
            if number > self._opened:
                self._opened, self._note = number, ""
        elif step == "stopped":
            self._note = message[:1].lower() + message[1:]
        elif step in _STATES:
            self._note = _STATES[step]

    def __str__(self) -> str:
        if not self._batches:
            return ""
        note = f" ({one_line(self._note)})" if self._note else ""
        return f", batch {min(self._opened, self._batches)} of {self._batches}{note}"
