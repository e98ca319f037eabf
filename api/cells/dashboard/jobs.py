"""The list of the jobs of all cells, with filters and pages, and the search by id or text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import flask
from flask import Response

from api.cells.context import front
from api.cells.dashboard import documents
from api.cells.dashboard.blueprint import blueprint
from api.context import services
from api.dashboard import job_list_query, pages, query
from api.dashboard.blueprint import PREFIX
from api.dashboard.job_list_query import COLUMNS, RANGES, SIZES, JobListQuery
from api.dashboard.sorting import ordered
from api.native import requests
from jobqueue.errors import InvalidInput, JobNotFound
from jobqueue.model.job_summary import JobSummaryPage
from jobqueue.model.states import JobStatus

#: A front's cursor holds one of each cell.
_LONGEST_CURSOR = 16_000
Document = dict[str, Any]


@blueprint.get(f"{PREFIX}/jobs")
def jobs() -> Response:
    """One page of the list; with ``q`` alone, the job with that id, or the jobs that contain that text."""
    list_query = job_list_query.read(_LONGEST_CURSOR)
    job_id = _id(list_query)
    if job_id:
        try:
            front().jobs.get(job_id)
            return flask.make_response(flask.redirect(pages.link(f"{PREFIX}/jobs/{job_id}"), 303))
        except JobNotFound:
            pass
    try:
        parameters = list_query.parameters()
        job_list_query.check(parameters)
        page = front().jobs.page(parameters, list_query.cursor or None, list_query.size)
    except InvalidInput as error:
        page = front().jobs.page({"view": "summary"}, None, 1)
        return _render(list_query, {**page, "items": [], "next_cursor": None}, problem=error.message)
    return _render(list_query, page)


def cells_of(items: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """The cell of each job, and the id of the job of which it is a part."""
    return {item["id"]: (item["cell"], documents.text(item.get("parent"))) for item in items}


def _details(item: Mapping[str, Any]) -> tuple[str, str]:
    """The error of a job, and who submitted it."""
    return documents.text(item.get("error")), documents.text(item.get("submitted_by"))


def status_counts(page: Mapping[str, Any]) -> dict[str, int]:
    """Jobs by status, zero included."""
    return {status.value: page["status_counts"].get(status.value, 0) for status in JobStatus}


def _id(list_query: JobListQuery) -> str:
    if not list_query.is_lookup:
        return ""
    try:
        return requests.job_id(list_query.filters["q"].lower())
    except InvalidInput:
        return ""


def _render(list_query: JobListQuery, page: Document, *, problem: str = "") -> Response:
    items = tuple(map(documents.summary, page["items"]))
    counts = status_counts(page)
    older = query.with_changes(cursor=page["next_cursor"], done=None) if page["next_cursor"] else ""
    shown = JobSummaryPage(
        ordered(items, COLUMNS, list_query.order), page["total_items"], {}, is_least=page["is_least"] or page["partial"]
    )
    return pages.render(
        "jobs.html",
        400 if problem else 200,
        page=shown,
        details={item["id"]: _details(item) for item in page["items"]},
        cells=cells_of(page["items"]),
        sections=page["cells"],
        counts=counts,
        list_query=list_query,
        filters=list_query.filters,
        is_filtered=any(value for name, value in list_query.filters.items() if name != "status"),
        operations=[info.type for info in services().registry.infos()],
        ranges=tuple(RANGES),
        sizes=SIZES,
        problem=problem,
        missing="",
        note="",
        is_whole=not list_query.cursor and page["next_cursor"] is None,
        first=1 if items else 0,
        last=len(items),
        newer=query.with_changes(cursor=None, done=None) if list_query.cursor else "",
        older=older,
        query_with=query.with_changes,
    )
