"""From the model to the JSON of pauses."""

from __future__ import annotations

from typing import Any

from jobqueue.model.pause import Pause
from jobqueue.model.timestamps import to_iso
from jobqueue.services.pauses import ActivePause


def paused_by(pause: Pause) -> dict[str, Any]:
    """A pause, as a job shows it."""
    return {
        "id": pause.id,
        "what": pause.subject,
        "reason": pause.reason,
        "created_by": pause.created_by,
        "until": None if pause.until is None else to_iso(pause.until),
    }


def pause(active: ActivePause) -> dict[str, Any]:
    """A pause with all that is known of it."""
    pause = active.pause
    return {
        **paused_by(pause),
        "kind": pause.kind.value,
        "value": pause.value,
        "created": to_iso(pause.created),
        "hosts": pause.hosts,
        "rate": str(pause.rate) if pause.rate else None,
        "held_back": active.held_back,
    }
