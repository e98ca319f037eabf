"""/user: people who log in with a name and a password."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import audit
from api.blueprint import Blueprint
from api.context import principal, services
from api.native import access_mapping as mapping
from api.native.access_schemas import (
    NewUserAnswer,
    PasswordAnswer,
    PasswordRequest,
    UserAnswer,
    UserListAnswer,
    UserRequest,
)
from api.native.error_schemas import ErrorAnswer
from api.responses import json_response

blueprint = Blueprint("user", __name__, description="Users: credentials for people.")

_NAME = {"in": "path", "name": "name", "required": True, "schema": {"type": "string"}}
_UNKNOWN = "No user has this name."


@blueprint.route("/user", methods=["POST"])
@blueprint.arguments(UserRequest)
@blueprint.response(201, NewUserAnswer)
@blueprint.alt_response(403, schema=ErrorAnswer, description="The user would exceed your own permissions.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The name is already in use.")
@blueprint.doc(operationId="createUser")
def create_user(loaded: dict[str, Any]) -> Response:
    """Make a user"""
    audit.note(user=loaded["name"])
    user, password = services().credentials.create_user(
        principal(),
        loaded["name"],
        loaded.get("password"),
        loaded["roles"],
        loaded["permissions"],
        loaded.get("expires_at"),
    )
    audit.note(user=user.name, roles=list(user.roles), permissions=list(user.permissions))
    return json_response({**mapping.user(user), "password": password}, 201)


@blueprint.route("/user", methods=["GET"])
@blueprint.response(200, UserListAnswer)
@blueprint.doc(operationId="listUsers")
def list_users() -> Response:
    """List all users"""
    items = [mapping.user(item) for item in services().credentials.all_users()]
    return json_response({"users": items, "total": len(items)})


@blueprint.route("/user/<name>/password", methods=["PUT"], parameters=[_NAME])
@blueprint.arguments(PasswordRequest, required=False)
@blueprint.response(200, PasswordAnswer)
@blueprint.alt_response(403, schema=ErrorAnswer, description="The user would exceed your own permissions.")
@blueprint.alt_response(404, schema=ErrorAnswer, description=_UNKNOWN)
@blueprint.doc(operationId="setPassword")
def set_password(loaded: dict[str, Any], name: str) -> Response:
    """Give a user a new password"""
    new_password = services().credentials.set_password(principal(), name, loaded.get("password"))
    return json_response({"name": name, "password": new_password})


@blueprint.route("/user/<name>/disable", methods=["POST"], parameters=[_NAME])
@blueprint.response(200, UserAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description=_UNKNOWN)
@blueprint.doc(operationId="disableUser")
def disable_user(name: str) -> Response:
    """Lock a user out"""
    return json_response(mapping.user(services().credentials.set_disabled(principal(), name, True)))


@blueprint.route("/user/<name>/enable", methods=["POST"], parameters=[_NAME])
@blueprint.response(200, UserAnswer)
@blueprint.alt_response(403, schema=ErrorAnswer, description="The user would exceed your own permissions.")
@blueprint.alt_response(404, schema=ErrorAnswer, description=_UNKNOWN)
@blueprint.doc(operationId="enableUser")
def enable_user(name: str) -> Response:
    """Let a user in again"""
    return json_response(mapping.user(services().credentials.set_disabled(principal(), name, False)))


@blueprint.route("/user/<name>", methods=["DELETE"], parameters=[_NAME])
@blueprint.response(204)
@blueprint.alt_response(404, schema=ErrorAnswer, description=_UNKNOWN)
@blueprint.doc(operationId="deleteUser")
def delete_user(name: str) -> Response:
    """Delete a user"""
    services().credentials.delete_user(name)
    return Response(status=204)
