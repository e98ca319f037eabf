"""The one place where errors become HTTP: class -> status, and the one body ``{"error", "code", "details"}``."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from itertools import islice
from typing import Any

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge, UnsupportedMediaType

from api import facade_errors, request_id
from api.responses import json_response
from jobqueue import errors

log = logging.getLogger("jobqueue.api")

#: Maximum number of fields in an answer, and of characters of each name, text and message.
MOST_FIELDS, _MOST_TEXT, _MOST_MESSAGE = 20, 500, 2000
#: Seconds after which a caller may retry while the ledger is unavailable.
RETRY_AFTER_SECONDS = 2


class Unauthenticated(errors.JobQueueError):
    """This needs credentials: send the header Authorization: Bearer <token>."""

    code = "unauthenticated"


class UnsupportedMedia(errors.JobQueueError):
    """The body must be JSON: send it with Content-Type: application/json."""

    code = "unsupported_media_type"


class IssuerUnavailable(errors.JobQueueError):
    """The keys of the web tokens' issuer cannot be had; try again later, or use an API key."""

    code = "issuer_unavailable"


class Closing(errors.JobQueueError):
    """This server stops; send the request again."""

    code = "closing"


#: The nearest class on an error's own line of ancestors decides. Any other error is a bug: 500.
STATUS: Mapping[type[BaseException], int] = {
    errors.InvalidInput: 400,
    errors.InvalidSettings: 500,  # an InvalidInput of the operator's, not of the caller's
    Unauthenticated: 401,
    errors.PermissionDenied: 403,
    errors.SignInRefused: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PackageTooLarge: 413,
    UnsupportedMedia: 415,
    errors.TooManyRequests: 429,
    errors.NotServedByFront: 501,
    errors.CellUnavailable: 503,
    errors.LedgerUnavailable: 503,
    IssuerUnavailable: 503,
    errors.ProviderUnavailable: 503,
    errors.BucketUnavailable: 503,
    errors.AuditUnavailable: 503,
    Closing: 503,
    errors.PackagesFull: 507,  # nothing is wrong with the request: it would be taken when there is room again
}

_HEADERS: Mapping[type[BaseException], Mapping[str, str]] = {
    Unauthenticated: {"WWW-Authenticate": 'Bearer realm="jobqueue"'},
    IssuerUnavailable: {"Retry-After": "10"},
    errors.ProviderUnavailable: {"Retry-After": "10"},
    errors.BucketUnavailable: {"Retry-After": "10"},
    errors.CellUnavailable: {"Retry-After": "5"},
    errors.LedgerUnavailable: {"Retry-After": str(RETRY_AFTER_SECONDS)},
    errors.AuditUnavailable: {"Retry-After": str(RETRY_AFTER_SECONDS)},
}


def status_of(error: BaseException) -> int:
    """The HTTP status of an error."""
    return next((STATUS[ancestor] for ancestor in type(error).__mro__ if ancestor in STATUS), 500)


def error_document(error: errors.JobQueueError) -> dict[str, Any]:
    """The body for an error: ``{"error": sentence, "code": status, "details": {...} or None}``."""
    return _document(*message_and_details(error), status_of(error))


def message_and_details(error: errors.JobQueueError) -> tuple[str, Mapping[str, Any] | None]:
    """Message and details of an error for a caller. Details of a bad input are cut to a bounded size:
    an answer must not grow with the request.
    """
    if not isinstance(error, errors.InvalidInput):
        return error.message, error.details
    details = error.details
    if details is not None:
        details = {_cut(name): _shortened(value) for name, value in islice(details.items(), MOST_FIELDS)}
    return _cut(error.message, _MOST_MESSAGE), details


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return _cut(value)
    return [_shortened(item) for item in value[:MOST_FIELDS]] if isinstance(value, list) else value


def _cut(text: str, most: int = _MOST_TEXT) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def headers_of(error: errors.JobQueueError) -> Mapping[str, str]:
    """The headers that belong to an error's answer."""
    if isinstance(error, errors.TooManyRequests):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
    return next((_HEADERS[ancestor] for ancestor in type(error).__mro__ if ancestor in _HEADERS), {})


def install(app: Flask) -> None:
    """Make every error of ``app``, expected or not, answer in the one shape."""
    app.register_error_handler(errors.JobQueueError, error_answer)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def _document(message: str, details: Mapping[str, Any] | None, status: int) -> dict[str, Any]:
    return {"error": message, "code": status, "details": details}


def _answer(
    status: int, message: str, details: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
) -> Response:
    render = facade_errors.of_this_request()
    if render is None:
        return json_response(_document(message, details, status), status, headers)
    response = render(status, message, details)
    response.headers.update(headers or {})
    return response


def error_answer(error: errors.JobQueueError) -> Response:
    status = status_of(error)
    if status == 500:
        return _unexpected(error)
    return _answer(status, *message_and_details(error), headers_of(error))


def _http(error: HTTPException) -> Response | HTTPException:
    if error.code is None or error.code < 400:
        return error  # a redirect
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    return _answer(error.code, _sentence(error), None, headers)


def _sentence(error: HTTPException) -> str:
    if isinstance(error, NotFound):
        return f"No route {request.path[:200]!r}; /openapi.json lists the routes."
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(set(error.valid_methods or ()) - {"HEAD", "OPTIONS"}))
        return f"{request.method} is not allowed here; use {allowed}."
    if isinstance(error, RequestEntityTooLarge):
        limit = request.max_content_length
        if limit == current_app.config["MAX_CONTENT_LENGTH"]:
            return f"The body is larger than {limit} bytes; send less at once, or raise JOBQUEUE_MAX_BODY_BYTES."
        if limit == current_app.config["JOBQUEUE_MAX_JOB_BYTES"]:
            return f"The body is larger than {limit} bytes; send less at once, or raise JOBQUEUE_MAX_JOB_BYTES."
        return f"The form is larger than {limit} bytes; send less at once, or by the API."
    if isinstance(error, UnsupportedMediaType):
        return UnsupportedMedia().message
    return error.description or error.name


def _unexpected(error: Exception) -> Response:
    identity = request_id.current()
    # %r: a path may hold line breaks, which must not forge lines of the log
    log.error("request %s: %s %r failed", identity, request.method, request.path, exc_info=error)
    message = f"Internal error; the API's log has the details under request id {identity}."
    return _answer(500, message, {"request_id": identity})
