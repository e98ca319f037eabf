"""The API of the Fusion job launcher: configurations, runs, and what drivers report of theirs."""

from __future__ import annotations

import re

from flask import Flask

from api import dialects
from api.fusion import configurations, driver, jobs, launcher
from api.fusion.errors import render

#: Where the routes under /spark are served; an app's name tells nothing apart here.
_SPARK_PREFIXES = ("/api/spark", "/api/apollo/spark", "/api/apps/<app>/spark", "/api/apollo/apps/<app>/spark")
_LAUNCHER_PREFIXES = ("/job-launcher", "/api/job-launcher")
_PATHS = re.compile(r"/job-launcher(/|$)|/api/(job-launcher|spark|apollo|apps)(/|$)")


def install(app: Flask) -> None:
    """Serve the API from ``app``."""
    dialects.add(app, lambda path: _PATHS.match(path) is not None, render)
    for number, prefix in enumerate(_LAUNCHER_PREFIXES):
        app.register_blueprint(launcher.blueprint, url_prefix=prefix, name=f"fusion_launcher{number}")
    for number, prefix in enumerate(_SPARK_PREFIXES):
        for blueprint in (configurations.blueprint, jobs.blueprint, driver.blueprint):
            app.register_blueprint(blueprint, url_prefix=prefix, name=f"fusion_{blueprint.name}{number}")
