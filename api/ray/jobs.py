"""/api/jobs: submit, look at, stop and delete jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Blueprint, Response

from api import audit, submitting
from api.context import principal, services
from api.ray import errors, mapping, requests, yuanrong
from api.ray.status import status_of
from api.responses import json_response
from jobqueue.errors import AliasTaken, JobFinal, JobNotFinal, JobNotFound
from jobqueue.model.job import Job
from jobqueue.model.submission import Accepted, Submission

blueprint = Blueprint("ray_jobs", __name__)


class SubmissionIdTaken(AliasTaken):
    """Another job has this submission id; choose a different one."""


#: A name that leads nowhere is repeated up to this length.
_SHOWN = 200


@blueprint.post("/api/jobs/")
def submit() -> Response:
    """Ray's submission."""
    submission = requests.submission(without_slash=False)
    _submit(submission)
    if submission.origin == mapping.YUANRONG:
        return json_response({"submission_id": submission.alias})
    # Ray's server gives the one name under both keys, and its client takes no other keys
    return json_response({"job_id": submission.alias, "submission_id": submission.alias})


@blueprint.post("/api/jobs")
def submit_yuanrong() -> Response:
    """openYuanrong's submission."""
    submission = requests.submission(without_slash=True)
    _submit(submission)
    return json_response({"submission_id": submission.alias})


@blueprint.get("/api/jobs/<name>")
def get_job(name: str) -> Response:
    """One job."""
    job = find(name)
    return json_response(mapping.details(job) if not _is_yuanrong(job) else mapping.details_for_yuanrong(job))


@blueprint.post("/api/jobs/<name>/stop")
def stop(name: str) -> Response:
    """Stop a job: whether there was something to stop."""
    job = find(name)
    try:
        with gone(name):
            services().jobs.cancel(job.id, f"by {principal()}")
        stopped = True
    except JobFinal:
        stopped = False
    return json_response(stopped if _is_yuanrong(job) else {"stopped": stopped})


@blueprint.delete("/api/jobs/<name>")
def delete(name: str) -> Response:
    """Delete a job that has ended."""
    job = find(name)
    try:
        with gone(name):
            services().jobs.delete(job.id, principal())
    except JobNotFinal as error:
        if _is_yuanrong(job):
            return json_response(False)
        sentence = (
            f"Attempted to delete job '{name[:_SHOWN]}', but it is in a non-terminal state {status_of(job)}. "
            "Stop it, and delete it when it has ended."
        )
        raise JobNotFinal(sentence) from error
    return json_response(True if _is_yuanrong(job) else {"deleted": True})


def find(name: str) -> Job:
    """The job of this submission id, or job id. Raises ``JobNotFound`` in Ray's words."""
    with gone(name):
        job = services().jobs.find(name)
    if _is_yuanrong(job):
        yuanrong.speak()
    return job


@contextmanager
def gone(name: str) -> Iterator[None]:
    """The error for an unknown job, in Ray's words."""
    try:
        yield
    except JobNotFound as error:
        raise JobNotFound(f"Job {name[:_SHOWN]} does not exist") from error


def _submit(submission: Submission) -> Accepted:
    audit.note(name=submission.alias or "")
    try:
        return submitting.submit(submission, 200)
    except AliasTaken as error:
        raise SubmissionIdTaken(
            f"Job with submission_id {submission.alias} already exists. Please use a different submission_id.",
            error.details,
        ) from error


@blueprint.errorhandler(SubmissionIdTaken)
def taken(error: SubmissionIdTaken) -> Response:
    """The answer for a name that is taken. Clients know it by the status that Ray's server has for it, and by words."""
    return errors.render(400 if yuanrong.is_spoken() else 500, error.message, error.details)


def _is_yuanrong(job: Job) -> bool:
    """Whether the job's owner speaks openYuanrong: there, the same paths answer otherwise."""
    return job.origin == mapping.YUANRONG and not yuanrong.is_kuberay()
