"""/target: expressions stored under names, for use as @name."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import audit
from api.blueprint import Blueprint
from api.context import principal, services
from api.native.comparison import comparison
from api.native.error_schemas import ErrorAnswer
from api.native.target_schemas import (
    NamedTargetRequest,
    StoredTargetAnswer,
    TargetCompletionAnswer,
    TargetCompletionQuery,
    TargetListAnswer,
    TargetMembersAnswer,
    TargetPutAnswer,
    TargetPutQuery,
    TargetRequest,
)
from api.responses import json_response
from jobqueue.model.saved_job import check_manager
from jobqueue.model.stored_target import StoredTarget
from jobqueue.model.timestamps import to_iso

blueprint = Blueprint("target", __name__, description="Stored targets: expressions under names, for use as @name.")

_NAME = {"in": "path", "name": "name", "required": True, "schema": {"type": "string"}}


@blueprint.route("/target", methods=["GET"])
@blueprint.response(200, TargetListAnswer)
@blueprint.doc(operationId="listTargets")
def list_targets() -> Response:
    """List all stored targets"""
    items = [_document(target) for target in services().stored_targets.all()]
    return json_response({"targets": items, "total": len(items)})


@blueprint.route("/target", methods=["POST"])
@blueprint.arguments(NamedTargetRequest)
@blueprint.response(201, StoredTargetAnswer)
@blueprint.alt_response(200, schema=StoredTargetAnswer, description="A target of this name was replaced.")
@blueprint.doc(operationId="storeTarget")
def store_target(loaded: dict[str, Any]) -> Response:
    """Store a target, or replace it"""
    return _put(loaded["name"], loaded)


@blueprint.route("/target/complete", methods=["GET"])
@blueprint.arguments(TargetCompletionQuery, location="query")
@blueprint.response(200, TargetCompletionAnswer)
@blueprint.doc(operationId="completeTarget")
def complete_target(loaded: dict[str, Any]) -> Response:
    """Complete a target while it is typed"""
    return json_response({"completions": services().target_completion.complete(loaded["q"])})


@blueprint.route("/target/<name>", methods=["GET"], parameters=[_NAME])
@blueprint.response(200, TargetMembersAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No target is stored under this name.")
@blueprint.doc(operationId="getTarget")
def get_target(name: str) -> Response:
    """Get a stored target, and the hosts that it names now"""
    target = services().stored_targets.get(name)
    members = services().stored_targets.members(target)
    return json_response({**_document(target), "hosts": list(members.hosts), "notes": list(members.notes)})


@blueprint.route("/target/<name>", methods=["PUT"], parameters=[_NAME])
@blueprint.arguments(TargetPutQuery, location="query")
@blueprint.arguments(TargetRequest)
@blueprint.response(200, TargetPutAnswer)
@blueprint.alt_response(201, schema=StoredTargetAnswer, description="The target is new.")
@blueprint.doc(operationId="putTarget")
def put_target(loaded: dict[str, Any], query: dict[str, Any], name: str) -> Response:
    """Store a target under a name, or replace it"""
    return _put(name, loaded, assumed=query["assume"].split(",") if query["dry_run"] else None)


@blueprint.route("/target/<name>", methods=["DELETE"], parameters=[_NAME])
@blueprint.response(204)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No target is stored under this name.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="Other stored targets refer to it.")
@blueprint.doc(operationId="deleteTarget")
def delete_target(name: str) -> Response:
    """Delete a stored target"""
    services().stored_targets.remove(name)
    return Response(status=204)


def _put(name: str, loaded: dict[str, Any], *, assumed: list[str] | None = None) -> Response:
    """Store the target; with ``assumed``, which are taken for stored, only say what that would change."""
    is_dry_run = assumed is not None
    manager = check_manager(loaded["managed_by"])
    targets = services().stored_targets
    stored, before = targets.put(
        name, loaded["target"], loaded["description"], principal(), managed_by=manager, assumed=assumed
    )
    audit.note(stored=stored.name, expression=stored.text)
    if not is_dry_run:
        return json_response(_document(stored), 201 if before is None else 200)
    audit.note(dry_run=1)
    compared = comparison(None if before is None else _declared(before), _declared(stored))
    return json_response({**_document(stored), **compared})


def _declared(target: StoredTarget) -> dict[str, Any]:
    """The fields of a target that a caller sets, without empty ones."""
    fields = {"target": target.text, "description": target.description, "managed_by": target.managed_by}
    return {name: value for name, value in fields.items() if value}


def _document(target: StoredTarget) -> dict[str, Any]:
    return {
        "name": target.name,
        "target": target.text,
        "description": target.description,
        "changed": to_iso(target.changed),
        "changed_by": target.changed_by,
        "managed_by": target.managed_by,
    }
