"""The rollout of a job: a lane for each batch, and the buttons."""

from __future__ import annotations

from flask import Response

from api import audit
from api.context import principal, services
from api.dashboard import posted
from api.dashboard.blueprint import PREFIX, blueprint
from api.dashboard.job import go, refused
from api.native import requests
from jobqueue.errors import JobQueueError
from jobqueue.ledger.rollouts import ABORT, PAUSE, RESUME

_LONGEST_HASH = 64


@blueprint.post(f"{PREFIX}/jobs/<job_id>/pause")
def pause_rollout(job_id: str) -> Response:
    """Open no further batch."""
    return _steer(job_id, PAUSE, "paused")


@blueprint.post(f"{PREFIX}/jobs/<job_id>/resume")
def resume_rollout(job_id: str) -> Response:
    """Go on."""
    return _steer(job_id, RESUME, "resumed")


@blueprint.post(f"{PREFIX}/jobs/<job_id>/approve")
def approve_batch(job_id: str) -> Response:
    """Open the next batch."""
    job_id = requests.job_id(job_id)
    plan_hash = posted.form().get("plan_hash", "")[:_LONGEST_HASH] or None
    audit.note(**({"plan_hash": plan_hash} if plan_hash else {}))
    try:
        services().approvals.approve(services().jobs, job_id, principal(), plan_hash)
    except JobQueueError as error:
        return refused(job_id, error)
    return go(f"{PREFIX}/jobs/{job_id}?done=approved")


@blueprint.post(f"{PREFIX}/jobs/<job_id>/abort")
def abort_rollout(job_id: str) -> Response:
    """Cancel what is held."""
    return _steer(job_id, ABORT, "aborted")


def _steer(job_id: str, verb: str, done: str) -> Response:
    job_id = requests.job_id(job_id)
    try:
        services().jobs.steer(job_id, verb, f"by {principal()}")
    except JobQueueError as error:
        return refused(job_id, error)
    return go(f"{PREFIX}/jobs/{job_id}?done={done}")
