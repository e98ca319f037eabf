"""The dashboard of a front: pages over all cells, made with the parts of a cell's dashboard (docs/cells.md)."""

from __future__ import annotations

from flask import Flask

from api import facade_errors
from api.auth.web_token import WebTokens
from api.cells.dashboard import agents, job, jobs, overview, submit
from api.cells.dashboard.blueprint import blueprint
from api.dashboard import access, errors
from api.dashboard.blueprint import belongs
from jobqueue.services import Services
from jobqueue.settings import Settings

__all__ = ["agents", "install", "job", "jobs", "overview", "submit"]


def install(app: Flask, settings: Settings, home: Services, web_tokens: WebTokens) -> None:
    """Serve the dashboard from ``app``; ``home`` has the credentials of its users."""
    access.install(app, settings, home, web_tokens)
    facade_errors.add(app, belongs, errors.render)
    app.register_blueprint(blueprint)
