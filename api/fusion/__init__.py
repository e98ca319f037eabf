"""The API of the Fusion job launcher: configurations, runs, and the reports of external drivers."""

from __future__ import annotations

import re

from flask import Flask

from api import facade_errors, facade_runs
from api.facade import Facade
from api.fusion import configurations, driver, jobs, launcher, resources, sessions
from api.fusion.documents import DIALECT
from api.fusion.errors import render
from api.fusion.renewal import renew
from api.fusion.rules import AUDITED, RULES
from api.fusion.run_list import RUNS
from api.fusion.scheduled import CONTENTS, SOURCES
from api.fusion.series import ORIGIN
from jobqueue.services.renewal import register

#: Where the routes under /spark are served; the app's name is ignored.
_SPARK_PREFIXES = ("/api/spark", "/api/apollo/spark", "/api/apps/<app>/spark", "/api/apollo/apps/<app>/spark")
#: Where those under /jobs are; a list without an id only where it is not Ray's.
_RESOURCE_PREFIXES = ("/api", "/api/apollo", "/api/apps/<app>", "/api/apollo/apps/<app>")
_LAUNCHER_PREFIXES = ("/job-launcher", "/api/job-launcher")
_PATHS = re.compile(r"/job-launcher(/|$)|/api/(job-launcher|spark|apollo|apps|session)(/|$)")


def belongs(path: str) -> bool:
    """Whether ``path`` belongs to Fusion's API."""
    return _PATHS.match(path) is not None or resources.PATHS.match(path) is not None


def install(app: Flask) -> None:
    """Serve the API from ``app``."""
    facade_errors.add(app, belongs, render)
    facade_runs.add(app, RUNS)
    register(ORIGIN, renew)
    resources.install(app)
    for number, prefix in enumerate(_LAUNCHER_PREFIXES):
        app.register_blueprint(launcher.blueprint, url_prefix=prefix, name=f"fusion_launcher{number}")
    for number, prefix in enumerate(_SPARK_PREFIXES):
        for blueprint in (configurations.blueprint, jobs.blueprint, driver.blueprint):
            app.register_blueprint(blueprint, url_prefix=prefix, name=f"fusion_{blueprint.name}{number}")
    for number, prefix in enumerate(_RESOURCE_PREFIXES):
        app.register_blueprint(resources.blueprint, url_prefix=prefix, name=f"fusion_resources{number}")
        if number:
            app.register_blueprint(resources.listing, url_prefix=prefix, name=f"fusion_resource_list{number - 1}")
    for number, prefix in enumerate(("/api", "/api/apollo")):
        app.register_blueprint(sessions.blueprint, url_prefix=prefix, name=f"fusion_session{number}")


FACADE = Facade(install, RULES, DIALECT, audited=AUDITED, contents=CONTENTS, sources=SOURCES)
