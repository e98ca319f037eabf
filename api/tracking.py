"""A request's context for logs and traces: its id, the job or agent in its path, its trace."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response

from api import request_id
from api.context import http_request, notes
from jobqueue import logs, tracing

_TRACE_PARENT = "HTTP_TRACEPARENT"
_REQUEST_ID = "HTTP_X_REQUEST_ID"
_FAULT = 500


def install(app: Flask) -> None:
    """Set the context of each request of ``app``, before any other handler."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    current = http_request()
    environ, identity = current.environ, request_id.current()
    about = {"request_id": identity}
    for name, value in (current.view_args or {}).items():
        if name in ("job_id", "hostname"):
            about["agent" if name == "hostname" else name] = str(value)
    logs.bind(**about)

    carried = {}
    parent = tracing.checked(environ.get(_TRACE_PARENT))
    if parent:
        carried[tracing.HEADER] = parent
    # an id that no caller gave is of no use in the agent's log, and would take space in every job
    if identity == environ.get(_REQUEST_ID):
        carried["request_id"] = identity
    tracing.give(**carried)
    if tracing.is_on():
        route = current.url_rule.rule if current.url_rule else ""
        attributes: dict[str, Any] = {"http.request.method": current.method, "jobqueue.request_id": identity}
        if route:
            attributes["http.route"] = route
        notes().span = tracing.begin(f"{current.method} {route}".strip(), "SERVER", parent, attributes)


def _end(response: Response) -> Response:
    begun = notes().pop("span", None)
    if begun is not None:
        span = begun[0]
        span.set_attribute("http.response.status_code", response.status_code)
        if response.status_code >= _FAULT:
            tracing.fail(span, response.status)
        tracing.end(begun)
    # a stream is still sent after the request; its log records belong to the request
    response.call_on_close(logs.bind)
    return response
