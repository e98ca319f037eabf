"""/api/version: the first request of Ray's client."""

from __future__ import annotations

from flask import Blueprint, Response

from api.responses import json_response

blueprint = Blueprint("ray_version", __name__)

#: Of the Jobs API; 4 is the first with DELETE.
_API_VERSION = "4"
#: The release of Ray whose client this API is tested with. Clients compare it with the least that they need.
RAY_VERSION = "2.60.0"
#: The commit of that release, as its client names it.
_RAY_COMMIT = "b7f4259e944bf6959f721b106adc366ddfa0c356"


@blueprint.get("/api/version")
def version() -> Response:
    """The version of the API."""
    return json_response(
        {
            "version": _API_VERSION,
            "ray_version": RAY_VERSION,
            "ray_commit": _RAY_COMMIT,
            "session_name": "jobqueue",
        }
    )
