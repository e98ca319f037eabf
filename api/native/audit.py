"""/audit: who did what."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.blueprint import Blueprint
from api.context import services
from api.native import access_mapping as mapping
from api.native.access_schemas import AuditAnswer, AuditQuery, AuditVerdictAnswer
from api.responses import json_response
from jobqueue.errors import InvalidInput

blueprint = Blueprint("audit", __name__, description="The audit trail: who did what, when, from where.")


@blueprint.route("/audit", methods=["GET"])
@blueprint.arguments(AuditQuery, location="query")
@blueprint.response(200, AuditAnswer)
@blueprint.doc(operationId="listAudit")
def list_audit(loaded: dict[str, Any]) -> Response:
    """Read the audit trail

    Newest first; with `after`, oldest first from there on.
    """
    trail, after = services().audit_trail, loaded.get("after")
    if after is None:
        entries = trail.newest(loaded["limit"], loaded.get("before"), loaded.get("who"))
    else:
        if "before" in loaded or "who" in loaded:
            sentence = "Cannot be used with before or who; leave those out."
            raise InvalidInput.of("after", sentence)
        entries = trail.after(after, loaded["limit"])
    return json_response({"entries": [mapping.audit_entry(entry) for entry in entries], "total": trail.total()})


@blueprint.route("/audit/verify", methods=["GET"])
@blueprint.response(200, AuditVerdictAnswer)
@blueprint.doc(operationId="verifyAudit")
def verify_audit() -> Response:
    """Check that nothing in the audit trail was added, changed, moved or taken out"""
    verdict = services().audit_trail.verify()
    return json_response(
        {
            "valid": verdict.valid,
            "entries": verdict.entries,
            "first": verdict.first,
            "last": verdict.last,
            "problems": list(verdict.problems),
        }
    )
