"""/api/node/{hostname}: calls of hosts. Each is a job, whose request waits for its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import marshmallow as ma
from flask import Blueprint, Response, request

from api import audit, submitting, validation
from api.blueprint import read_query
from api.body import read_object
from api.context import principal, services
from api.native import links
from api.osapi import parameters, permissions, results, waiting
from api.osapi.call import Call
from api.osapi.calls import CALLS
from api.responses import json_response
from jobqueue.errors import PermissionDenied, UnknownOperation
from jobqueue.model.job import Job
from jobqueue.model.principal import Principal
from jobqueue.model.submission import Submission

blueprint = Blueprint("osapi_node", __name__, url_prefix="/api/node/<hostname>")

_READS = "job:read"
_UNFINISHED = 202


def _view(call: Call) -> Callable[..., Response]:
    body = parameters.schema_of(call.body)
    query = parameters.schema_of(call.query, in_query=True)
    path = parameters.schema_of(call.path_parameters)
    is_required = any(parameter.required for parameter in call.body.values())

    def view(hostname: str, **variables: str) -> Response:
        _refuse_other_sites(call)
        caller = permissions.caller_of(call, principal(), services().registry.permission(call.operation))
        values = _path_values(call, path, variables)
        if call.body:
            values |= validation.load(body, read_object(required=is_required))
        if call.query:
            values |= validation.load(query, read_query())
        try:
            return _answer(call, caller, hostname, call.adapt(values))
        except UnknownOperation:
            sentence = f"{call.operation} is not available here: GET /operation lists the operations that are."
            raise UnknownOperation(sentence) from None

    view.__name__, view.__doc__ = call.name, f"Run {call.operation}, and wait for the result"
    return view


def _path_values(call: Call, schema: ma.Schema, variables: dict[str, str]) -> dict[str, Any]:
    numbers = {name for name, parameter in call.path_parameters.items() if parameter.kind == "integer"}
    values = {
        name: int(text) if name in numbers and text.isascii() and text.isdecimal() and len(text) < 16 else text
        for name, text in variables.items()
    }
    return {call.names.get(name, name): value for name, value in validation.load(schema, values).items()}


def _refuse_other_sites(call: Call) -> None:
    """Raise ``PermissionDenied`` for a GET from a page of another site: it makes a job, and a browser sends cookies."""
    if call.method == "GET" and request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise PermissionDenied("The request comes from a page of another site, and would submit a job.")


def _answer(call: Call, caller: Principal, hostname: str, data: dict[str, Any]) -> Response:
    submission = Submission(call.operation, data, hostname, principal=caller)
    accepted = submitting.submit(submission, call.status)
    job: Job | None = None
    # without this permission, a caller gets what a native submission answers: the id
    if accepted.is_confirmed and caller.may_somewhere(_READS):
        job = waiting.ended(accepted.job_id, _seconds(data))
    status = call.status if job is not None and job.status.is_final else _UNFINISHED
    if accepted.is_audited:
        audit.is_written(status)
    document = results.collection(accepted.job_id, job, call.parts, call.each)
    return json_response(document, status, {"Location": links.path(f"/job/{accepted.job_id}")})


def _seconds(data: dict[str, Any]) -> float:
    """How long a call waits: a command may take as long as its own limit."""
    limit = data.get("timeout")
    own = limit + waiting.MARGIN_SECONDS if isinstance(limit, int) else 0.0
    return max(own, waiting.WAIT_SECONDS) if waiting.WAIT_SECONDS else 0.0


for _call in CALLS:
    blueprint.add_url_rule(_call.path, _call.name, _view(_call), methods=[_call.method])
