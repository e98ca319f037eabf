"""The list of jobs, with filters and pages, and the search by id, name or text."""

from __future__ import annotations

import re
from dataclasses import replace

import flask
from flask import Response

from api.context import services
from api.dashboard import job_list_query, pages, query
from api.dashboard.blueprint import PREFIX, blueprint
from api.dashboard.job_list_query import COLUMNS, RANGES, SIZES, JobListQuery
from api.dashboard.sorting import ordered
from api.native import mapping, requests
from api.native.fields import show_cursor
from jobqueue.errors import InvalidInput, JobNotFound
from jobqueue.ledger.job_index import LOOKED_THROUGH
from jobqueue.model.filter import JobFilter
from jobqueue.model.job_search import JobSearch
from jobqueue.model.job_summary import JobSummaryPage

#: The shortest prefix of an id; the list shows eight characters.
_LEAST = 4
_BEGINNING = re.compile(rf"[0-9A-Fa-f][0-9A-Fa-f-]{{{_LEAST - 1},35}}")


@blueprint.get(f"{PREFIX}/jobs")
def jobs() -> Response:
    """One page of the list; with ``q`` alone, the job with that id or name, or the jobs that contain that text."""
    list_query = job_list_query.read()
    missing = ""
    if list_query.is_lookup:
        job_ids, missing = _look_for(list_query.filters["q"], list_query.size)
        if len(job_ids) == 1:
            return flask.make_response(flask.redirect(pages.link(f"{PREFIX}/jobs/{job_ids[0]}"), 303))
        if job_ids:
            return _several(list_query)
    try:
        job_filter, search = list_query.parsed()
        page = services().jobs.summaries(job_filter) if search.is_empty else _searched(job_filter, search)
    except InvalidInput as error:
        page = replace(services().jobs.summaries(JobFilter(limit=1)), items=(), total=0, next_cursor=None)
        return _render(list_query, page, problem=error.message)
    if search.is_empty:
        return _render(list_query, page)
    if list_query.is_lookup and not page.items and page.next_cursor is None:
        nothing = replace(list_query, filters={**list_query.filters, "q": ""})
        return _render(nothing, services().jobs.summaries(JobFilter(limit=list_query.size)), missing=missing)
    return _render(list_query, page, note=_search_note(list_query, page))


def _render(
    list_query: JobListQuery, page: JobSummaryPage, *, problem: str = "", missing: str = "", note: str = ""
) -> Response:
    is_whole = (
        not list_query.offset and not list_query.cursor and len(page.items) >= page.total and page.next_cursor is None
    )
    after = list_query.offset + len(page.items)
    older = newer = ""
    if note:  # a search: by cursor
        if page.next_cursor is not None:
            older = query.with_changes(cursor=show_cursor(page.next_cursor), done=None)
        newer = query.with_changes(cursor=None, done=None) if list_query.cursor else ""
    else:
        if page.items and after < page.total:
            older = query.with_changes(offset=after, q=None, cursor=None)
        if list_query.offset:
            newer = query.with_changes(offset=max(0, list_query.offset - list_query.size) or None, q=None, cursor=None)
    # what lists of summaries leave out is read for the rows of this page only
    read = services().jobs.read_many([job.id for job in page.items])
    return pages.render(
        "jobs.html",
        400 if problem else 404 if missing else 200,
        page=replace(page, items=ordered(page.items, COLUMNS, list_query.order)),
        details={job_id: (job.error, job.submitted_by) for job_id, job in read.items()},
        counts=mapping.status_counts(page.status_counts),
        list_query=list_query,
        filters=list_query.filters,
        is_filtered=any(value for name, value in list_query.filters.items() if name != "status"),
        operations=[info.type for info in services().registry.infos()],
        ranges=tuple(RANGES),
        sizes=SIZES,
        problem=problem,
        missing=missing,
        note=note,
        is_whole=is_whole,
        first=list_query.offset + 1 if page.items else 0,
        last=after,
        newer=newer,
        older=older,
        query_with=query.with_changes,
    )


def _look_for(words: str, most: int) -> tuple[list[str], str]:
    """Ids of the matching jobs, and a message if none matches."""
    try:
        return [services().jobs.find(words.lower() if _is_uuid(words) else words).id], ""
    except JobNotFound:
        unknown = f"No job has the id or the name “{words}”"
    if not _BEGINNING.fullmatch(words):
        return [], f"{unknown}. Give the full id or name, or at least the first {_LEAST} characters of an id."
    items, _, is_all = services().jobs.starting(words.lower(), most)
    among = (
        "no id starts with it"
        if is_all
        else f"none of the newest {LOOKED_THROUGH:,} jobs has an id that starts with it"
    )
    return [item.id for item in items], f"{unknown}, and {among}."


def _several(list_query: JobListQuery) -> Response:
    """The jobs whose ids have this prefix, to choose from."""
    beginning = list_query.filters["q"].lower()
    items, total, is_all = services().jobs.starting(beginning, list_query.size)
    counts = services().jobs.counts()
    page = JobSummaryPage(items, total, counts)
    searched = "" if is_all else f" among the newest {LOOKED_THROUGH:,}"
    return _render(list_query, page, note=f"{total:,} jobs begin with {beginning}{searched}.")


def _searched(job_filter: JobFilter, search: JobSearch) -> JobSummaryPage:
    """The newest jobs that match a search; the total is that of the page."""
    matches = services().jobs.search(job_filter, search)
    items = services().jobs.summaries_of([job.id for job in matches.items])
    return JobSummaryPage(items, len(items), services().jobs.counts(), matches.next_cursor, matches.is_least)


def _search_note(list_query: JobListQuery, page: JobSummaryPage) -> str:
    text = list_query.filters["q"]
    subject = f"Jobs that contain “{text}”" if text else "Jobs found"
    more = "; older jobs have not been searched yet: the next page continues" if page.next_cursor is not None else ""
    return f"{subject}: {len(page.items):,}{more}."


def _is_uuid(text: str) -> bool:
    try:
        requests.job_id(text)
    except InvalidInput:
        return False
    return True
