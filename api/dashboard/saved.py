"""Saved jobs: the list, one with the form of its parameters and its jobs, and saving a job that was submitted."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from flask import Response

from api import audit, errors, submitting
from api.context import principal, services
from api.dashboard import form, pages, posted, query
from api.dashboard.blueprint import PREFIX, blueprint
from api.dashboard.job import go, refused
from api.native import requests
from jobqueue.errors import InvalidInput, JobQueueError
from jobqueue.model.filter import JobFilter
from jobqueue.model.principal import check_name
from jobqueue.model.record_name import check_record_name
from jobqueue.model.saved_job import SavedJob, group_of
from jobqueue.services.saved.making import saved_fields
from jobqueue.services.saved.parameters import SECRET, is_required
from jobqueue.trust.secrets.reference import KEY as SECRET_KEY

_SEE_OTHER = 303
_PAGE = 50
_SHOWN_JOBS = 20
_KEY, _TARGET = "key", "target"
_PARAMETERS = "parameters."


@blueprint.get(f"{PREFIX}/saved")
def saved_jobs() -> Response:
    """One page of the list, by name."""
    saved, cursor = services().saved_jobs.page(query.text("after", 64), _PAGE)
    older = query.with_changes(after=cursor) if cursor else ""
    return pages.render("saved_jobs.html", saved=saved, older=older)


@blueprint.get(f"{PREFIX}/saved/<name>")
def saved_job(name: str) -> Response:
    """A saved job with the form that runs it."""
    return _page(services().saved_jobs.get(name), {})


@blueprint.post(f"{PREFIX}/saved/<name>/run")
def run_saved(name: str) -> Response:
    """Run it with the values of the form; show the form again with its errors if one is invalid."""
    posted_values = dict(posted.form())
    saved = services().saved_jobs.get(name)
    audit.note(saved=name)
    values, problems = values_in(saved.parameters, posted_values)
    if problems:
        return _page(saved, posted_values, problems, status=400)
    try:
        submission = services().saved_jobs.submission(
            name,
            values,
            principal(),
            target=posted_values.get(_TARGET, "").strip() or None,
            version=saved.version,
            idempotency_key=key_of(posted_values),
        )
        accepted = submitting.submit(submission, _SEE_OTHER)
    except JobQueueError as error:
        status = errors.status_of(error)
        if status in (404, 500, 503):
            raise
        answer = _page(saved, posted_values, problems_of(error), problem=error.message, status=status)
        answer.headers.update(errors.headers_of(error))
        return answer
    done = "repeated" if accepted.replayed else "submitted" if accepted.is_confirmed else "unconfirmed"
    return go(f"{PREFIX}/jobs/{accepted.job_id}?done={done}")


@blueprint.post(f"{PREFIX}/jobs/<job_id>/save")
def save_job(job_id: str) -> Response:
    """Save what a job was submitted with under a name that is not in use."""
    job_id = requests.job_id(job_id)
    name = check_record_name(posted.form().get("name", "").strip())
    principal().require("job:read")  # what is saved can be read
    try:
        job = services().jobs.get(job_id)
        services().saved_jobs.put(SavedJob(name, saved_fields(job)), principal(), expected=0)
    except JobQueueError as error:
        return refused(job_id, error)
    audit.note(saved=name)
    return go(f"{PREFIX}/saved/{name}?done=saved")


def _page(
    saved: SavedJob,
    values: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    may_list = principal().may("job:read")
    jobs = services().jobs.summaries(JobFilter(group=group_of(saved.name), limit=_SHOWN_JOBS)) if may_list else None
    fields = form.fields_of(schema_of(saved.parameters), values)
    return pages.render(
        "saved_job.html",
        status,
        saved=saved,
        fields=fields,
        target=values.get(_TARGET, ""),
        problems={"summary": problem or ("Some fields are invalid." if problems else ""), "fields": problems or {}},
        # a form that is sent twice makes one job
        key=key_of(values),
        can_run=saved.may_run(principal()),
        jobs=jobs,
        versions=services().saved_jobs.versions(saved.name),
        done="The job was saved." if query.text("done") == "saved" else "",
    )


def key_of(values: Mapping[str, str]) -> str:
    """The idempotency key of the form; a new one for a form without."""
    try:
        return check_name(values.get(_KEY, ""))
    except InvalidInput:
        return f"ui-{secrets.token_hex(16)}"


def schema_of(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The parameters as one JSON Schema, for the form. A secret is the text of its name."""
    return {
        "properties": {name: _shown(schema) for name, schema in parameters.items()},
        "required": [name for name, schema in parameters.items() if is_required(schema)],
    }


def values_in(
    parameters: Mapping[str, Mapping[str, Any]], posted_values: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of parameters in a form, and what is wrong, by the form's fields."""
    values, problems = form.data_of(schema_of(parameters), posted_values)
    secret = {name for name in values if parameters[name].get(SECRET)}
    values = {name: {SECRET_KEY: value} if name in secret else value for name, value in values.items()}
    return values, {form.PREFIX + field: why for field, why in problems.items()}


def _shown(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if not schema.get(SECRET):
        return schema
    about = f"{schema.get('description', '')} The name of a secret of the agents, not its value.".strip()
    default = {"default": schema["default"][SECRET_KEY]} if "default" in schema else {}
    return {"type": "string", "description": about, **default}


def problems_of(error: JobQueueError) -> dict[str, str]:
    """An error of the API by the fields of the form that it names."""
    _, details = errors.message_and_details(error)
    return {
        form.PREFIX + name.removeprefix(_PARAMETERS) if name.startswith(_PARAMETERS) else name: " ".join(messages)
        for name, messages in (details or {}).items()
        if isinstance(messages, list)
    }
