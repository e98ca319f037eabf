"""One job: the result, times and output of each agent; retry, cancel, delete."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import flask
from flask import Response, request

from api import audit, errors
from api.context import principal, services
from api.dashboard import answers, bars, comparison, lanes, pages, posted, query
from api.dashboard.blueprint import PREFIX, blueprint
from api.dashboard.snippets import snippets
from api.native import requests
from jobqueue.errors import InvalidInput, JobNotFound, JobQueueError
from jobqueue.ledger.jobs import SHOWN_EXECUTIONS
from jobqueue.model.answers import rank
from jobqueue.model.execution_page import MAX_LIMIT, ExecutionFilter, answering_agent
from jobqueue.model.fetched_file import FETCH_PERMISSION
from jobqueue.model.job import Job
from jobqueue.model.output import OutputPage
from jobqueue.model.states import FAILURES, ExecutionState
from jobqueue.model.target import ALL, NO_HOST
from jobqueue.services.jobs import awaits_first_approval
from jobqueue.services.output import MAX_FOLLOWED_HOSTS

_EVENTS = 200
_NOT_STORED_YET = (
    "Job {} is not stored: the ledger (Redis) did not confirm it in time. Reload this page in a moment; submit the job "
    "again only if it is still missing after a minute."
)
#: The page's message after an action, by the parameter ``done``.
DONE = {
    "submitted": "The job was submitted.",
    "repeated": "This form was sent before; this is the job that it created.",
    "unconfirmed": "The ledger had not confirmed the job in time; it is stored.",
    "retried": "The job was submitted again; this is the new one.",
    "cancelled": "The job is being cancelled.",
    "paused": "The rollout is paused. Executions that have been opened continue.",
    "resumed": "The rollout continues.",
    "approved": "The next batch is being opened.",
    "aborted": "The rollout was aborted. Executions that have been opened continue.",
}


@blueprint.get(f"{PREFIX}/jobs/<job_id>")
def job(job_id: str) -> Response:
    """The page of a job."""
    try:
        job = _read(requests.job_id(job_id))
    except JobNotFound as error:
        if query.text("done") == "unconfirmed":
            raise JobNotFound(_NOT_STORED_YET.format(job_id)) from error
        raise
    return _page(job)


@blueprint.get(f"{PREFIX}/jobs/<job_id>/output")
def output(job_id: str) -> Response:
    """All that one of its executions printed, as plain text."""
    job_id = requests.job_id(job_id)
    host = query.text("host") or None
    # the output of a program must never run as a page of the dashboard
    headers = {"Content-Security-Policy": "default-src 'none'; sandbox"}
    content_type = "text/plain; charset=utf-8"
    if host == ALL:
        lines = flask.stream_with_context(_prefixed(services().output.everything(job_id)))
        return Response(lines, headers=headers, content_type=content_type)
    page = services().output.page(job_id, host)
    text = bytearray()
    while page.chunks:
        text += b"".join(chunk.data for chunk in page.chunks)
        page = services().output.page(job_id, host, page.next_offset)
    return Response(bytes(text), headers=headers, content_type=content_type)


def _prefixed(output: Iterable[OutputPage]) -> Iterator[bytes]:
    """Each line of output after its agent's name."""
    for host, pages_of_host in groupby(output, key=lambda page: page.hostname):
        text = b"".join(chunk.data for page in pages_of_host for chunk in page.chunks)
        for line in text.splitlines():
            yield host.encode() + b" | " + line + b"\n"


@blueprint.post(f"{PREFIX}/jobs/<job_id>/retry")
def retry(job_id: str) -> Response:
    """Submit it again: all of it, or only where it failed."""
    job_id = requests.job_id(job_id)
    only = frozenset(FAILURES) if posted.form().get("only") == "failed" else None
    try:
        accepted = services().retrier.retry(job_id, only=only, principal=principal())
    except JobQueueError as error:
        return refused(job_id, error)
    audit.note(job=accepted.job_id)
    return go(f"{PREFIX}/jobs/{accepted.job_id}?done={'retried' if accepted.is_confirmed else 'unconfirmed'}")


@blueprint.post(f"{PREFIX}/jobs/<job_id>/cancel")
def cancel(job_id: str) -> Response:
    """Stop it."""
    job_id = requests.job_id(job_id)
    try:
        services().jobs.cancel(job_id, f"by {principal()}")
    except JobQueueError as error:
        return refused(job_id, error)
    return go(f"{PREFIX}/jobs/{job_id}?done=cancelled")


@blueprint.post(f"{PREFIX}/jobs/<job_id>/delete")
def delete(job_id: str) -> Response:
    """Remove it and all of it."""
    job_id = requests.job_id(job_id)
    try:
        services().jobs.delete(job_id, principal())
    except JobQueueError as error:
        return refused(job_id, error)
    return go(f"{PREFIX}/jobs?done=deleted")


def _read(job_id: str) -> Job:
    """The job; without its executions if ``_part`` reads a page of them. Raises ``JobNotFound``, ``RecordAltered``."""
    head = services().jobs.head(job_id)
    return head if _is_paged(head) else services().jobs.get(job_id)


def _is_paged(job: Job) -> bool:
    """Whether the page shows a part of the executions: of a large job, or by state."""
    return job.is_broadcast and (job.total > SHOWN_EXECUTIONS or bool(_states()))


def _states() -> tuple[ExecutionState, ...]:
    """The state that the query asks for, as a filter; empty: all."""
    return tuple(state for state in ExecutionState if state.value == query.text("state"))


def _page(job: Job, problem: str = "", status: int = 200) -> Response:
    part = _part(job)
    return render(
        part,
        problem=problem,
        status=status,
        paused_by=services().pauses.of_job(job),
        rollout=job.rollout_progress,
        awaits_first=awaits_first_approval(job),
        lanes=lanes.draw(job.rollout_progress),
        has_files=services().fetched_files.sends_files(job.operation) and principal().may_somewhere(FETCH_PERMISSION),
    )


def render(
    part: Part, *, problem: str = "", status: int = 200, is_followed_whole: bool = True, **values: Any
) -> Response:
    """The page of a job. ``is_followed_whole``: the output of all its hosts can be followed at once."""
    job = part.job
    arranged = answers.arrange(job.executions)
    hosts = [answering_agent(execution) for execution in job.executions]
    requested = query.text("host", 253)
    can_follow_all = is_followed_whole and 1 < len(hosts) <= MAX_FOLLOWED_HOSTS and not job.left_out
    is_known = (
        requested in hosts
        or (requested == ALL and can_follow_all)
        or bool(requested and requested != ALL and job.left_out)
    )
    host = requested if is_known else _talking(job)
    show_all = query.text("bars") == "all"
    timeline = job.timeline
    defaults: dict[str, Any] = {
        "done": DONE.get(query.text("done"), ""),
        "can_retry": job.status.is_final,
        "live_ids": job.id,
        "snippets": snippets(job, request.url_root.rstrip("/")),
    }
    return pages.render(
        "job.html",
        status,
        job=job,
        problem=problem,
        lane_width=lanes.WIDTH,
        answers=arranged,
        running_steps=answers.running_steps(job.executions),
        comparison=comparison.read(arranged),
        kept={name: query.text(name) for name in ("state", "first", "bars", "host") if query.text(name)},
        is_single=(job.total or len(job.executions)) == 1,
        agents=job.total or len(job.executions),
        counts=part.counts or arranged.counts,
        part=part,
        query_with=query.with_changes,
        named=answers.NAMED,
        bars=bars.draw(job, pages.now(), None if show_all else bars.FEW),
        bars_width=bars.WIDTH,
        all_bars=query.with_changes(bars="all", done=None) + "#timeline",
        events=timeline[-_EVENTS:],
        events_left_out=max(0, len(timeline) - _EVENTS),
        data=json.dumps(job.data, indent=2, ensure_ascii=False),
        hosts=sorted(host for host in hosts if host not in NO_HOST),
        output_host=host,
        all_hosts=ALL if can_follow_all else "",
        retry_question=_retry_question(job),
        can_retry_failed=job.is_broadcast and any(state in FAILURES for state, _ in part.counts or arranged.counts),
        **{**defaults, **values},
    )


@dataclass(frozen=True)
class Part:
    """The executions that the page shows: ``job`` has only these, ``counts`` are those of the whole job.

    ``following`` and ``before`` are the queries of the other parts, empty if there are none.
    """

    job: Job
    counts: tuple[tuple[str, int], ...]
    state: str = ""
    is_all: bool = True
    following: str = ""
    before: str = ""


def counted(job: Job) -> tuple[tuple[str, int], ...]:
    """The numbers of executions by state, failures first."""
    return tuple(sorted(((str(state), count) for state, count in job.counts.items()), key=lambda pair: rank(pair[0])))


def _part(job: Job) -> Part:
    """All executions, or of a large job or by state a page of them."""
    counts = counted(job)
    # executions that did not fit into one answer of the ledger are left out of a smaller job, too
    if not job.is_broadcast or not (job.left_out or _is_paged(job)):
        return Part(job, counts)
    states = _states()
    first = query.number("first", 0, job.total)
    page = services().jobs.executions.page(job.id, ExecutionFilter(states, first, MAX_LIMIT))
    following = query.with_changes(first=page.next_first, done=None) if page.next_first is not None else ""
    before = query.with_changes(first=None, done=None) if first else ""
    # the head of a job of which a part may be seen ends when it began
    ends = [event.at for execution in page.items for event in execution.events]
    shown = replace(job, executions=page.items, updated=max([job.updated, *ends]))
    return Part(shown, counts, states[0].value if states else "", False, following, before)


def _retry_question(job: Job) -> str:
    """Asked before a retry that touches several hosts, or one that has completed the job; empty for any other."""
    agents = len(job.executions) + job.left_out
    completed = (
        job.counts.get(ExecutionState.COMPLETED, 0)
        if job.left_out
        else sum(execution.state is ExecutionState.COMPLETED for execution in job.executions)
    )
    if agents == 1:
        return "Run this job again, though it has completed?" if completed else ""
    again = f", {completed:,} of which have completed it" if completed else ""
    return f"Run this job again on {agents:,} agents{again}?"


def _talking(job: Job) -> str:
    """The execution whose output is shown first: a failed one, else a running one, else any that has started."""
    begun = [
        execution
        for execution in job.executions
        if execution.hostname and (execution.started or execution.state is ExecutionState.STARTED)
    ]
    return min(begun, key=lambda x: rank(x.state.value)).hostname if begun else ""


def refused(job_id: str, error: JobQueueError) -> Response:
    """The job's page with the reason on it, where there still is one."""
    status = errors.status_of(error)
    if status in (404, 500, 503) or isinstance(error, InvalidInput):
        raise error
    if not principal().may_somewhere("job:read"):
        raise error
    return _page(_read(job_id), error.message, status)


def go(path: str) -> Response:
    return flask.make_response(flask.redirect(pages.link(path), 303))
