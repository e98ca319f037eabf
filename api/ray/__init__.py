"""Ray's Jobs API, compatible with Ray's own client, and openYuanrong's variant of it.

With the trailing slash, ``POST /api/jobs/`` and ``GET /api/jobs/`` speak Ray; without it, openYuanrong.
"""

from __future__ import annotations

from flask import Flask

from api import facade_errors, facade_runs
from api.facade import Facade
from api.ray import credentials, errors, health, jobs, listing, logs, packages, version
from api.ray.documents import DIALECT
from api.ray.rules import RULES, SCOPED
from api.ray.run_list import RUNS

__all__ = ["BLUEPRINTS", "FACADE", "credentials"]

BLUEPRINTS = (
    version.blueprint,
    health.blueprint,
    packages.blueprint,
    jobs.blueprint,
    listing.blueprint,
    logs.blueprint,
)


def install(app: Flask) -> None:
    """Register these routes, with errors in Ray's format: plain text."""
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    facade_errors.add(app, errors.belongs, errors.render)
    facade_runs.add(app, RUNS)


FACADE = Facade(install, RULES, DIALECT, credentials.of, SCOPED)
