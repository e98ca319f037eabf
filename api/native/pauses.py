"""/pause: nothing new starts of an operation, with a tag, on some hosts, or at all."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import audit
from api.blueprint import Blueprint
from api.context import principal, services
from api.native import pause_mapping
from api.native.error_schemas import ErrorAnswer
from api.native.pause_schemas import PauseAnswer, PauseListAnswer, PauseRequest
from api.responses import json_response
from jobqueue.model.pause import PauseKind
from jobqueue.services.pauses import ActivePause
from jobqueue.services.pauses import PauseRequest as Wanted

blueprint = Blueprint("pause", __name__, description="Pauses: no new execution starts there; running ones continue.")

_ID = {"in": "path", "name": "pause_id", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{8}$"}}


@blueprint.route("/pause", methods=["GET"])
@blueprint.response(200, PauseListAnswer)
@blueprint.doc(operationId="listPauses")
def list_pauses() -> Response:
    """List all pauses"""
    items = [pause_mapping.pause(pause) for pause in services().pauses.all()]
    return json_response({"pauses": items, "total": len(items)})


@blueprint.route("/pause", methods=["POST"])
@blueprint.arguments(PauseRequest)
@blueprint.response(201, PauseAnswer)
@blueprint.alt_response(409, schema=ErrorAnswer, description="There are too many pauses.")
@blueprint.doc(operationId="addPause")
def add_pause(loaded: dict[str, Any]) -> Response:
    """Pause an operation, a tag, hosts or everything

    No new execution starts there, or, with `rate`, only a limited number; running executions
    continue. Jobs are accepted, and wait.
    """
    kind = next(kind for kind in PauseKind if kind.value in loaded)
    value = "" if kind is PauseKind.EVERYTHING else loaded[kind.value]
    pause = services().pauses.add(
        Wanted(kind, value, loaded["reason"], loaded.get("until"), loaded.get("rate")), principal()
    )
    audit.note(pause=pause.id, paused=pause.subject, reason=pause.reason)
    return json_response(pause_mapping.pause(ActivePause(pause, 0)), 201)


@blueprint.route("/pause/<pause_id>", methods=["DELETE"], parameters=[_ID])
@blueprint.response(204)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No pause has this id, or it has ended.")
@blueprint.doc(operationId="endPause")
def end_pause(pause_id: str) -> Response:
    """End a pause: what it held back starts, in its former order"""
    services().pauses.end(pause_id)
    return Response(status=204)
