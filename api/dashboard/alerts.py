"""Acknowledges alerts from the overview."""

from __future__ import annotations

from flask import Response

from api import audit
from api.context import principal, services
from api.dashboard import posted
from api.dashboard.blueprint import PREFIX, blueprint
from api.dashboard.job import go
from jobqueue.errors import InvalidInput

_LONGEST_VERSION = 64
_LONGEST_NOTE = 500


@blueprint.post(f"{PREFIX}/alerts/<kind>/acknowledge")
def acknowledge_alert(kind: str) -> Response:
    """Acknowledge the alerts that the overview showed."""
    version, note = posted.form().get("version", "")[:_LONGEST_VERSION], posted.form().get("note", "").strip()
    if len(note) > _LONGEST_NOTE or (note and not note.isprintable()):
        raise InvalidInput.of("note", f"Must be a line of at most {_LONGEST_NOTE} printable characters.")
    audit.note(alert=kind, note=note)
    services().alerts.acknowledge(kind, version or None, note, principal())
    return go("/")


@blueprint.post(f"{PREFIX}/alerts/<kind>/reopen")
def reopen_alert(kind: str) -> Response:
    """Take the acknowledgement back."""
    audit.note(alert=kind)
    services().alerts.reopen(kind)
    return go("/")
