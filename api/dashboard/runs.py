"""Runs of the facades' APIs, under the names and states that their clients know."""

from __future__ import annotations

from dataclasses import replace

from flask import Response

from api import facade_runs
from api.context import services
from api.dashboard import pages, query
from api.dashboard.blueprint import PREFIX, blueprint

_LIMIT = 25
_MOST_OFFSET = 1_000_000_000


@blueprint.get(f"{PREFIX}/runs")
def runs() -> Response:
    """The runs of one facade; of the first one, unless the query names another."""
    lists = facade_runs.run_lists()
    shown = next((run_list for run_list in lists if run_list.key == query.text("of")), lists[0])
    offset = query.number("offset", 0, _MOST_OFFSET)
    page = services().jobs.page(replace(shown.filter, limit=_LIMIT, offset=offset))
    rows = [shown.describe(job) for job in page.items]
    last = offset + len(rows)
    return pages.render(
        "runs.html",
        lists=lists,
        shown=shown,
        runs=rows,
        total=page.total,
        first=offset + 1 if rows else 0,
        last=last,
        newer=query.with_changes(offset=max(0, offset - _LIMIT) or None) if offset else "",
        older=query.with_changes(offset=last) if rows and last < page.total else "",
        query_with=query.with_changes,
    )
