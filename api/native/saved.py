"""/saved: jobs under names, with parameters."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from api import audit, submitting
from api.blueprint import Blueprint
from api.context import principal, services
from api.native import links, mapping, requests
from api.native.error_schemas import ErrorAnswer
from api.native.saved_mapping import changes, expected_version, parsed, saved_job
from api.native.saved_schemas import (
    RestoreRequest,
    SavedJobAnswer,
    SavedJobDiffAnswer,
    SavedJobDiffQuery,
    SavedJobListAnswer,
    SavedJobListQuery,
    SavedJobPutAnswer,
    SavedJobPutQuery,
    SavedJobQuery,
    SavedJobRequest,
    SavedJobVersionsAnswer,
    SavedPlanAnswer,
    SavedRunRequest,
)
from api.native.submission_schemas import AcceptedAnswer, UnconfirmedAnswer
from api.native.versioned import ETAG, etag_of, if_match, stored
from api.responses import json_response
from jobqueue.model.changes import changes as changes_between
from jobqueue.model.saved_job import SavedJob
from jobqueue.model.submission import Submission
from jobqueue.services.versioned import RecordChange

blueprint = Blueprint("saved", __name__, description="Saved jobs: named jobs with parameters.")

_NAME = {"in": "path", "name": "name", "required": True, "schema": {"type": "string"}}
_IF_MATCH = if_match("a saved job")
_LOCATION = {"Location": {"description": "Path of the job.", "schema": {"type": "string"}}}
_absent = blueprint.alt_response(404, schema=ErrorAnswer, description="No job is saved under this name.")
_changed = blueprint.alt_response(
    409, schema=ErrorAnswer, description="There is another version; details has it, and who stored it."
)


@blueprint.route("/saved", methods=["GET"])
@blueprint.arguments(SavedJobListQuery, location="query")
@blueprint.response(200, SavedJobListAnswer)
@blueprint.doc(operationId="listSavedJobs")
def list_saved(loaded: dict[str, Any]) -> Response:
    """List saved jobs, by name"""
    page, cursor = services().saved_jobs.page(loaded["cursor"], loaded["limit"])
    return json_response({"saved": [saved_job(item) for item in page], "next_cursor": cursor})


@blueprint.route("/saved/<name>", methods=["GET"], parameters=[_NAME])
@blueprint.arguments(SavedJobQuery, location="query")
@blueprint.response(200, SavedJobAnswer, headers=ETAG)
@_absent
@blueprint.doc(operationId="getSavedJob")
def get_saved(loaded: dict[str, Any], name: str) -> Response:
    """Get a saved job"""
    number = loaded.get("version")
    return _shown(services().saved_jobs.get(name) if number is None else services().saved_jobs.version(name, number))


@blueprint.route("/saved/<name>", methods=["PUT"], parameters=[_NAME])
@blueprint.arguments(SavedJobPutQuery, location="query")
@blueprint.arguments(SavedJobRequest)
@blueprint.response(200, SavedJobPutAnswer, headers=ETAG)
@blueprint.alt_response(201, schema=SavedJobPutAnswer, headers=ETAG, description="The saved job is new.")
@_changed
@blueprint.doc(operationId="putSavedJob", parameters=[_IF_MATCH])
def put_saved(loaded: dict[str, Any], query: dict[str, Any], name: str) -> Response:
    """Save a job under a name, or change it

    The same content makes no new version. The templates in the data are checked: every parameter must be declared, and
    none may become part of code unquoted.
    """
    expected = expected_version(request.headers.get("If-Match"), loaded.get("version"))
    saved = parsed(name, loaded, principal())
    done = services().saved_jobs.put(saved, principal(), expected=expected, is_dry_run=query["dry_run"])
    return _stored(done, is_dry_run=query["dry_run"])


@blueprint.route("/saved/<name>", methods=["DELETE"], parameters=[_NAME])
@blueprint.response(204)
@_absent
@_changed
@blueprint.doc(operationId="deleteSavedJob", parameters=[_IF_MATCH])
def delete_saved(name: str) -> Response:
    """Delete a saved job and its versions

    Jobs that were made from it stay.
    """
    audit.note(saved=name)
    services().saved_jobs.remove(name, principal(), expected=expected_version(request.headers.get("If-Match"), None))
    return Response(status=204)


@blueprint.route("/saved/<name>/versions", methods=["GET"], parameters=[_NAME])
@blueprint.response(200, SavedJobVersionsAnswer)
@_absent
@blueprint.doc(operationId="listSavedJobVersions")
def list_versions(name: str) -> Response:
    """List the kept versions of a saved job, newest first"""
    versions = services().saved_jobs.versions(name)
    return json_response({"name": name, "versions": [saved_job(version) for version in versions]})


@blueprint.route("/saved/<name>/diff", methods=["GET"], parameters=[_NAME])
@blueprint.arguments(SavedJobDiffQuery, location="query")
@blueprint.response(200, SavedJobDiffAnswer)
@_absent
@blueprint.doc(operationId="compareSavedJobVersions")
def compare_versions(loaded: dict[str, Any], name: str) -> Response:
    """Compare two versions of a saved job"""
    saved = services().saved_jobs
    later = saved.version(name, loaded["after"]) if "after" in loaded else saved.get(name)
    number = loaded.get("before", later.version - 1)
    content = saved.version(name, number).content if number else {}
    document = {"name": name, "from": number, "to": later.version}
    return json_response({**document, "changes": changes(changes_between(content, later.content))})


@blueprint.route("/saved/<name>/restore", methods=["POST"], parameters=[_NAME])
@blueprint.arguments(RestoreRequest)
@blueprint.response(200, SavedJobPutAnswer, headers=ETAG)
@_absent
@_changed
@blueprint.doc(operationId="restoreSavedJob", parameters=[_IF_MATCH])
def restore_saved(loaded: dict[str, Any], name: str) -> Response:
    """Restore an earlier version of a saved job, as a new version"""
    expected = expected_version(request.headers.get("If-Match"), None)
    done = services().saved_jobs.restore(name, loaded["version"], principal(), expected=expected)
    audit.note(restored=loaded["version"])
    return _stored(done, is_dry_run=False)


@blueprint.route("/saved/<name>/run", methods=["POST"], parameters=[_NAME])
@blueprint.arguments(SavedRunRequest, required=False)
@blueprint.response(201, AcceptedAnswer, headers=_LOCATION)
@blueprint.alt_response(
    200, schema=AcceptedAnswer, headers=_LOCATION, description="The idempotency key was used before."
)
@blueprint.alt_response(202, schema=UnconfirmedAnswer, headers=_LOCATION, description="As of POST /job.")
@_absent
@_changed
@blueprint.doc(operationId="runSavedJob")
def run_saved(loaded: dict[str, Any], name: str) -> Response:
    """Run a saved job

    It runs with the permissions of the caller, who also needs `job:write` and the permission of its operation.
    """
    submission = submission_of_run(name, loaded)
    accepted = submitting.submit(submission, 201)
    status = 200 if accepted.replayed else 201 if accepted.is_confirmed else 202
    return json_response(mapping.accepted(accepted), status, {"Location": links.path(f"/job/{accepted.job_id}")})


@blueprint.route("/saved/<name>/plan", methods=["POST"], parameters=[_NAME])
@blueprint.arguments(SavedRunRequest, required=False)
@blueprint.response(200, SavedPlanAnswer)
@_absent
@blueprint.doc(operationId="planSavedJob")
def plan_saved(loaded: dict[str, Any], name: str) -> Response:
    """Plan a run of a saved job

    Takes the body of `POST /saved/{name}/run` and runs nothing. Needs `agent:read` in addition.
    """
    submission = submission_of_run(name, loaded)
    document = mapping.plan(services().planner.plan(submission))
    return json_response({**document, "data": submission.data, "saved": submission.saved})


def submission_of_run(name: str, loaded: dict[str, Any]) -> Submission:
    """The submission of a run, with its audit details noted."""
    audit.note(saved=name)
    options: dict[str, Any] = {
        key: loaded[key] for key in ("not_before", "expires_at", "plan_hash", "idempotency_key") if key in loaded
    }
    requests.check_times(options)
    submission = services().saved_jobs.submission(
        name,
        loaded["parameters"],
        principal(),
        target=requests.target_of(loaded),
        version=loaded.get("version"),
        **options,
    )
    audit.note(version=submission.saved["version"] if submission.saved else 0)
    return submission


def _stored(done: RecordChange[SavedJob], *, is_dry_run: bool) -> Response:
    return stored("saved", saved_job, done, is_dry_run=is_dry_run)


def _shown(saved: SavedJob) -> Response:
    return json_response(saved_job(saved), 200, etag_of(saved))
