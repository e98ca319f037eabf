"""The list of jobs, newest first."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from flask import Blueprint, Response

from api import validation
from api.blueprint import read_query
from api.context import services
from api.native.fields import show_cursor
from api.native.requests import job_filter
from api.ray import mapping, yuanrong
from api.ray.schemas import RayJobQuery
from api.ray.status import SOURCES, RayStatus, status_of
from api.responses import json_response
from jobqueue.model.filter import MAX_LIMIT, JobFilter
from jobqueue.model.job import Job

blueprint = Blueprint("ray_listing", __name__)

#: The header with the page's cursor: the body is a bare list.
CURSOR_HEADER = "X-Next-Cursor"

_query = RayJobQuery()


@blueprint.get("/api/jobs/")
def list_jobs() -> Response:
    """Ray's list, which openYuanrong's client asks for as well."""
    return _answer(mapping.details if yuanrong.is_kuberay() else mapping.listed)


@blueprint.get("/api/jobs")
def list_jobs_yuanrong() -> Response:
    """openYuanrong's list, as it documents it."""
    return _answer(mapping.details_for_yuanrong)


def _answer(show: Callable[[Job], mapping.Document]) -> Response:
    loaded = validation.load(_query, read_query())
    job_filter, status = _job_filter(loaded)
    # one more than asked for: whether there is a next page
    matching = list(islice(_matching(job_filter, status), loaded["offset"], loaded["offset"] + loaded["limit"] + 1))
    jobs, left_out = matching[: loaded["limit"]], matching[loaded["limit"] :]
    headers = {CURSOR_HEADER: str(show_cursor(jobs[-1].created))} if left_out else {}
    return json_response([show(job) for job in jobs], 200, headers)


def _job_filter(loaded: dict[str, Any]) -> tuple[JobFilter, RayStatus | None]:
    status = RayStatus(loaded["status"]) if "status" in loaded else None
    own = {name: value for name, value in loaded.items() if name != "status"}
    return replace(job_filter({**own, "view": "full"}), offset=0), status


def _matching(job_filter: JobFilter, status: RayStatus | None) -> Iterator[Job]:
    """All jobs that match, newest first, fetched page by page: no request holds the ledger or this process for long."""
    if status is None:
        return _pages(job_filter)
    sources = [_pages(replace(job_filter, status=source)) for source in SOURCES[status]]
    merged = heapq.merge(*sources, key=lambda job: job.created, reverse=True)
    return (job for job in _once(merged) if status_of(job) is status)


def _pages(job_filter: JobFilter) -> Iterator[Job]:
    cursor = job_filter.cursor
    while True:
        page = services().jobs.page(replace(job_filter, cursor=cursor, limit=MAX_LIMIT))
        yield from page.items
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def _once(jobs: Iterator[Job]) -> Iterator[Job]:
    """Remove duplicates: a job whose status changed during the fetch may be in two lists."""
    last = ""
    for job in jobs:
        if job.id != last:
            yield job
        last = job.id
