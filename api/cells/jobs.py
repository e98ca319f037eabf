"""/job: jobs over several cells. The views have the names of the native ones, and so their permissions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, request

from api import audit, validation
from api.blueprint import read_query
from api.body import read_object
from api.cells.context import front
from api.context import principal
from api.errors import error_document
from api.live import sse
from api.native import links, requests
from api.native.execution_schemas import ExecutionQuery
from api.native.fields import Text, length
from api.native.job_query_schemas import JobQuery
from api.native.job_request_schemas import JobRequest, RetryRequest
from api.native.jobs import read_batch, refuse_header_key
from api.native.log_schemas import LogQuery
from api.responses import json_response
from jobqueue.errors import InvalidInput
from jobqueue.ledger.audit import together
from jobqueue.model.parent import Parent
from jobqueue.model.submission import Submission
from jobqueue.model.timestamps import to_iso

blueprint = Blueprint("job", __name__)
executions = Blueprint("execution", __name__)
logs = Blueprint("log", __name__)

_CREATED, _REPLAYED, _ACCEPTED = 201, 200, 202
#: A front's cursor holds one of each cell.
_LONGEST_CURSOR = 16_000


class _FrontJobQuery(JobQuery):
    """Which jobs to list."""

    cursor = Text(validate=length(1, _LONGEST_CURSOR))  # type: ignore[assignment]


class _FrontExecutionQuery(ExecutionQuery):
    """Which executions to list."""

    cursor = Text(validate=length(1, _LONGEST_CURSOR))


_job_request, _retry_request = JobRequest(), RetryRequest()
_job_query, _execution_query, _log_query = _FrontJobQuery(), _FrontExecutionQuery(), LogQuery()


@blueprint.post("/job")
def submit() -> Response:
    """Store a parent, and send each cell its part."""
    body = read_object()
    loaded = validation.load(_job_request, body)
    key = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None:
        validation.load(_job_request, {"operation": {"type": "any"}, "idempotency_key": key})
    submission = requests.submission(loaded, principal=principal(), header_key=key)
    parent, is_replayed = submitted(submission, body, _CREATED)
    headers = {"Location": links.path(f"/job/{parent.id}")}
    return json_response(accepted(parent), _REPLAYED if is_replayed else _CREATED, headers)


def accepted(parent: Parent) -> dict[str, Any]:
    """The answer to a submission."""
    return {
        "job_id": parent.id,
        "status": parent.status.value,
        "revision": 1,
        "timestamp": to_iso(parent.created),
        "cells": [
            {"cell": part.cell, "state": part.state.value, "job_id": part.job_id or None, "error": part.error or None}
            for part in parent.parts
        ],
    }


@blueprint.post("/job/plan")
def plan_job() -> Response:
    """Merge the cells' plans of a job."""
    body = read_object()
    submission = requests.submission(validation.load(_job_request, body), principal=principal())
    audit.note(operation=submission.operation, target=submission.target)
    return json_response(front().planner.plan(submission, body))


@blueprint.post("/job/batch")
def submit_batch() -> Response:
    """Submit up to 1000 jobs: each is a parent, or an error of its own."""
    refuse_header_key("Only for single jobs; give each job of the batch its own idempotency_key.")
    items = read_batch()
    valid = [(answer, item) for item, answer in items if isinstance(answer, Submission)]
    outcomes = iter(front().submitter.submit_many(valid))
    results = [next(outcomes) if isinstance(answer, Submission) else answer for _, answer in items]
    jobs = [result.id for result in results if isinstance(result, Parent)]
    documents = [
        accepted(result) if isinstance(result, Parent) else {"index": index, **error_document(result)}
        for index, result in enumerate(results)
    ]
    audit.note(operations=sorted({answer.operation for answer, _ in valid}), jobs=jobs)
    audit.note(accepted=len(jobs), refused=len(results) - len(jobs))
    return json_response({"accepted": len(jobs), "items": documents}, _CREATED)


def submitted(submission: Submission, body: Mapping[str, Any], status: int) -> tuple[Parent, bool]:
    """Submit a job, with its entry in the audit trail. ``status``: that of the answer. See ``ParentSubmitter``."""
    audit.note(operation=submission.operation, target=submission.target)
    parent, is_replayed = front().submitter.submit(submission, body, together(lambda: audit.entry_of(status)))
    if not is_replayed:
        audit.is_written(status)
    return parent, is_replayed


@blueprint.get("/job")
def list_jobs() -> Response:
    """List the jobs of all cells, newest first."""
    query = read_query()
    loaded = validation.load(_job_query, query)
    if loaded["offset"]:
        raise InvalidInput.of("offset", "A front has none; pass next_cursor of each page to get the next one.")
    requests.job_filter({**loaded, "cursor": None})
    sent = {name: value for name, value in query.items() if name not in ("cursor", "limit", "offset")}
    return json_response(front().jobs.page(sent, loaded.get("cursor"), loaded["limit"]))


@blueprint.get("/job/<job_id>")
def get_job(job_id: str) -> Response:
    """One job, merged from its parts."""
    return json_response(front().jobs.get(requests.job_id(job_id)))


@blueprint.delete("/job/<job_id>")
def delete_job(job_id: str) -> Response:
    """Delete a job with its parts."""
    front().jobs.delete(requests.job_id(job_id), principal())
    return Response(status=204)


@blueprint.post("/job/<job_id>/cancel")
def cancel_job(job_id: str) -> Response:
    """Cancel a job in all its cells."""
    return json_response(front().jobs.cancel(requests.job_id(job_id), f"by {principal()}"), _ACCEPTED)


@blueprint.post("/job/<job_id>/retry")
def retry_job(job_id: str) -> Response:
    """Submit a job again: that of one cell there, one of several as a new parent."""
    body = read_object(required=False)
    validation.load(_retry_request, body)
    answer = retried(requests.job_id(job_id), body, _CREATED)
    return json_response(answer, _CREATED, {"Location": links.path(f"/job/{answer['job_id']}")})


def retried(job_id: str, body: Mapping[str, Any], status: int) -> dict[str, Any]:
    """Submit a job again, with its entry in the audit trail. ``status``: that of the answer."""
    parent = front().jobs.parent_of_several(job_id)
    if parent is None:
        answer: dict[str, Any] = front().jobs.retry(job_id, body, principal())
        audit.note(job=answer["job_id"])
        return answer
    if body.keys() - {"only"}:
        raise InvalidInput.of("target_hostname", "A job over several cells is retried on its own hosts; leave it out.")
    recorded = together(lambda: audit.entry_of(status))
    new = front().submitter.retry(parent, body.get("only"), principal(), recorded)
    audit.is_written(status)
    return accepted(new)


@executions.get("/job/<job_id>/executions")
def list_executions(job_id: str) -> Response:
    """List the executions of all parts."""
    query = read_query()
    loaded = validation.load(_execution_query, query)
    sent: dict[str, Any] = {name: value for name, value in query.items() if name != "cursor"}
    return json_response(front().jobs.executions(requests.job_id(job_id), sent, loaded.get("cursor")))


@logs.get("/job/<job_id>/logs")
def get_logs(job_id: str) -> Response:
    """Read, or follow, the output of a job of one cell."""
    query = read_query()
    validation.load(_log_query, query)
    job_id = requests.job_id(job_id)
    if sse.is_wanted():
        passed = front().jobs.follow_logs(job_id, query, request.headers.get("Last-Event-ID", ""))
        return sse.stream([] if event is None else [sse.ServerEvent(*event)] for event in passed)
    return json_response(front().jobs.logs(job_id, query))
