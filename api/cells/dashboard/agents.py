"""The agents of all cells, and one of them. What changes an agent is done in its cell."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.cells.context import front
from api.cells.dashboard import documents
from api.cells.dashboard.blueprint import blueprint
from api.cells.dashboard.jobs import cells_of
from api.context import principal
from api.dashboard import pages, query
from api.dashboard.blueprint import PREFIX
from jobqueue.errors import InvalidInput
from jobqueue.model.target import check_hostname

#: Agents on a page; the last is the default.
_SIZES = (25, 50, 100)
_JOBS = 10
_LONGEST_CURSOR = 16_000
#: View -> the parameter of the list.
_VIEWS = {"all": {}, "live": {"state": "live"}, "offline": {"state": "offline"}}


@blueprint.get(f"{PREFIX}/agents")
def agents() -> Response:
    """All of them, or those of one cell, that a word or a view picks."""
    view, words, cell = query.text("view"), query.text("q"), query.text("cell")
    view = view if view in _VIEWS else "all"
    size = query.number("size", _SIZES[-1], _SIZES[-1])
    size = size if size in _SIZES else _SIZES[-1]
    cursor, problem = query.text("cursor", _LONGEST_CURSOR), ""
    try:
        page = front().agents.page(_filters(view, words), cursor or None, size, cell or None)
    except InvalidInput as error:
        problem, page = error.message, {"agents": [], "total": 0, "next_cursor": None, "partial": False, "cells": []}
    return pages.render(
        "front_agents.html",
        400 if problem else 200,
        page=page,
        agents=tuple(map(documents.agent, page["agents"])),
        view=view,
        views=tuple(_VIEWS),
        q=words,
        cell=cell,
        names=front().cells.names,
        sections=page["cells"],
        problem=problem,
        size=size,
        sizes=_SIZES,
        moment_of=documents.micros,
        newer=query.with_changes(cursor=None) if cursor else "",
        older=query.with_changes(cursor=page["next_cursor"]) if page["next_cursor"] else "",
        query_with=query.with_changes,
    )


@blueprint.get(f"{PREFIX}/agents/<hostname>")
def agent(hostname: str) -> Response:
    """One agent and its newest jobs."""
    document = front().agents.get(check_hostname(hostname))
    page: dict[str, Any] | None = None
    if principal().may("job:read"):
        page = front().jobs.page({"hostname": hostname, "view": "summary"}, None, _JOBS)
    return pages.render(
        "front_agent.html",
        agent=documents.agent(document),
        url=front().cells.by_name[document["cell"]].url,
        page=page,
        jobs=tuple(map(documents.summary, page["items"])) if page else (),
        cells=cells_of(page["items"]) if page else {},
        moment_of=documents.micros,
    )


def _filters(view: str, words: str) -> dict[str, Any]:
    """The list's parameters for a view, and the words that hostnames contain, or labels among them."""
    labels = [word for word in words.split() if ":" in word]
    names = [word for word in words.split() if ":" not in word]
    return {
        **_VIEWS[view],
        **({"label": labels} if labels else {}),
        **({"hostname": f"*{'*'.join(names)}*"} if names else {}),
    }
