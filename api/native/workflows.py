"""/workflow and /workflow-run: procedures over several hosts, and their runs."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from api import audit
from api.blueprint import Blueprint
from api.context import principal, services
from api.native import links, list_cursor, requests
from api.native.error_schemas import ErrorAnswer
from api.native.saved_mapping import expected_version
from api.native.versioned import ETAG, etag_of, if_match, stored
from api.native.workflow_mapping import parsed, run_document, run_summary, workflow_document
from api.native.workflow_schemas import (
    WorkflowAnswer,
    WorkflowListAnswer,
    WorkflowListQuery,
    WorkflowPutAnswer,
    WorkflowPutQuery,
    WorkflowQuery,
    WorkflowRequest,
    WorkflowRunAnswer,
    WorkflowRunListAnswer,
    WorkflowRunListQuery,
    WorkflowRunRequest,
    WorkflowVersionsAnswer,
)
from api.responses import json_response
from jobqueue.errors import InvalidInput
from jobqueue.model.workflow_run import WorkflowRun

blueprint = Blueprint("workflow", __name__, description="Workflows: procedures over several hosts.")

_NAME = {"in": "path", "name": "name", "required": True, "schema": {"type": "string"}}
_RUN_ID = {"in": "path", "name": "run_id", "required": True, "schema": {"type": "string", "format": "uuid"}}
_IF_MATCH = if_match("a workflow")
_LOCATION = {"Location": {"description": "Path of the run.", "schema": {"type": "string"}}}
_RUNS = "workflow-run"
_absent = blueprint.alt_response(404, schema=ErrorAnswer, description="No workflow has this name.")
_no_run = blueprint.alt_response(404, schema=ErrorAnswer, description="No run has this id.")
_changed = blueprint.alt_response(
    409, schema=ErrorAnswer, description="There is another version; details has it, and who stored it."
)


@blueprint.route("/workflow", methods=["GET"])
@blueprint.arguments(WorkflowListQuery, location="query")
@blueprint.response(200, WorkflowListAnswer)
@blueprint.doc(operationId="listWorkflows")
def list_workflows(loaded: dict[str, Any]) -> Response:
    """List workflows, by name"""
    page, cursor = services().workflows.page(loaded["cursor"], loaded["limit"])
    return json_response({"workflows": list(map(workflow_document, page)), "next_cursor": cursor})


@blueprint.route("/workflow/<name>", methods=["GET"], parameters=[_NAME])
@blueprint.arguments(WorkflowQuery, location="query")
@blueprint.response(200, WorkflowAnswer, headers=ETAG)
@_absent
@blueprint.doc(operationId="getWorkflow")
def get_workflow(loaded: dict[str, Any], name: str) -> Response:
    """Get a workflow"""
    number = loaded.get("version")
    workflows = services().workflows
    workflow = workflows.get(name) if number is None else workflows.version(name, number)
    return json_response(workflow_document(workflow), 200, etag_of(workflow))


@blueprint.route("/workflow/<name>", methods=["PUT"], parameters=[_NAME])
@blueprint.arguments(WorkflowPutQuery, location="query")
@blueprint.arguments(WorkflowRequest)
@blueprint.response(200, WorkflowPutAnswer, headers=ETAG)
@blueprint.alt_response(201, schema=WorkflowPutAnswer, headers=ETAG, description="The workflow is new.")
@_changed
@blueprint.doc(operationId="putWorkflow", parameters=[_IF_MATCH])
def put_workflow(loaded: dict[str, Any], query: dict[str, Any], name: str) -> Response:
    """Store a workflow under a name, or change it

    The same content makes no new version. The nodes are checked as saved jobs are; no node may need itself, also not by
    way of others.
    """
    expected = expected_version(request.headers.get("If-Match"), loaded.get("version"))
    is_dry_run = query["dry_run"]
    workflow = parsed(name, loaded, principal())
    done = services().workflows.put(
        workflow, principal(), expected=expected, is_dry_run=is_dry_run, is_assumed=query["assume"]
    )
    return stored("workflow", workflow_document, done, is_dry_run=is_dry_run)


@blueprint.route("/workflow/<name>", methods=["DELETE"], parameters=[_NAME])
@blueprint.response(204)
@_absent
@_changed
@blueprint.doc(operationId="deleteWorkflow", parameters=[_IF_MATCH])
def delete_workflow(name: str) -> Response:
    """Delete a workflow and its versions

    Its runs stay, and those that have not ended go on.
    """
    audit.note(workflow=name)
    services().workflows.remove(name, principal(), expected=expected_version(request.headers.get("If-Match"), None))
    return Response(status=204)


@blueprint.route("/workflow/<name>/versions", methods=["GET"], parameters=[_NAME])
@blueprint.response(200, WorkflowVersionsAnswer)
@_absent
@blueprint.doc(operationId="listWorkflowVersions")
def list_versions(name: str) -> Response:
    """List the kept versions of a workflow, newest first"""
    versions = services().workflows.versions(name)
    return json_response({"name": name, "versions": list(map(workflow_document, versions))})


@blueprint.route("/workflow/<name>/run", methods=["POST"], parameters=[_NAME])
@blueprint.arguments(WorkflowRunRequest, required=False)
@blueprint.response(201, WorkflowRunAnswer, headers=_LOCATION)
@blueprint.alt_response(
    200, schema=WorkflowRunAnswer, headers=_LOCATION, description="The idempotency key was used before."
)
@_absent
@_changed
@blueprint.doc(operationId="runWorkflow")
def run_workflow(loaded: dict[str, Any], name: str) -> Response:
    """Run a workflow

    It runs with the permissions of the caller, who needs those for the job of every node. They are looked up again when
    a node starts.
    """
    audit.note(workflow=name)
    run, is_replayed = services().workflow_runs.start(
        name,
        loaded["parameters"],
        principal(),
        version=loaded.get("version"),
        idempotency_key=loaded.get("idempotency_key"),
    )
    audit.note(run=run.id, version=run.workflow.version)
    return json_response(
        run_document(run), 200 if is_replayed else 201, {"Location": links.path(f"/workflow-run/{run.id}")}
    )


@blueprint.route("/workflow-run", methods=["GET"])
@blueprint.arguments(WorkflowRunListQuery, location="query")
@blueprint.response(200, WorkflowRunListAnswer)
@blueprint.doc(operationId="listWorkflowRuns")
def list_runs(loaded: dict[str, Any]) -> Response:
    """List runs of workflows, newest first"""
    workflow = loaded.get("workflow", "")
    position = list_cursor.read(loaded["cursor"], _RUNS, workflow) if "cursor" in loaded else ""
    if position and not (position.isascii() and position.isdecimal() and len(position) < 18):
        raise InvalidInput.of("cursor", "Invalid cursor; pass `next_cursor` unchanged.")
    before = int(position) if position else None
    runs, total, following = services().workflow_runs.page(workflow, loaded["limit"], before)
    cursor = None if following is None else list_cursor.show(str(following), _RUNS, workflow)
    return json_response({"runs": list(map(run_summary, runs)), "total": total, "next_cursor": cursor})


@blueprint.route("/workflow-run/<run_id>", methods=["GET"], parameters=[_RUN_ID])
@blueprint.response(200, WorkflowRunAnswer)
@_no_run
@blueprint.doc(operationId="getWorkflowRun")
def get_run(run_id: str) -> Response:
    """Get a run of a workflow, with the state and the job of each node"""
    return _shown(services().workflow_runs.get(_run_id(run_id)))


@blueprint.route("/workflow-run/<run_id>/cancel", methods=["POST"], parameters=[_RUN_ID])
@blueprint.response(200, WorkflowRunAnswer)
@_no_run
@blueprint.alt_response(409, schema=ErrorAnswer, description="The run has ended.")
@blueprint.doc(operationId="cancelWorkflowRun")
def cancel_run(run_id: str) -> Response:
    """Cancel a run of a workflow

    No other node starts, and the jobs that run are cancelled.
    """
    audit.note(run=run_id)
    return _shown(services().workflow_runs.cancel(_run_id(run_id), principal()))


@blueprint.route("/workflow-run/<run_id>/retry", methods=["POST"], parameters=[_RUN_ID])
@blueprint.response(200, WorkflowRunAnswer)
@_no_run
@blueprint.alt_response(409, schema=ErrorAnswer, description="The run has not ended, or nothing of it has failed.")
@blueprint.doc(operationId="retryWorkflowRun")
def retry_run(run_id: str) -> Response:
    """Run an ended run again, from the nodes that failed or were cancelled

    These nodes and all that need them run again, with the permissions of the caller. The version and the values are
    those of the run.
    """
    audit.note(run=run_id)
    return _shown(services().workflow_runs.retry(_run_id(run_id), principal()))


def _shown(run: WorkflowRun) -> Response:
    audit.note(workflow=run.workflow.name)
    return json_response(run_document(run))


def _run_id(text: str) -> str:
    try:
        return requests.job_id(text)
    except InvalidInput as error:
        raise InvalidInput.of("run_id", error.message.removeprefix("job_id: ")) from error
