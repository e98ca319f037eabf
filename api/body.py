"""The JSON body of a request."""

from __future__ import annotations

from typing import Any

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from api import body_timeout, limits
from api.context import application, http_request
from api.errors import UnsupportedMedia
from api.ordinary_request import ArrivedBody
from jobqueue.errors import InvalidInput

#: Where the application's configuration has JOBQUEUE_MAX_JOB_BYTES and JOBQUEUE_MAX_BODY_VALUES.
MAX_JOB_BYTES = "JOBQUEUE_MAX_JOB_BYTES"
MAX_VALUES = "JOBQUEUE_MAX_BODY_VALUES"


def read_object(*, required: bool = True) -> dict[str, Any]:
    """The request's body, a JSON object within the limits. An absent body is ``{}`` where it is not ``required``.

    Raises ``InvalidInput`` (400), ``UnsupportedMedia`` (415) or werkzeug's ``RequestEntityTooLarge`` (413).
    """
    body, suspect = decode_object(required=required)
    if suspect:
        limits.check(body)
    return body


def decode_object(*, required: bool = True, is_bulk: bool = False) -> tuple[dict[str, Any], bool]:
    """As ``read_object``, but leaves ``limits.check`` to the caller: ``(body, whether it must be checked)``.

    A body for many jobs (``is_bulk``) may have JOBQUEUE_MAX_BODY_BYTES, any other one JOBQUEUE_MAX_JOB_BYTES.
    """
    current, config = http_request(), application().config
    if not is_bulk:
        most, own = config[MAX_JOB_BYTES], current.max_content_length  # a route's own limit may be lower
        current.max_content_length = most if own is None else min(own, most)
    raw = _read(current)
    if not raw and not required:
        return {}, False
    _check_media(current)
    if not raw:
        raise InvalidInput("The body is empty; send a JSON object.")
    body, suspect = limits.decode(raw, most=config[MAX_VALUES])
    if not isinstance(body, dict):
        raise InvalidInput(f"The body must be a JSON object, not {_kind(body)}.")
    return body, suspect


def _read(current: Request) -> bytes:
    body = current.environ["wsgi.input"]
    if isinstance(body, ArrivedBody):
        return _arrived(current, body)
    has_arrived = getattr(body, "has_arrived", None)
    if has_arrived is not None and has_arrived(current.content_length or 0):
        return read_all()  # a time limit would cost as much as the read
    with body_timeout.bounded("The body"):
        return read_all()


def read_all() -> bytes:
    """The request's body as it came. Raises werkzeug's ``RequestEntityTooLarge`` beyond its ``max_content_length``."""
    current = http_request()
    length, limit = current.content_length, current.max_content_length
    if length is not None:  # read at once: werkzeug's own streams cost 50 us
        if limit is not None and length > limit:
            raise RequestEntityTooLarge
        raw: bytes = current.environ["wsgi.input"].read(length)
        if len(raw) < length:
            raise ClientDisconnected
        return raw
    raw = current.get_data(cache=False)
    # werkzeug truncates a body without a length at the limit, as if it had ended
    if limit is not None and len(raw) >= limit and current.environ["wsgi.input"].read(1):
        raise RequestEntityTooLarge
    return raw


def _arrived(current: Request, body: ArrivedBody) -> bytes:
    """A body that came together with the head, which has its length."""
    raw = body.read()
    limit = current.max_content_length
    if limit is not None and len(raw) > limit:
        raise RequestEntityTooLarge
    return raw


def _check_media(current: Request) -> None:
    environ = current.environ
    content_type = environ.get("CONTENT_TYPE", "")
    if content_type != "application/json":  # anything longer is parsed properly
        charset = current.mimetype_params.get("charset", "utf-8").lower()
        if current.mimetype != "application/json" or charset not in ("utf-8", "utf8"):
            shown = f", not {content_type[:80]!r}" if content_type else ""
            raise UnsupportedMedia(
                f"The body must be JSON in UTF-8: send it with Content-Type: application/json{shown}."
            )
    if environ.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
        raise UnsupportedMedia("The body must not be compressed: leave out the header Content-Encoding.")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "a boolean", str: "a string", list: "a list"}.get(type(value), "a number")
