"""Every route of the application, with what it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

from flask import Flask

from api.app import create_app
from api.auth.rules import ALIAS, KNOWN, PUBLIC, rule_of
from docs.generate.markdown import code, table
from jobqueue.services import Services
from jobqueue.settings import Settings

#: blueprint -> heading. Those of one heading stand together; a blueprint that is not named here gets one of its own.
_HEADINGS: Mapping[str, str] = {
    "job": "Jobs",
    "execution": "Jobs",
    "log": "Jobs",
    "event": "Events",
    "operation": "Operations",
    "agent": "Agents",
    "health": "Health and metrics",
    "metric": "Health and metrics",
    "key": "Keys, users, roles",
    "user": "Keys, users, roles",
    "role": "Keys, users, roles",
    "audit": "Audit",
    "docs": "Documents",
}
_FAMILIES = {
    "ray": "Ray's Jobs API",
    "fusion": "Fusion's API",
    "osapi": "OSAPI's API",
    "dashboard": "Dashboard",
    "ui": "Dashboard",
}
_WORDS = {PUBLIC: "nothing", KNOWN: "any credentials"}
_COPY = re.compile(r"(?<=[a-z])[0-9]+$")


@dataclass(frozen=True)
class Route:
    """One route; ``paths`` are all under which it is served, but for those of the native API under /api."""

    endpoint: str
    methods: tuple[str, ...]
    paths: tuple[str, ...]
    needs: str
    summary: str

    @property
    def heading(self) -> str:
        blueprint = self.endpoint.rpartition(".")[0]
        return _HEADINGS.get(blueprint) or _FAMILIES.get(blueprint.partition("_")[0]) or blueprint.capitalize()


@cache
def application() -> Flask:
    """The application, over no services: nothing is asked of it but its map."""
    settings = Settings(state_dir=Path("/nonexistent"), token="t" * 32)
    return create_app(settings, cast(Services, _NoServices()))


def routes() -> list[Route]:
    """All routes in the order of the application. A route that is served twice is there once."""
    app = application()
    by_rule: dict[tuple[str, tuple[str, ...]], Route] = {}
    known = {rule.endpoint for rule in app.url_map.iter_rules()}
    for rule in app.url_map.iter_rules():
        native = rule.endpoint.removeprefix(f"{ALIAS}.")
        if rule.endpoint != native and native in known:
            continue
        endpoint = canonical(rule.endpoint)
        methods = ("WEBSOCKET",) if rule.websocket else tuple(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
        before = by_rule.get((endpoint, methods))
        by_rule[endpoint, methods] = Route(
            endpoint,
            methods,
            (*(before.paths if before else ()), rule.rule),
            rule_of(rule.endpoint) or "",
            _summary(app.view_functions[rule.endpoint], endpoint),
        )
    return list(by_rule.values())


def canonical(endpoint: str) -> str:
    """``fusion_jobs2.show`` -> ``fusion_jobs.show``: the copies of a blueprint are one."""
    blueprint, dot, name = endpoint.rpartition(".")
    return f"{_COPY.sub('', blueprint)}{dot}{name}"


def needs(route: Route) -> str:
    """What a caller must have, in words."""
    return _WORDS.get(route.needs) or code(route.needs)


def text() -> str:
    """A table for each part of the API."""
    parts: dict[str, list[Route]] = {}
    for route in routes():
        parts.setdefault(route.heading, []).append(route)
    return "\n\n".join(
        f"## {heading}\n\n{table(('route', 'does', 'needs'), [_row(route) for route in members])}"
        for heading, members in parts.items()
    )


def _row(route: Route) -> tuple[str, str, str]:
    paths = "<br>".join(code(f"{'/'.join(route.methods)} {path}") for path in route.paths)
    return paths, route.summary, needs(route)


def _summary(view: Any, endpoint: str) -> str:
    """The first line of the view's docstring, else its name as words."""
    document = (view.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    return document or endpoint.rpartition(".")[2].replace("_", " ").capitalize()


class _NoServices:
    """Stands in for the services while the application is put together."""

    def __getattr__(self, name: str) -> Any:
        return _NoServices()

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return _NoServices()
