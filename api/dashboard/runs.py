"""Runs of Ray's and Fusion's APIs, under the names and states that those who started them know."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Response

from api.context import services
from api.dashboard import pages, query
from api.dashboard.blueprint import PREFIX, blueprint
from api.ray.status import ENTRYPOINT, status_of
from jobqueue.model.filter import JobFilter
from jobqueue.model.job import Job
from jobqueue.model.run_state import run_state
from jobqueue.services.runs import ALL_RUNS, run_id_of

_LIMIT = 25
_MOST_OFFSET = 1_000_000_000


@dataclass(frozen=True)
class Run:
    """A job, in the words of the API that it came through. ``what`` is its entrypoint, or its configuration."""

    job: Job
    name: str
    state: str
    what: str
    kind: str
    host: str
    started: int
    ended: int


@blueprint.get(f"{PREFIX}/runs")
def runs() -> Response:
    """The runs of one of the two."""
    which = "fusion" if query.text("of") == "fusion" else "ray"
    offset = query.number("offset", 0, _MOST_OFFSET)
    wanted = JobFilter(limit=_LIMIT, offset=offset)
    if which == "fusion":
        page = services().jobs.page(_with(wanted, group=ALL_RUNS))
        found = [_fusion(job) for job in page.items]
    else:
        page = services().jobs.page(_with(wanted, operation=ENTRYPOINT))
        found = [_ray(job) for job in page.items]
    last = offset + len(found)
    return pages.render(
        "runs.html",
        which=which,
        runs=found,
        total=page.total,
        first=offset + 1 if found else 0,
        last=last,
        newer=query.with_changes(offset=max(0, offset - _LIMIT) or None) if offset else "",
        older=query.with_changes(offset=last) if found and last < page.total else "",
        query_with=query.with_changes,
    )


def _with(wanted: JobFilter, *, operation: str | None = None, group: str | None = None) -> JobFilter:
    return JobFilter(operation=operation, group=group, limit=wanted.limit, offset=wanted.offset)


def _ray(job: Job) -> Run:
    return _run(job, status_of(job).value, str(job.data.get("entrypoint", "")), job.origin)


def _fusion(job: Job) -> Run:
    """What is shown of its configuration comes from its record: anybody can give a job any tags."""
    configuration = job.data if job.request is None else job.request
    what, kind = (str(configuration.get(name, "")) for name in ("id", "type"))
    if job.outside is not None and job.outside.name:
        what = f"{what} (reported by {job.submitted_by or 'a driver'})".strip()
    return _run(job, run_state(job).value, what, kind)


def _run(job: Job, state: str, what: str, kind: str) -> Run:
    started = min((x.started for x in job.executions if x.started), default=0)
    ended = max((x.finished for x in job.executions), default=0) if job.status.is_final else 0
    return Run(job, run_id_of(job), state, what, kind, job.hostname, started, ended)
