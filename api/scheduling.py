"""From a schedule's content to the submission of its jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api import validation
from api.native import requests
from api.native.saved_schemas import ScheduledSavedRequest
from api.native.schemas import JobRequest
from jobqueue.errors import InvalidInput, SavedJobNotFound
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import RUN
from jobqueue.model.submission import Submission
from jobqueue.services.saved.manager import SavedJobManager

_FIELD, _SAVED = "job", "saved"
#: Fields of a job's request that mean a single job, and what a schedule has instead.
_OF_ONE_JOB = {
    "idempotency_key": "Each time of a schedule has its own key; leave it out.",
    "plan_hash": "The set of agents is determined at each time; leave it out.",
    "not_before": "A schedule has starts for this; leave it out.",
    "expires_at": "A schedule has expires_after for this; leave it out.",
}
_OF_ONE_RUN = {**_OF_ONE_JOB, "version": "A schedule runs the newest version of its saved job; leave it out."}
_job_request = JobRequest()
_saved_request = ScheduledSavedRequest()


def submission_of(content: Mapping[str, Any], principal: Principal, saved: SavedJobManager) -> Submission:
    """The submission of ``principal`` that a schedule's content stands for now: a body of POST /job, or the name of a
    saved job with the values of its parameters.

    Raises ``InvalidInput``, also for a saved job that does not exist or no longer takes these values;
    ``PermissionDenied`` if the principal may not run the saved job.
    """
    loaded = check_form(content)
    if _SAVED in content:
        return _saved_submission(loaded, principal, saved)
    return requests.submission(loaded, principal=principal)


def check_form(content: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule's content as its schema loads it. Raises ``InvalidInput``."""
    is_saved = _SAVED in content
    for name, sentence in (_OF_ONE_RUN if is_saved else _OF_ONE_JOB).items():
        if name in content:
            raise InvalidInput.of(f"{_FIELD}.{name}", sentence)
    return validation.load(_saved_request if is_saved else _job_request, dict(content), _FIELD)


def _saved_submission(loaded: Mapping[str, Any], principal: Principal, saved: SavedJobManager) -> Submission:
    principal.require(RUN)  # before the answer shows which saved jobs exist
    try:
        return saved.submission(loaded[_SAVED], loaded["parameters"], principal, target=requests.target_of(loaded))
    except SavedJobNotFound as error:
        raise InvalidInput.of(f"{_FIELD}.{_SAVED}", error.message) from error
    except InvalidInput as error:
        raise _inside_job(error) from error


def _inside_job(error: InvalidInput) -> InvalidInput:
    """The error with the paths that its fields have in a request for a schedule."""
    fields = error.details or {}
    is_named = error.message.partition(":")[0] in fields
    message = f"{_FIELD}.{error.message}" if is_named else error.message
    return type(error)(message, {f"{_FIELD}.{field}": sentences for field, sentences in fields.items()})
