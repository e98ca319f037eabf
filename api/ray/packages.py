"""/api/packages: where Ray's client puts working directories and modules before it submits a job that needs them."""

from __future__ import annotations

from flask import Blueprint, Response, request

from api import audit, uploading
from api.context import principal, services
from jobqueue.errors import InvalidInput, NotFound

blueprint = Blueprint("ray_packages", __name__)

#: The one kind of URI whose packages are kept here (gcs://...); the name is Ray's, for "global control store".
PROTOCOL = "gcs"
#: The permission to run what packages hold.
RUNS_PACKAGES = "entrypoint:execute"


@blueprint.get("/api/packages/<protocol>/<name>")
def look(protocol: str, name: str) -> Response:
    """Check whether a package is stored: 200 or 404. It stays for long enough to submit a job with it."""
    _check_protocol(protocol)
    if services().packages.find(name) is None:
        raise NotFound(f"Package {PROTOCOL}://{name} does not exist")
    return _done()


@blueprint.put("/api/packages/<protocol>/<name>")
def upload(protocol: str, name: str) -> Response:
    """Take a package, the raw bytes. JOBQUEUE_MAX_PACKAGE_BYTES bounds it, not the limit on other bodies.

    Ray's client uses any package stored under the expected name, and entrypoints run it. So a user who stores one must
    be allowed to run such code.
    """
    audit.note(package=name)
    _check_protocol(protocol)
    principal().require(RUNS_PACKAGES)
    uploading.check_plain("package")
    with uploading.impatient():
        services().packages.store(name, uploading.body("package"), request.content_length)
    return _done()


def _check_protocol(protocol: str) -> None:
    if protocol != PROTOCOL:
        raise InvalidInput(
            f"{protocol[:80]!r} is not a protocol of packages here; use /api/packages/{PROTOCOL}/<name>.",
            {"protocol": [f"must be {PROTOCOL}"]},
        )


def _done() -> Response:
    return Response(content_type="text/plain; charset=utf-8")
