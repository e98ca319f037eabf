"""One job: what each agent made of it, when, and what it printed; retry, cancel, delete."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby

import flask
from flask import Response, request

from api import audit, errors
from api.context import principal, services
from api.dashboard import answers, bars, pages, posted, query
from api.dashboard.blueprint import PREFIX, blueprint
from api.dashboard.snippets import snippets
from api.native import requests
from jobqueue.errors import InvalidInput, JobQueueError
from jobqueue.model.answers import rank
from jobqueue.model.job import Job
from jobqueue.model.output import OutputPage
from jobqueue.model.states import FAILURES, ExecutionState
from jobqueue.model.target import ALL, NO_HOST
from jobqueue.services.output import MAX_FOLLOWED_HOSTS

_EVENTS = 200
#: What the page says after an action, by the parameter ``done``.
DONE = {
    "submitted": "The job was submitted.",
    "repeated": "This form had been sent before; here is the job that it made.",
    "retried": "The job was submitted again; this is the new one.",
    "cancelled": "The job was asked to stop.",
}


@blueprint.get(f"{PREFIX}/jobs/<job_id>")
def job(job_id: str) -> Response:
    """The page of a job."""
    return _page(services().jobs.get(requests.job_id(job_id)))


@blueprint.get(f"{PREFIX}/jobs/<job_id>/output")
def output(job_id: str) -> Response:
    """All that one of its executions printed, as plain text."""
    found = requests.job_id(job_id)
    host = query.text("host") or None
    # a page of ours must not be made of what a program printed, whatever it looks like
    headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
    content_type = "text/plain; charset=utf-8"
    if host == ALL:
        lines = flask.stream_with_context(_prefixed(services().output.everything(found)))
        return Response(lines, headers=headers, content_type=content_type)
    page = services().output.page(found, host)
    text = bytearray()
    while page.chunks:
        text += b"".join(chunk.data for chunk in page.chunks)
        page = services().output.page(found, host, page.next_offset)
    return Response(bytes(text), headers=headers, content_type=content_type)


def _prefixed(output: Iterable[OutputPage]) -> Iterator[bytes]:
    """Each line of output behind its agent."""
    for host, pages_of_host in groupby(output, key=lambda page: page.hostname):
        text = b"".join(chunk.data for page in pages_of_host for chunk in page.chunks)
        for line in text.splitlines():
            yield host.encode() + b" | " + line + b"\n"


@blueprint.post(f"{PREFIX}/jobs/<job_id>/retry")
def retry(job_id: str) -> Response:
    """Submit it again: all of it, or only where it failed."""
    found = requests.job_id(job_id)
    only = frozenset(FAILURES) if posted.form().get("only") == "failed" else None
    try:
        accepted = services().retry(found, only=only, principal=principal())
    except JobQueueError as error:
        return _refused(found, error)
    audit.note(job=accepted.job_id)
    return _go(f"{PREFIX}/jobs/{accepted.job_id}?done=retried")


@blueprint.post(f"{PREFIX}/jobs/<job_id>/cancel")
def cancel(job_id: str) -> Response:
    """Stop it."""
    found = requests.job_id(job_id)
    try:
        services().jobs.cancel(found, f"by {principal()}")
    except JobQueueError as error:
        return _refused(found, error)
    return _go(f"{PREFIX}/jobs/{found}?done=cancelled")


@blueprint.post(f"{PREFIX}/jobs/<job_id>/delete")
def delete(job_id: str) -> Response:
    """Remove it and all of it."""
    found = requests.job_id(job_id)
    try:
        services().jobs.delete(found, principal())
    except JobQueueError as error:
        return _refused(found, error)
    return _go(f"{PREFIX}/jobs?done=deleted")


def _page(found: Job, problem: str = "", status: int = 200) -> Response:
    arranged = answers.arrange(found.executions)
    hosts = [answers.host_of(x) for x in found.executions]
    wanted = query.text("host")
    can_follow_all = 1 < len(hosts) <= MAX_FOLLOWED_HOSTS
    host = wanted if wanted in hosts or (wanted == ALL and can_follow_all) else _talking(found)
    show_all = query.text("bars") == "all"
    timeline = found.timeline
    return pages.render(
        "job.html",
        status,
        job=found,
        problem=problem,
        done=DONE.get(query.text("done"), ""),
        answers=arranged,
        is_single=len(found.executions) == 1,
        named=answers.NAMED,
        bars=bars.draw(found, pages.now(), None if show_all else bars.FEW),
        bars_width=bars.WIDTH,
        all_bars=query.with_changes(bars="all", done=None) + "#timeline",
        events=timeline[-_EVENTS:],
        events_left_out=max(0, len(timeline) - _EVENTS),
        data=json.dumps(found.data, indent=2, ensure_ascii=False),
        snippets=snippets(found, request.url_root.rstrip("/")),
        hosts=sorted(host for host in hosts if host not in NO_HOST),
        output_host=host,
        all_hosts=ALL if can_follow_all else "",
        can_retry=found.status.is_final,
        retry_question=_retry_question(found),
        can_retry_failed=found.is_broadcast and any(x.state in FAILURES for x in found.executions),
    )


def _retry_question(found: Job) -> str:
    """Asked before a retry that touches several hosts, or one that has completed the job; empty for any other."""
    completed = sum(x.state is ExecutionState.COMPLETED for x in found.executions)
    if len(found.executions) == 1:
        return "Run this job again, though it has completed?" if completed else ""
    again = f", {completed:,} of which have completed it" if completed else ""
    return f"Run this job again on {len(found.executions):,} agents{again}?"


def _talking(found: Job) -> str:
    """Whose output is shown first: of a failed execution, else of one that runs, else of any that began."""
    begun = [x for x in found.executions if x.hostname and (x.started or x.state is ExecutionState.STARTED)]
    return min(begun, key=lambda x: rank(x.state.value)).hostname if begun else ""


def _refused(job_id: str, error: JobQueueError) -> Response:
    """The job's page with the reason on it, where there still is one."""
    status = errors.status_of(error)
    if status in (404, 500, 503) or isinstance(error, InvalidInput):
        raise error
    if not principal().may("job:read"):
        raise error
    return _page(services().jobs.get(job_id), error.message, status)


def _go(path: str) -> Response:
    return flask.make_response(flask.redirect(pages.link(path), 303))
