"""The first page of a front: its cells, and the newest jobs of all."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.cells.context import front
from api.cells.dashboard import documents
from api.cells.dashboard.blueprint import blueprint
from api.cells.dashboard.jobs import cells_of, status_counts
from api.cells.health import status_document
from api.context import principal
from api.dashboard import pages
from api.dashboard.blueprint import PREFIX

_NEWEST = 10


@blueprint.get("/")
def overview() -> Response:
    """The cells, counts, and the newest jobs: as far as the viewer may see them."""
    caller = principal()
    values: dict[str, Any] = {"states": None, "page": None, "counts": {}, "newest": (), "reports": None, "alerts": ()}
    if caller.may("job:read"):
        page = front().jobs.page({"view": "summary"}, None, _NEWEST)
        values |= {
            "page": page,
            "counts": status_counts(page),
            "newest": tuple(map(documents.summary, page["items"])),
            "cells": cells_of(page["items"]),
        }
    if caller.may("agent:read"):
        values |= {"states": front().status.all()}
    if caller.may("metrics:read"):
        health = status_document()
        values |= {
            "reports": {section["cell"]: documents.report(section) for section in health["cells"]},
            "alerts": tuple(map(documents.alert, health["alerts"])),
        }
    return pages.render("front_overview.html", moment_of=documents.micros, **values)


@blueprint.get(PREFIX)
def ui() -> Response:
    """The overview, for those who type the prefix of the other pages."""
    return overview()
