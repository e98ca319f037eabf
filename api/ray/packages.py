"""/api/packages: where Ray's client puts working directories and modules before it submits a job that needs them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, Response, request
from werkzeug.exceptions import RequestTimeout

from api import audit, body_timeout
from api.context import principal, services
from api.errors import UnsupportedMedia
from jobqueue.errors import InvalidInput, NotFound

blueprint = Blueprint("ray_packages", __name__)

#: The one kind of URI whose packages are kept here (gcs://...); the name is Ray's, for "global control store".
PROTOCOL = "gcs"
#: The permission to run what packages hold.
RUNS_PACKAGES = "entrypoint:execute"
#: Bytes that are read from the client at a time.
_READ_BYTES = 256 * 1024
#: Seconds of silence after which an upload is given up.
SILENCE_SECONDS = 60.0


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
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMedia("The package must not be compressed again: leave out the header Content-Encoding.")
    with _impatient():
        services().packages.store(name, _body(), request.content_length)
    return _done()


def _check_protocol(protocol: str) -> None:
    if protocol != PROTOCOL:
        raise InvalidInput(
            f"{protocol[:80]!r} is not a protocol of packages here; use /api/packages/{PROTOCOL}/<name>.",
            {"protocol": [f"must be {PROTOCOL}"]},
        )


def _body() -> Iterator[bytes]:
    """The request's body as it comes in, straight from the server: werkzeug's limit is that of other bodies."""
    stream, left = request.environ["wsgi.input"], request.content_length
    try:
        while left is None or left > 0:
            with body_timeout.bounded(f"{_READ_BYTES} bytes of the package"):
                piece = stream.read(_READ_BYTES if left is None else min(_READ_BYTES, left))
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece
            time.sleep(0)  # what has arrived is read without a wait, so others would get no turn
    except TimeoutError as error:
        body_timeout.cut(request.environ.get("gunicorn.socket"))
        raise RequestTimeout(
            f"No data of the package has arrived for {SILENCE_SECONDS:g} s; nothing was stored. Send it again."
        ) from error
    except OSError as error:
        raise InvalidInput("The upload ended early; nothing was stored. Send it again.") from error


@contextmanager
def _impatient() -> Iterator[None]:
    """Limits each wait for the client: a silent client must not block an upload indefinitely."""
    connection = request.environ.get("gunicorn.socket")
    if connection is None:  # another server
        yield
        return
    before = connection.gettimeout()
    connection.settimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        connection.settimeout(before)


def _done() -> Response:
    return Response(content_type="text/plain; charset=utf-8")
