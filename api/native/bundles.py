"""/agent/bundle: the file with which a new host joins."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import audit
from api.blueprint import Blueprint
from api.context import services
from api.native import bundle_schemas
from api.native.error_schemas import ErrorAnswer
from api.responses import json_response
from jobqueue.model.timestamps import to_iso
from jobqueue.services.bundles import BundleRequest

blueprint = Blueprint("bundle", __name__, description="Bundles: files with which new hosts join.")


@blueprint.route("/agent/bundle", methods=["POST"])
@blueprint.arguments(bundle_schemas.BundleRequest)
@blueprint.response(201, bundle_schemas.BundleAnswer)
@blueprint.alt_response(
    409,
    schema=ErrorAnswer,
    description="The agent has joined already, or the API cannot give it an address or a user of Redis.",
)
@blueprint.doc(operationId="makeBundle")
def make_bundle(loaded: dict[str, Any]) -> Response:
    """Make the file with which a new host joins

    It holds the address of Redis, the password of a Redis user for this agent alone, the trusted keys, a one-time
    invitation, and the operations that the host is to allow. Run `jobqueue agent join FILE` on the host.
    """
    bundle_request = BundleRequest(**{**loaded, "allow": tuple(loaded["allow"])})
    audit.note(
        hostname=bundle_request.hostname,
        allow=list(bundle_request.allow),
        seconds=bundle_request.seconds,
        replace=str(bundle_request.replace),
    )
    services().bundles.check(bundle_request)
    audit.write_first(201)
    bundle = services().bundles.make(bundle_request)
    answer = {
        "bundle": bundle.text,
        "hostname": bundle.hostname,
        "expires_at": to_iso(bundle.expires_at),
        "sha256": bundle.sha256,
        "redis_user": bundle.redis_user or None,
        "redis_user_kept": bundle.is_kept,
    }
    return json_response(answer, 201)
