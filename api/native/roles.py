"""/role: names for sets of permissions."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import audit
from api.blueprint import Blueprint
from api.context import principal, services
from api.native import access_mapping as mapping
from api.native.access_schemas import RoleAnswer, RoleListAnswer, RoleRequest
from api.native.error_schemas import ErrorAnswer
from api.responses import json_response

blueprint = Blueprint("role", __name__, description="Roles: names for sets of permissions.")

_NAME = {"in": "path", "name": "name", "required": True, "schema": {"type": "string"}}


@blueprint.route("/role", methods=["POST"])
@blueprint.arguments(RoleRequest)
@blueprint.response(201, RoleAnswer)
@blueprint.alt_response(403, schema=ErrorAnswer, description="The role would exceed your own permissions.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The name is already in use.")
@blueprint.doc(operationId="createRole")
def create_role(loaded: dict[str, Any]) -> Response:
    """Make a role"""
    role = services().credentials.create_role(principal(), loaded["name"], loaded["permissions"])
    audit.note(role=role.name, permissions=list(role.permissions))
    return json_response(mapping.role(role), 201)


@blueprint.route("/role", methods=["GET"])
@blueprint.response(200, RoleListAnswer)
@blueprint.doc(operationId="listRoles")
def list_roles() -> Response:
    """List all roles"""
    items = [mapping.role(item) for item in services().credentials.all_roles()]
    return json_response({"roles": items, "total": len(items)})


@blueprint.route("/role/<name>", methods=["DELETE"], parameters=[_NAME])
@blueprint.response(204)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No custom role has this name.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="Keys or users have the role.")
@blueprint.doc(operationId="deleteRole")
def delete_role(name: str) -> Response:
    """Delete an unused custom role"""
    services().credentials.delete_role(name)
    return Response(status=204)
