"""/job/{job_id}/pause, /resume, /approve, /abort: steer a rollout."""

from __future__ import annotations

from typing import Any

from flask import Response

from api import audit
from api.context import principal, services
from api.native import mapping, requests
from api.native.error_schemas import ErrorAnswer
from api.native.job_schemas import JobAnswer
from api.native.jobs import blueprint
from api.native.rollout_schemas import ApproveRequest
from api.responses import json_response
from jobqueue.ledger.rollouts import ABORT, PAUSE, RESUME


@blueprint.route("/job/<job_id>/pause", methods=["POST"], parameters=[requests.JOB_ID])
@blueprint.response(200, JobAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="It has no rollout, is paused already, or holds nothing.")
@blueprint.doc(operationId="pauseRollout")
def pause_rollout(job_id: str) -> Response:
    """Pause a rollout: opened executions continue, and no further batch is opened"""
    return _steer(job_id, PAUSE)


@blueprint.route("/job/<job_id>/resume", methods=["POST"], parameters=[requests.JOB_ID])
@blueprint.response(200, JobAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="It has no rollout, is not paused, or has ended.")
@blueprint.doc(operationId="resumeRollout")
def resume_rollout(job_id: str) -> Response:
    """Resume a paused rollout"""
    return _steer(job_id, RESUME)


@blueprint.route("/job/<job_id>/approve", methods=["POST"], parameters=[requests.JOB_ID])
@blueprint.arguments(ApproveRequest, required=False)
@blueprint.response(200, JobAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="No batch waits for an approval, or it is paused.")
@blueprint.doc(operationId="approveBatch")
def approve_batch(loaded: dict[str, Any], job_id: str) -> Response:
    """Open the next batch of a rollout with `between: approve`, or a job that waits for its first approval

    A job that exceeds a limit of its submitter's grants opens nothing before another principal approves the `plan_hash`
    of its `approval`.
    """
    job_id = requests.job_id(job_id)
    audit.note(**({"plan_hash": loaded["plan_hash"]} if "plan_hash" in loaded else {}))
    job = services().approvals.approve(services().jobs, job_id, principal(), loaded.get("plan_hash"))
    return json_response(mapping.job(job))


@blueprint.route("/job/<job_id>/abort", methods=["POST"], parameters=[requests.JOB_ID])
@blueprint.response(200, JobAnswer)
@blueprint.alt_response(404, schema=ErrorAnswer, description="No job has this id.")
@blueprint.alt_response(409, schema=ErrorAnswer, description="It has no rollout, or no longer holds anything.")
@blueprint.doc(operationId="abortRollout")
def abort_rollout(job_id: str) -> Response:
    """End a rollout: held executions are cancelled, and opened ones continue"""
    return _steer(job_id, ABORT)


def _steer(job_id: str, verb: str) -> Response:
    job_id = requests.job_id(job_id)
    return json_response(mapping.job(services().jobs.steer(job_id, verb, f"by {principal()}")))
