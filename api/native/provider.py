"""/auth/provider: the identity provider that people sign in by."""

from __future__ import annotations

from flask import Flask, Response, current_app

from api.blueprint import Blueprint
from api.native.provider_schemas import ProviderAnswer
from api.responses import json_response
from jobqueue.settings import Settings

blueprint = Blueprint("provider", __name__, description="Signing in by an identity provider.")
_SETTINGS = "JOBQUEUE_PROVIDER"


def install(app: Flask, settings: Settings) -> None:
    """Store with ``app`` what the route answers."""
    is_configured = bool(settings.oidc_client_id)
    app.config[_SETTINGS] = {
        "issuer": settings.jwt_issuer if is_configured else None,
        "client_id": settings.oidc_device_client_id if is_configured else None,
        "scopes": list(settings.oidc_scopes) if is_configured else [],
    }


@blueprint.route("/auth/provider", methods=["GET"])
@blueprint.response(200, ProviderAnswer)
@blueprint.doc(operationId="getProvider", security=[])
def get_provider() -> Response:
    """The identity provider that people sign in by, for `jobqueue login`

    Needs no credentials: the page for signing in leads to the same provider. Without a provider, its fields are null.
    """
    return json_response(current_app.config[_SETTINGS])
