"""Ends a pause from the overview."""

from __future__ import annotations

from flask import Response

from api.context import services
from api.dashboard.blueprint import PREFIX, blueprint
from api.dashboard.job import go


@blueprint.post(f"{PREFIX}/pauses/<pause_id>/end")
def end_pause(pause_id: str) -> Response:
    """End a pause: the executions that it held back start, in their former order."""
    services().pauses.end(pause_id)
    return go("/?done=resumed")
