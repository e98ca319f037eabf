"""The list of jobs, with filters and pages, and the search for one of them."""

from __future__ import annotations

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
from jobqueue.model.filter import JobFilter
from jobqueue.model.glance import GlancePage

_LIMIT = 25
_MOST_OFFSET = 1_000_000_000
#: The form's fields besides status; each is a parameter of the API too.
FILTERS = ("operation", "target", "hostname", "tag", "created_after", "created_before")
_LONGEST_NAME = 512

_query = JobQuery()


@blueprint.get(f"{PREFIX}/jobs")
def jobs() -> Response:
    """One page of the list; with ``q`` the job of that id or name, if there is one."""
    wanted = query.text("q", _LONGEST_NAME)
    missing = ""
    if wanted:
        try:
            found = services().find(wanted.lower() if _is_uuid(wanted) else wanted)
            return flask.make_response(flask.redirect(pages.link(f"{PREFIX}/jobs/{found.id}"), 303))
        except JobNotFound:
            missing = wanted
    filters = {name: query.text(name) for name in ("status", *FILTERS)}
    offset = query.number("offset", 0, _MOST_OFFSET)
    problem = ""
    try:
        page = services().glances(_filter(filters, offset))
    except InvalidInput as error:
        problem = error.message
        page = replace(services().glances(JobFilter(limit=1)), items=(), total=0)
    return pages.render(
        "jobs.html",
        400 if problem else 404 if missing else 200,
        page=page,
        counts=mapping.status_counts(page.status_counts),
        filters=filters,
        filter_names=FILTERS,
        operations=[info.type for info in services().operations()],
        problem=problem,
        missing=missing,
        offset=offset,
        first=offset + 1 if page.items else 0,
        last=offset + len(page.items),
        newer=query.with_changes(offset=max(0, offset - _LIMIT) or None, q=None) if offset else "",
        older=_older(page, offset),
        query_with=query.with_changes,
    )


def _older(page: GlancePage, offset: int) -> str:
    after = offset + len(page.items)
    return query.with_changes(offset=after, q=None) if page.items and after < page.total else ""


def _filter(filters: dict[str, str], offset: int) -> JobFilter:
    """What the API would make of the same parameters; raises ``InvalidInput``."""
    given = {name: value for name, value in filters.items() if value}
    loaded = validation.load(_query, {**given, "limit": str(_LIMIT), "offset": str(offset)})
    return requests.job_filter(loaded)


def _is_uuid(text: str) -> bool:
    try:
        requests.job_id(text)
    except InvalidInput:
        return False
    return True
