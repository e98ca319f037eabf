"""/api/version: what Ray's client asks before everything else."""

from __future__ import annotations

from flask import Blueprint, Response

from api.responses import json_response
from jobqueue import __version__

blueprint = Blueprint("ray_version", __name__)

#: Of the Jobs API; 4 is the first with DELETE.
_API_VERSION = "4"
#: The release of Ray whose client this API is tested with. Clients compare it with the least that they need.
RAY_VERSION = "2.60.0"


@blueprint.get("/api/version")
def version() -> Response:
    """What is served here."""
    return json_response(
        {
            "version": _API_VERSION,
            "ray_version": RAY_VERSION,
            "ray_commit": f"jobqueue {__version__}",
            "session_name": "jobqueue",
        }
    )
