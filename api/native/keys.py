"""/key: API keys."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import audit
from api.blueprint import Blueprint
from api.context import principal, services
from api.native import access_mapping as mapping
from api.native.access_schemas import KeyListAnswer, KeyRequest, NewKeyAnswer
from api.native.error_schemas import ErrorAnswer
from api.responses import json_response

blueprint = Blueprint("key", __name__, description="API keys: credentials for programs.")

_ID = {"in": "path", "name": "key_id", "required": True, "schema": {"type": "string"}}


@blueprint.route("/key", methods=["POST"])
@blueprint.arguments(KeyRequest)
@blueprint.response(201, NewKeyAnswer)
@blueprint.alt_response(403, schema=ErrorAnswer, description="The key would exceed your own permissions.")
@blueprint.doc(operationId="createKey")
def create_key(loaded: dict[str, Any]) -> Response:
    """Make an API key

    Its text is in this answer and nowhere else.
    """
    audit.note(name=loaded["name"])
    key, text = services().credentials.create_key(
        principal(), loaded["name"], loaded["roles"], loaded["permissions"], loaded.get("expires_at")
    )
    audit.note(key=key.name, roles=list(key.roles), permissions=list(key.permissions))
    return json_response({**mapping.key(key), "key": text}, 201)


@blueprint.route("/key", methods=["GET"])
@blueprint.response(200, KeyListAnswer)
@blueprint.doc(operationId="listKeys")
def list_keys() -> Response:
    """List all API keys"""
    items = [mapping.key(item) for item in services().credentials.all_keys()]
    return json_response({"keys": items, "total": len(items)})


@blueprint.route("/key/<key_id>", methods=["DELETE"], parameters=[_ID])
@blueprint.response(204)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No key has this id.")
@blueprint.doc(operationId="revokeKey")
def revoke_key(key_id: str) -> Response:
    """Revoke an API key

    It stops working within two seconds.
    """
    services().credentials.revoke_key(key_id)
    return Response(status=204)
