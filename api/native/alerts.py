"""/alert: the alerts by kind, and who has acknowledged them."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import audit
from api.blueprint import Blueprint
from api.context import principal, services
from api.native.alert_schemas import MOST_HOSTS, AcknowledgeRequest, AlertGroupAnswer, AlertListAnswer
from api.native.error_schemas import ErrorAnswer
from api.responses import json_response
from jobqueue.model.alert import AlertGroup
from jobqueue.model.timestamps import to_iso

blueprint = Blueprint("alert", __name__, description="Alerts by kind, and who has acknowledged them.")

_KIND = {"in": "path", "name": "kind", "required": True, "schema": {"type": "string"}}
_UNKNOWN = "There is no alert of this kind."


@blueprint.route("/alert", methods=["GET"])
@blueprint.response(200, AlertListAnswer)
@blueprint.doc(operationId="listAlerts")
def list_alerts() -> Response:
    """List the newest alerts by kind, those that are not acknowledged first"""
    items = [_document(group) for group in services().alerts.groups()]
    unacknowledged = sum(not item["acknowledged"] for item in items)
    return json_response({"items": items, "total": len(items), "unacknowledged": unacknowledged})


@blueprint.route("/alert/<kind>/acknowledge", methods=["POST"], parameters=[_KIND])
@blueprint.arguments(AcknowledgeRequest)
@blueprint.response(200, AlertGroupAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description=_UNKNOWN)
@blueprint.alt_response(409, schema=ErrorAnswer, description="The alerts have changed since the version.")
@blueprint.doc(operationId="acknowledgeAlert")
def acknowledge_alert(loaded: dict[str, Any], kind: str) -> Response:
    """Acknowledge the alerts of a kind

    This holds until an alert of the kind is raised or updated. Who may see alerts sees who acknowledged them.
    """
    audit.note(alert=kind, note=loaded["note"])
    group = services().alerts.acknowledge(kind, loaded["version"], loaded["note"], principal())
    return json_response(_document(group))


@blueprint.route("/alert/<kind>/acknowledge", methods=["DELETE"], parameters=[_KIND])
@blueprint.response(200, AlertGroupAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description=_UNKNOWN)
@blueprint.doc(operationId="reopenAlert")
def reopen_alert(kind: str) -> Response:
    """Take the acknowledgement of the alerts of a kind back"""
    audit.note(alert=kind)
    return json_response(_document(services().alerts.reopen(kind)))


def _document(group: AlertGroup) -> dict[str, Any]:
    acknowledgement = group.acknowledgement
    return {
        "kind": group.kind,
        "count": len(group.alerts),
        "first": to_iso(min(alert.at for alert in group.alerts)),
        "last": to_iso(max(alert.at for alert in group.alerts)),
        "message": group.newest.message,
        "job_id": group.newest.job_id,
        "hostname": group.newest.hostname,
        "hosts": list(group.hosts[:MOST_HOSTS]),
        "version": group.version,
        "acknowledged": group.is_acknowledged,
        "acknowledgement": None
        if acknowledgement is None
        else {"by": acknowledgement.by, "at": to_iso(acknowledgement.at), "note": acknowledgement.note},
    }
