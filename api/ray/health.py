"""Routes that KubeRay's probes and Ray's dashboard call without credentials."""

from __future__ import annotations

from flask import Blueprint, Response

from api.context import services
from api.responses import json_response
from jobqueue.errors import LedgerUnavailable

blueprint = Blueprint("ray_health", __name__)

#: Probes expect this word.
_ALIVE = "success"
#: Of Ray's modes, the one in which every request needs a token.
_MODE = "token"


@blueprint.get("/api/gcs_healthz")
def gcs_health() -> Response:
    """Whether what Ray calls its global control store, here the ledger, answers."""
    try:
        services().ledger.ping()
    except LedgerUnavailable as error:
        raise LedgerUnavailable from error  # without the address: the client is not authenticated
    return Response(_ALIVE, content_type="text/plain; charset=utf-8")


@blueprint.get("/api/authentication_mode")
def authentication_mode() -> Response:
    """How requests authenticate."""
    return json_response({"authentication_mode": _MODE})
