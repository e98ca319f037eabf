"""Submitting a job over cells by the form of its operation."""

from __future__ import annotations

from collections.abc import Mapping

import flask
from flask import Response

from api import errors, limits, validation
from api.cells.context import front
from api.cells.dashboard import documents
from api.cells.dashboard.blueprint import blueprint
from api.cells.jobs import submitted
from api.context import principal
from api.dashboard import pages, posted, query
from api.dashboard import submit as page
from api.dashboard.blueprint import PREFIX
from api.dashboard.submit import Problems
from api.native import requests
from api.native.job_request_schemas import JobRequest
from jobqueue.errors import JobQueueError, PermissionDenied
from jobqueue.model.target import ALL, ANY
from jobqueue.operations.info import OperationInfo

_SEE_OTHER = 303
_request = JobRequest()


@blueprint.get(f"{PREFIX}/submit")
def choose() -> Response:
    """The operations; with ``operation`` the form of that one, with ``job`` that of a job's, filled in."""
    again, operation_type = query.text("job"), query.text("operation")
    if again:
        if not principal().may("job:read"):
            raise PermissionDenied.of(principal().name, "job:read")
        job = documents.job(front().jobs.get(requests.job_id(again)))
        info = page.operation_of(job.operation)
        return _form(info, page.values_of(info, job), Problems())
    if operation_type:
        return _form(page.operation_of(operation_type), {"target": query.text("target")}, Problems())
    return page.render_choice()


@blueprint.post(f"{PREFIX}/submit")
def submit() -> Response:
    """Submit the form's job; show the form again with its errors if it is invalid."""
    values = dict(posted.form())
    info = page.operation_of(values.get("operation", ""))
    body, problems = page.body_of(info, values)
    if problems.fields:
        return _form(info, values, problems, 400)
    try:
        limits.check(body)
        submission = requests.submission(validation.load(_request, body), principal=principal())
        parent, is_replayed = submitted(submission, body, _SEE_OTHER)
    except JobQueueError as error:
        status = errors.status_of(error)
        if status == 500:
            raise
        refusal = _form(info, values, page.problems_of(error), status)
        refusal.headers.update(errors.headers_of(error))
        return refusal
    done = "repeated" if is_replayed else "submitted"
    return flask.make_response(flask.redirect(pages.link(f"{PREFIX}/jobs/{parent.id}?done={done}"), _SEE_OTHER))


def _form(info: OperationInfo, values: Mapping[str, str], problems: Problems, status: int = 200) -> Response:
    names = front().cells.names
    return page.render_form(
        info, values, problems, status, plan=None, can_plan=False, suggestions=[ANY, ALL], names=names
    )
