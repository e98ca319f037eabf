"""A page of GET /job out of a large ledger, against the same page out of a small one."""

from __future__ import annotations

import json
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.load import Connection, request_bytes
from benchmarks.report import Report, Row, milliseconds
from benchmarks.scale import Scale
from benchmarks.site import Site
from benchmarks.submit import AUTHORIZATION
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.new_jobs import NewJob, Stored
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Submission
from jobqueue.model.target import Target

TITLE = "A page of GET /job"
_SMALL = 1000
_CHUNK = 2000
_OPERATION = "node.hostname.get"
#: The agent that all jobs are for.
_HOST = "host0000"
_DOCUMENT = json.dumps({"operation": _OPERATION, "data": {}, "target": _HOST}, separators=(",", ":"))
#: Of this many jobs, counted back from the newest, every second is completed; the pages show these.
_FINISHED = 1000
#: Requests to one server before the other one's turn.
_BLOCK = 20
#: Filters by several fields, and milliseconds of Redis that a page of each may take.
_SEVERAL = (
    f"operation={_OPERATION}&status=completed",
    f"operation={_OPERATION}&target={_HOST}",
    f"hostname={_HOST}&operation={_OPERATION}",
    f"hostname={_HOST}&operation={_OPERATION}&status=completed,failed",
    f"operation={_OPERATION}&target={_HOST}&status=processing",
    f"operation=command.shell.execute&target={_HOST}",
)
_MOST_REDIS_MS = 20.0


def run(report: Report, scale: Scale) -> None:
    """Two servers with a ledger each, asked in turn by one client."""
    with ExitStack() as stack:
        sites = []
        for count in (_SMALL, scale.stored_jobs):
            site = stack.enter_context(Site.open())
            seconds = fill(site, count)
            report.say(f"{count:,} jobs stored in {seconds:,.0f} s, {site.used_memory() / count:,.0f} B each")
            sites.append((site, count))
        places = []
        for site, count in sites:
            url = stack.enter_context(site.api(1))
            places.append((url, stack.enter_context(Connection(url)), count))
        for title, query, most in (
            ("first page", "", 1.3),
            ("status=completed", "?status=completed", 1.3),
            ("status=submitted", "?status=submitted", 1.3),
            (f"operation={_OPERATION}", f"?operation={_OPERATION}", None),
            ("in the middle, by offset", "?offset={middle}", None),
        ):
            _compare(report, scale, places, title, query, most)
        for query in _SEVERAL:
            _cost(report, sites[-1][0], places[-1], query)


def _compare(
    report: Report,
    scale: Scale,
    places: list[tuple[str, Connection, int]],
    title: str,
    query: str,
    most: float | None,
) -> None:
    times: list[list[float]] = [[], []]
    requests = [
        request_bytes(url, "GET", "/job" + query.format(middle=count // 2), headers=AUTHORIZATION)
        for url, _, count in places
    ]
    for (_, connection, count), request in zip(places, requests, strict=True):
        page = json.loads(connection.ask(request, 200))
        assert len(page["items"]) == 10, page
        assert sum(page["status_counts"].values()) == count, page["status_counts"]
    for _ in range(0, scale.pages, _BLOCK):
        for (_, connection, _), request, taken in zip(places, requests, times, strict=True):
            for _ in range(_BLOCK):
                started = time.perf_counter()
                connection.ask(request, 200)
                taken.append(time.perf_counter() - started)
    small, large = map(statistics.median, times)
    report.add(
        Row(
            f"{title}, {places[1][2]:,} jobs : {_SMALL:,}",
            milliseconds(large),
            milliseconds(small),
            large / small,
            most=most,
            values={"ours": large, "peer": small},
        )
    )


def _cost(report: Report, site: Site, place: tuple[str, Connection, int], query: str) -> None:
    """What one page costs Redis: its CPU time, however long the request takes."""
    url, connection, count = place
    request = request_bytes(url, "GET", f"/job?{query}", headers=AUTHORIZATION)
    page = json.loads(connection.ask(request, 200))
    before = _redis_seconds(site)
    for _ in range(_BLOCK):
        connection.ask(request, 200)
    each = (_redis_seconds(site) - before) * 1000 / _BLOCK
    found = f"{'>= ' if page['is_least'] else ''}{page['total_items']:,}"
    report.add(
        Row(
            f"Redis, {query}, {count:,} jobs",
            f"{each:.2f} ms",
            f"{found} found",
            each / _MOST_REDIS_MS,
            most=1.0,
            values={"redis_ms": each, "total": page["total_items"], "is_least": page["is_least"]},
        )
    )


def _redis_seconds(site: Site) -> float:
    used = site.redis.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


def fill(site: Site, count: int) -> float:
    """Store jobs by the ledger's own calls; returns the seconds that it took. The messages stay unsent."""
    started = time.perf_counter()
    site.register_agents(1)
    target = Target.parse(site.ledger.agents.hostnames()[0])
    created = _create(site, target, count)
    recent: list[str] = []
    for job_id in created:
        recent.append(job_id)
        if len(recent) > 2 * _FINISHED:
            del recent[:_FINISHED]
    for job_id in recent[-_FINISHED::2]:
        claim = site.ledger.executions.claim(job_id, target.text, target.text, "token")
        assert isinstance(claim, Claim), claim
        site.ledger.executions.finish(claim, ExecutionState.COMPLETED, out='{"data":{"hostname":"a"},"changed":false}')
    return time.perf_counter() - started


def _create(site: Site, target: Target, count: int) -> Iterator[str]:
    submission = Submission(_OPERATION, target=target.text, priority=0)
    for first in range(0, count, _CHUNK):
        jobs = [
            NewJob(
                str(uuid.uuid4()),
                _DOCUMENT,
                submission,
                target,
                is_idempotent=True,
            )
            for _ in range(min(_CHUNK, count - first))
        ]
        for answer in site.ledger.new_jobs.create_many(jobs, ""):
            if not isinstance(answer, Stored):
                raise answer
            yield answer.accepted.job_id
