"""One job of a front: its parts, and the answers, times and output of all its hosts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from flask import Response

from api import errors
from api.cells.context import front
from api.cells.dashboard import documents
from api.cells.dashboard.blueprint import blueprint
from api.cells.jobs import retried
from api.context import principal
from api.dashboard import job as page
from api.dashboard import posted, query
from api.dashboard.blueprint import PREFIX
from api.native import requests
from jobqueue.errors import InvalidInput, JobQueueError
from jobqueue.model.job import Job
from jobqueue.model.states import FAILURES

Document = dict[str, Any]
#: Bytes of output that one page shows: more than an agent stores by default.
_MOST_OUTPUT_BYTES = 64 * 1024**2
_SEE_OTHER = 303


@blueprint.get(f"{PREFIX}/jobs/<job_id>")
def job(job_id: str) -> Response:
    """The page of a job."""
    return _page(front().jobs.get(requests.job_id(job_id)))


@blueprint.get(f"{PREFIX}/jobs/<job_id>/output")
def output(job_id: str) -> Response:
    """All that one of its executions printed, as plain text."""
    job_id, host = requests.job_id(job_id), query.text("host")
    # the output of a program must never run as a page of the dashboard
    headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
    return Response(b"".join(_output(job_id, host)), headers=headers, content_type="text/plain; charset=utf-8")


@blueprint.post(f"{PREFIX}/jobs/<job_id>/retry")
def retry(job_id: str) -> Response:
    """Submit it again in its cells: all of it, or only where it failed."""
    job_id = requests.job_id(job_id)
    body = {"only": sorted(state.value for state in FAILURES)} if posted.form().get("only") == "failed" else {}
    try:
        accepted = retried(job_id, body, _SEE_OTHER)
    except JobQueueError as error:
        return _refused(job_id, error)
    return page.go(f"{PREFIX}/jobs/{requests.job_id(accepted['job_id'])}?done=retried")


@blueprint.post(f"{PREFIX}/jobs/<job_id>/cancel")
def cancel(job_id: str) -> Response:
    """Stop it in all its cells."""
    job_id = requests.job_id(job_id)
    try:
        front().jobs.cancel(job_id, f"by {principal()}")
    except JobQueueError as error:
        return _refused(job_id, error)
    return page.go(f"{PREFIX}/jobs/{job_id}?done=cancelled")


@blueprint.post(f"{PREFIX}/jobs/<job_id>/delete")
def delete(job_id: str) -> Response:
    """Remove it, and its parts."""
    job_id = requests.job_id(job_id)
    try:
        front().jobs.delete(job_id, principal())
    except JobQueueError as error:
        return _refused(job_id, error)
    return page.go(f"{PREFIX}/jobs?done=deleted")


def _page(document: Document, problem: str = "", status: int = 200) -> Response:
    shown = documents.job(document)
    sections = document.get("cells") or ()
    parts = [section["job_id"] for section in sections if section["job_id"]]
    return page.render(
        _part(shown),
        problem=problem,
        status=status,
        is_followed_whole=len(sections) <= 1,
        paused_by=(),
        rollout=None,
        awaits_first=False,
        lanes=None,
        has_files=False,
        sections=sections,
        cell="" if sections else document["cell"],
        parent=document.get("parent"),
        live_ids=",".join([shown.id, *parts]),
    )


def _part(job: Job) -> page.Part:
    """The executions that the cells name, or those of them in the state that the query asks for."""
    state, counts = query.text("state"), page.counted(job)
    if state not in {name for name, _ in counts}:
        return page.Part(job, counts, is_all=not job.left_out)
    chosen = tuple(execution for execution in job.executions if execution.state.value == state)
    return page.Part(replace(job, executions=chosen), counts, state, is_all=False)


def _output(job_id: str, host: str) -> Iterator[bytes]:
    """The pages of the output, up to a number of bytes: a server in place of a cell may send them without end."""
    offset = sent = 0
    while sent < _MOST_OUTPUT_BYTES:
        document = front().jobs.logs(job_id, {"hostname": host, "offset": offset} if host else {"offset": offset})
        chunks = document.get("chunks") if isinstance(document, dict) else None
        if not chunks or not isinstance(chunks, list):
            return
        for chunk in chunks:
            text = documents.text(chunk.get("text")) if isinstance(chunk, dict) else ""
            encoded = text.encode("utf-8", "replace")
            sent += len(encoded)
            yield encoded
        following = document.get("next_offset")
        if type(following) is not int or following <= offset:
            return
        offset = following


def _refused(job_id: str, error: JobQueueError) -> Response:
    """The job's page with the reason on it, where there still is one."""
    status = errors.status_of(error)
    if status in (404, 500, 503) or isinstance(error, InvalidInput) or not principal().may("job:read"):
        raise error
    return _page(front().jobs.get(job_id), error.message, status)
