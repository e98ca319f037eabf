"""The list of jobs, with filters and pages, and the search by id, name or text."""

from __future__ import annotations

import re
from dataclasses import replace

import flask
from flask import Response

from api import validation
from api.context import services
from api.dashboard import pages, query
from api.dashboard.blueprint import PREFIX, blueprint
from api.native import mapping, requests
from api.native.schemas import JobQuery
from jobqueue.errors import InvalidInput, JobNotFound
from jobqueue.ledger.job_index import LOOKED_THROUGH
from jobqueue.model.filter import JobFilter, JobPage
from jobqueue.model.job_search import JobSearch
from jobqueue.model.job_summary import JobSummaryPage

_LIMIT = 25
_MOST_OFFSET = 1_000_000_000
#: The form's fields besides status; each is a parameter of the API too.
FILTERS = ("operation", "target", "hostname", "tag", "created_after", "created_before")
_LONGEST_NAME = 512
#: The shortest prefix of an id; the list shows eight characters.
_LEAST = 4
_BEGINNING = re.compile(rf"[0-9A-Fa-f][0-9A-Fa-f-]{{{_LEAST - 1},35}}")

_query = JobQuery()


@blueprint.get(f"{PREFIX}/jobs")
def jobs() -> Response:
    """One page of the list; with ``q``, the job with that id or name, or the jobs that contain that text."""
    words = query.text("q", _LONGEST_NAME)
    missing = ""
    if words:
        job_page, missing = _look_for(words)
        if len(job_page) == 1:
            return flask.make_response(flask.redirect(pages.link(f"{PREFIX}/jobs/{job_page[0]}"), 303))
        if job_page:
            return _several(words.lower())
        matching = services().jobs.search(JobFilter(limit=_LIMIT), JobSearch(text=words))
        if matching.items:
            return _matching(words, matching)
    filters = {name: query.text(name) for name in ("status", *FILTERS)}
    offset = query.number("offset", 0, _MOST_OFFSET)
    problem = ""
    try:
        page = services().jobs.summaries(_filter(filters, offset))
    except InvalidInput as error:
        problem = error.message
        page = replace(services().jobs.summaries(JobFilter(limit=1)), items=(), total=0)
    return _render(page, filters, problem=problem, missing=missing, offset=offset)


def _render(
    page: JobSummaryPage,
    filters: dict[str, str],
    *,
    problem: str = "",
    missing: str = "",
    note: str = "",
    offset: int = 0,
) -> Response:
    return pages.render(
        "jobs.html",
        400 if problem else 404 if missing else 200,
        page=page,
        counts=mapping.status_counts(page.status_counts),
        filters=filters,
        filter_names=FILTERS,
        operations=[info.type for info in services().registry.infos()],
        problem=problem,
        missing=missing,
        note=note,
        offset=offset,
        first=offset + 1 if page.items else 0,
        last=offset + len(page.items),
        newer=query.with_changes(offset=max(0, offset - _LIMIT) or None, q=None) if offset else "",
        older="" if note else _older(page, offset),
        query_with=query.with_changes,
    )


def _look_for(words: str) -> tuple[list[str], str]:
    """Ids of the matching jobs, and a message if none matches."""
    try:
        return [services().jobs.find(words.lower() if _is_uuid(words) else words).id], ""
    except JobNotFound:
        unknown = f"No job has the id or the name “{words}”"
    if not _BEGINNING.fullmatch(words):
        return [], f"{unknown}. Give the full id or name, or at least the first {_LEAST} characters of an id."
    items, _, is_all = services().jobs.starting(words.lower(), _LIMIT)
    among = (
        "no id starts with it"
        if is_all
        else f"none of the newest {LOOKED_THROUGH:,} jobs has an id that starts with it"
    )
    return [item.id for item in items], f"{unknown}, and {among}."


def _several(beginning: str) -> Response:
    """The jobs whose ids have this prefix, to choose from."""
    items, total, is_all = services().jobs.starting(beginning, _LIMIT)
    counts = services().jobs.counts()
    page = JobSummaryPage(items, total, counts)
    scope = "" if is_all else f" among the newest {LOOKED_THROUGH:,}"
    return _render(page, dict.fromkeys(("status", *FILTERS), ""), note=f"{total:,} jobs begin with {beginning}{scope}.")


def _matching(words: str, job_page: JobPage) -> Response:
    """The newest jobs in which a text is."""
    items = services().jobs.heads([job.id for job in job_page.items])
    page = JobSummaryPage(items, len(items), services().jobs.counts())
    more = ", and perhaps more: `jobqueue job list --q` continues" if job_page.is_least else ""
    return _render(
        page, dict.fromkeys(("status", *FILTERS), ""), note=f"Jobs that contain “{words}”: {len(items):,}{more}."
    )


def _older(page: JobSummaryPage, offset: int) -> str:
    after = offset + len(page.items)
    return query.with_changes(offset=after, q=None) if page.items and after < page.total else ""


def _filter(filters: dict[str, str], offset: int) -> JobFilter:
    """The query that the API would read from the same parameters; raises ``InvalidInput``."""
    filters_given = {name: value for name, value in filters.items() if value}
    loaded = validation.load(_query, {**filters_given, "limit": str(_LIMIT), "offset": str(offset)})
    return requests.job_filter(loaded)


def _is_uuid(text: str) -> bool:
    try:
        requests.job_id(text)
    except InvalidInput:
        return False
    return True
