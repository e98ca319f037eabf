"""From a schedule's content to the submission of its jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from api import validation
from api.native import requests
from api.native.job_request_schemas import JobRequest
from api.native.saved_schemas import ScheduledSavedRequest
from api.native.workflow_schemas import ScheduledWorkflowRequest
from jobqueue.errors import InvalidInput, SavedJobNotFound
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import RUN
from jobqueue.model.submission import Submission
from jobqueue.services import Services
from jobqueue.services.workflows.scheduled import WORKFLOW, WorkflowSubmission

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


@dataclass(frozen=True)
class Content:
    """A form of a schedule's content that a facade has: ``check`` raises ``InvalidInput`` for a malformed one, and
    ``submission`` makes the submission of a principal from it; it raises as ``submission_of``.
    """

    check: Callable[[Mapping[str, Any]], None]
    submission: Callable[[Mapping[str, Any], Principal, Services], Submission]


_workflow_request = ScheduledWorkflowRequest()


def _check_workflow(content: Mapping[str, Any]) -> None:
    validation.load(_workflow_request, dict(content), _FIELD)


def _workflow_submission(content: Mapping[str, Any], principal: Principal, services: Services) -> Submission:
    """A run of a workflow, in place of a job."""
    principal.require(RUN)  # before the answer shows which workflows exist
    name = str(content[WORKFLOW])
    if not services.workflows.exists(name):
        raise InvalidInput.of(f"{_FIELD}.{WORKFLOW}", f"No workflow has the name {name[:80]!r}.")
    return WorkflowSubmission(
        operation=WORKFLOW, target=name, principal=principal, parameters=content.get("parameters", {})
    )


#: The field by which a content is recognized -> its form. Facades add theirs.
_contents: dict[str, Content] = {WORKFLOW: Content(_check_workflow, _workflow_submission)}


def add(contents: Mapping[str, Content]) -> None:
    """Let schedules have the contents of a facade."""
    _contents.update(contents)


def submission_of(content: Mapping[str, Any], principal: Principal, services: Services) -> Submission:
    """The submission of ``principal`` that a schedule's content stands for now: a body of POST /job, the name of a
    saved job with the values of its parameters, or what a facade knows.

    Raises ``InvalidInput``, also for a saved job that does not exist or no longer takes these values;
    ``PermissionDenied`` if the principal may not run the saved job.
    """
    loaded = check_form(content)
    form = _form_of(content)
    if form is not None:
        return form.submission(content, principal, services)
    if _SAVED in content:
        return _saved_submission(loaded, principal, services)
    return requests.submission(loaded, principal=principal)


def check_form(content: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule's content as its schema loads it. Raises ``InvalidInput``."""
    is_saved = _SAVED in content
    for name, sentence in (_OF_ONE_RUN if is_saved else _OF_ONE_JOB).items():
        if name in content:
            raise InvalidInput.of(f"{_FIELD}.{name}", sentence)
    form = _form_of(content)
    if form is not None:
        form.check(content)
        return dict(content)
    return validation.load(_saved_request if is_saved else _job_request, dict(content), _FIELD)


def _form_of(content: Mapping[str, Any]) -> Content | None:
    return next((form for field, form in _contents.items() if field in content), None)


def _saved_submission(loaded: Mapping[str, Any], principal: Principal, services: Services) -> Submission:
    principal.require(RUN)  # before the answer shows which saved jobs exist
    try:
        target = requests.target_of(loaded)
        return services.saved_jobs.submission(loaded[_SAVED], loaded["parameters"], principal, target=target)
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
