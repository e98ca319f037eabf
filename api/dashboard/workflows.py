"""Workflows: the list, one with the form that runs it, and its runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response

from api import audit, errors
from api.context import principal, services
from api.dashboard import form, pages, posted, query
from api.dashboard.blueprint import PREFIX, blueprint
from api.dashboard.job import go
from api.dashboard.saved import key_of, problems_of, schema_of, values_in
from api.native import requests
from jobqueue.errors import JobQueueError
from jobqueue.model.workflow import Workflow, layers
from jobqueue.model.workflow_run import WorkflowRun

_PAGE, _SHOWN_RUNS = 50, 20
_DONE = {
    "started": "The run was started.",
    "repeated": "This run was started before, by the same form.",
    "cancelled": "The run is cancelled.",
    "retried": "The run goes on from the nodes that failed.",
}


@blueprint.get(f"{PREFIX}/workflows")
def workflows() -> Response:
    """One page of the list, by name, and the newest runs."""
    page, cursor = services().workflows.page(query.text("after", 64), _PAGE)
    older = query.with_changes(after=cursor) if cursor else ""
    return pages.render("workflows.html", workflows=page, runs=_runs(""), older=older)


@blueprint.get(f"{PREFIX}/workflows/<name>")
def workflow(name: str) -> Response:
    """A workflow with the form that runs it, and its runs."""
    return _page(services().workflows.get(name), {})


@blueprint.post(f"{PREFIX}/workflows/<name>/run")
def run_workflow(name: str) -> Response:
    """Run it with the values of the form; show the form again with its errors if one is invalid."""
    posted_values = dict(posted.form())
    stored = services().workflows.get(name)
    audit.note(workflow=name)
    values, problems = values_in(stored.parameters, posted_values)
    if problems:
        return _page(stored, posted_values, problems, status=400)
    try:
        run, is_replayed = services().workflow_runs.start(
            name, values, principal(), version=stored.version, idempotency_key=key_of(posted_values)
        )
    except JobQueueError as error:
        status = errors.status_of(error)
        if status in (404, 500, 503) or not principal().may("saved:read"):
            raise
        answer = _page(stored, posted_values, problems_of(error), problem=error.message, status=status)
        answer.headers.update(errors.headers_of(error))
        return answer
    audit.note(run=run.id)
    done = "repeated" if is_replayed else "started"
    if not principal().may("job:read"):
        return go(f"{PREFIX}/workflows/{name}?done={done}")
    return go(f"{PREFIX}/workflow-runs/{run.id}?done={done}")


@blueprint.get(f"{PREFIX}/workflow-runs/<run_id>")
def workflow_run(run_id: str) -> Response:
    """A run, with the state and the job of each node."""
    return _run_page(services().workflow_runs.get(requests.job_id(run_id)))


@blueprint.post(f"{PREFIX}/workflow-runs/<run_id>/cancel")
def cancel_run(run_id: str) -> Response:
    """Cancel it."""
    return _changed(run_id, "cancelled", services().workflow_runs.cancel)


@blueprint.post(f"{PREFIX}/workflow-runs/<run_id>/retry")
def retry_run(run_id: str) -> Response:
    """Run it again from the nodes that failed."""
    return _changed(run_id, "retried", services().workflow_runs.retry)


def _changed(run_id: str, done: str, change: Callable[..., WorkflowRun]) -> Response:
    run_id = requests.job_id(run_id)
    audit.note(run=run_id)
    try:
        change(run_id, principal())
    except JobQueueError as error:
        status = errors.status_of(error)
        if status in (404, 500, 503) or not principal().may("job:read"):
            raise
        return _run_page(services().workflow_runs.get(run_id), error.message, status)
    return go(f"{PREFIX}/workflow-runs/{run_id}?done={done}")


def _runs(name: str) -> list[Any] | None:
    """The newest runs, for those who may see them."""
    return services().workflow_runs.page(name, _SHOWN_RUNS, None)[0] if principal().may("job:read") else None


def _page(
    stored: Workflow,
    values: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    *,
    problem: str = "",
    status: int = 200,
) -> Response:
    return pages.render(
        "workflow.html",
        status,
        workflow=stored,
        layers=layers(stored.nodes),
        fields=form.fields_of(schema_of(stored.parameters), values),
        problems={"summary": problem or ("Some fields are invalid." if problems else ""), "fields": problems or {}},
        # a form that is sent twice makes one run
        key=key_of(values),
        can_run=stored.may_run(principal()),
        runs=_runs(stored.name),
        versions=services().workflows.versions(stored.name),
        done=_DONE.get(query.text("done"), ""),
    )


def _run_page(run: WorkflowRun, problem: str = "", status: int = 200) -> Response:
    return pages.render(
        "workflow_run.html",
        status,
        run=run,
        layers=layers(run.workflow.nodes),
        events=run.events(),
        can_retry=run.has_ended and str(run.status) in ("failed", "cancelled") and run.workflow.may_run(principal()),
        problem=problem,
        done=_DONE.get(query.text("done"), ""),
    )
