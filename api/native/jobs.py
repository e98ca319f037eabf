"""/job: submit, list, read, retry, cancel and delete jobs."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import audit, limits, submitting, validation
from api.blueprint import Blueprint
from api.body import decode_object
from api.context import http_request, principal, services
from api.errors import error_document
from api.fairness import in_turns
from api.native import links, mapping, pause_mapping, requests
from api.native.error_schemas import ErrorAnswer
from api.native.job_query_schemas import JobListQuery
from api.native.job_request_schemas import BatchRequest, JobRequest, RetryRequest
from api.native.job_schemas import JobAnswer, JobDetailsAnswer, JobListAnswer
from api.native.submission_schemas import AcceptedAnswer, BatchAnswer, PlanAnswer, UnconfirmedAnswer
from api.responses import json_response
from jobqueue.errors import InvalidInput, JobQueueError
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Accepted, Submission
from jobqueue.services.batch_budget import BatchBudget

blueprint = Blueprint("job", __name__, description="Jobs: one request to run one operation on one target.")

_LOCATION = {"Location": {"description": "Path of the job.", "schema": {"type": "string"}}}
_KEY_HEADER = {
    "in": "header",
    "name": "Idempotency-Key",
    "description": "As idempotency_key in the body.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}

_CREATED = 201
_NOT_CONFIRMED = 202
_unconfirmed = blueprint.alt_response(
    _NOT_CONFIRMED,
    schema=UnconfirmedAnswer,
    headers=_LOCATION,
    description="The ledger has not confirmed the job in time; it may be stored, or may still be.",
)

_job_request = JobRequest()
_batch_request = BatchRequest()


@blueprint.route("/job", methods=["POST"])
@blueprint.arguments(JobRequest)
@blueprint.response(201, AcceptedAnswer, headers=_LOCATION)
@blueprint.alt_response(
    200,
    schema=AcceptedAnswer,
    headers=_LOCATION,
    description="The idempotency key was used before; this is the first job.",
)
@blueprint.alt_response(
    409, schema=ErrorAnswer, description="No live agent, or the idempotency key was used with a different request."
)
@_unconfirmed
@blueprint.doc(parameters=[_KEY_HEADER], operationId="submitJob")
def submit(loaded: dict[str, Any]) -> Response:
    """Submit a job"""
    submission = requests.submission(loaded, principal=principal(), header_key=_header_key())
    return _accepted(submitting.submit(submission, _CREATED))


@blueprint.route("/job/plan", methods=["POST"])
@blueprint.arguments(JobRequest)
@blueprint.response(200, PlanAnswer)
@blueprint.doc(operationId="planJob")
def plan_job(loaded: dict[str, Any]) -> Response:
    """Plan a job

    Takes the body of `POST /job` and runs nothing. The answer says which agents would take the job, which are left out
    and why, and whether the caller has the permissions. Needs `agent:read` in addition to `job:write`.
    """
    submission = requests.submission(loaded, principal=principal())
    audit.note(operation=submission.operation, target=submission.target)
    return json_response(mapping.plan(services().planner.plan(submission)))


@blueprint.route("/job/batch", methods=["POST"])
@blueprint.response(201, BatchAnswer)
@blueprint.alt_response(202, schema=BatchAnswer, description="As 201; the ledger has not confirmed some of the jobs.")
@blueprint.doc(
    operationId="submitJobs",
    requestBody={
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/BatchRequest"}}},
    },
)
def submit_batch() -> Response:
    """Submit up to 1000 jobs

    One bad item does not stop the others: its place in `items` holds the error. A body that is not JSON, or an object
    in it that names a key twice, is refused as a whole.
    """
    refuse_header_key("Only for single jobs; give each job of the batch its own idempotency_key.")
    answers = [answer for _, answer in read_batch()]
    valid = (answer for answer in answers if isinstance(answer, Submission))
    outcomes = iter(services().submitter.submit_many(in_turns(valid)))
    results = [next(outcomes) if isinstance(answer, Submission) else answer for answer in answers]
    documents = [
        mapping.accepted(result) if isinstance(result, Accepted) else {"index": index, **error_document(result)}
        for index, result in enumerate(results)
    ]
    accepted = sum(isinstance(result, Accepted) for result in results)
    is_confirmed = all(result.is_confirmed for result in results if isinstance(result, Accepted))
    operations = sorted({answer.operation for answer in answers if isinstance(answer, Submission)})
    audit.note(operations=operations, jobs=[result.job_id for result in results if isinstance(result, Accepted)])
    audit.note(accepted=accepted, refused=len(results) - accepted)
    return json_response({"accepted": accepted, "items": documents}, _CREATED if is_confirmed else _NOT_CONFIRMED)


@blueprint.route("/job", methods=["GET"])
@blueprint.arguments(JobListQuery, location="query")
@blueprint.response(200, JobListAnswer)
@blueprint.doc(operationId="listJobs")
def list_jobs(loaded: dict[str, Any]) -> Response:
    """List jobs, newest first

    With `q`, `error` or `submitted_by`, one request examines the newest 1000 jobs that match the other filters (behind
    `cursor`): a page may have fewer jobs than `limit`, even none, although `next_cursor` continues it. `total_items`
    then counts the jobs on the page.
    """
    job_filter, search = requests.job_filter(loaded), requests.job_search(loaded)
    jobs = services().jobs
    page = jobs.page(job_filter) if search.is_empty else jobs.search(job_filter, search)
    return json_response(mapping.page(page, summary=job_filter.summary, cursors=loaded["cursors"]))


@blueprint.route("/job/<job_id>", methods=["GET"], parameters=[requests.JOB_ID])
@blueprint.response(200, JobDetailsAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id.")
@blueprint.doc(operationId="getJob")
def get_job(job_id: str) -> Response:
    """Get one job

    With its first 1,000 executions: `executions_left_out` counts the others, and `GET /job/{job_id}/executions` lists
    all.
    """
    job = services().jobs.get(requests.job_id(job_id))
    paused_by = [pause_mapping.paused_by(pause) for pause in services().pauses.of_job(job)]
    return json_response({**mapping.job(job), **({"paused_by": paused_by} if paused_by else {})})


@blueprint.route("/job/<job_id>", methods=["DELETE"], parameters=[requests.JOB_ID])
@blueprint.response(204)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The job still runs; cancel it first.")
@blueprint.doc(operationId="deleteJob")
def delete_job(job_id: str) -> Response:
    """Delete a job that has ended

    Jobs of others need the permission job:delete.
    """
    services().jobs.delete(requests.job_id(job_id), principal())
    return Response(status=204)


@blueprint.route("/job/<job_id>/retry", methods=["POST"], parameters=[requests.JOB_ID])
@blueprint.arguments(RetryRequest, required=False)
@blueprint.response(201, AcceptedAnswer, headers=_LOCATION)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The job has not ended, or has nothing to retry.")
@_unconfirmed
@blueprint.doc(operationId="retryJob")
def retry_job(loaded: dict[str, Any], job_id: str) -> Response:
    """Submit a job again"""
    refuse_header_key("Not supported for a retry; leave it out, and see the job's retried_as for its retries.")
    only = frozenset(ExecutionState(state) for state in loaded["only"]) if "only" in loaded else None
    target = requests.target_of(loaded)
    accepted = services().retrier.retry(requests.job_id(job_id), target=target, only=only, principal=principal())
    audit.note(job=accepted.job_id)
    return _accepted(accepted)


@blueprint.route("/job/<job_id>/cancel", methods=["POST"], parameters=[requests.JOB_ID])
@blueprint.response(202, JobAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="The job has ended already.")
@blueprint.doc(operationId="cancelJob")
def cancel_job(job_id: str) -> Response:
    """Cancel a job"""
    return json_response(mapping.job(services().jobs.cancel(requests.job_id(job_id), f"by {principal()}")), 202)


def read_batch() -> list[tuple[Any, Submission | JobQueueError]]:
    """The items of the request's batch, each with its submission, or its error. Raises for the body as a whole."""
    body, suspect = decode_object(is_bulk=True)
    items = body.get("jobs")
    if suspect:  # an error inside an item is reported as that item's error
        limits.check({name: value for name, value in body.items() if name != "jobs" or not isinstance(items, list)})
    validation.load(_batch_request, body)
    assert isinstance(items, list)  # noqa: S101 (checked by the schema)
    budget = BatchBudget()
    return [
        (item, _item(item, f"jobs[{index}]", budget, suspect=suspect)) for index, item in enumerate(in_turns(items))
    ]


def _item(item: Any, path: str, budget: BatchBudget, *, suspect: bool) -> Submission | JobQueueError:
    """The submission of an item of a batch, or its error."""
    try:
        if not isinstance(item, dict):
            raise InvalidInput.of(path, "Must be a JSON object.")
        if suspect:
            limits.check(item)
        loaded = validation.load(_job_request, item, explains=budget.explains)
        return requests.submission(loaded, principal=principal())
    except JobQueueError as error:
        budget.refused()
        return error


def _accepted(answer: Accepted) -> Response:
    headers = {"Location": links.path(f"/job/{answer.job_id}")}
    status = 200 if answer.replayed else _CREATED if answer.is_confirmed else _NOT_CONFIRMED
    return json_response(mapping.accepted(answer), status, headers)


def refuse_header_key(sentence: str) -> None:
    """Raise ``InvalidInput`` if there is a key: who sends one counts on it, so it must not be left aside silently."""
    if "HTTP_IDEMPOTENCY_KEY" in http_request().environ:
        raise validation.invalid({"Idempotency-Key": [sentence]})


def _header_key() -> str | None:
    key: str | None = http_request().environ.get("HTTP_IDEMPOTENCY_KEY")
    if key is not None:
        # the same rule as in the body, with the header's name in the message
        problems = _job_request.validate({"operation": {"type": "any"}, "idempotency_key": key})
        if problems:
            raise validation.invalid({"Idempotency-Key": problems["idempotency_key"]})
    return key
