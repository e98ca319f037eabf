"""The Flask application."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

import flask
from flask import Flask

from api import (
    audit,
    dashboard,
    documentation,
    errors,
    following,
    foundation,
    fusion,
    native,
    osapi,
    ray,
    scheduling,
)
from api.auth import rules, scoped_routes
from api.auth.rules import ALIAS
from api.auth.web_token import Claimed
from api.facade import Facade
from api.lean_flask import LeanFlask
from jobqueue.services import Services
from jobqueue.settings import Settings

#: Every native route is served here too, unless a facade answers the same requests.
ALIAS_PREFIX = "/api"
_VARIABLE = re.compile(r"<[^>]*>")
#: The APIs of other systems that are served beside the native one. Nothing else names them.
FACADES: tuple[Facade, ...] = (ray.FACADE, fusion.FACADE, osapi.FACADE)
for _facade in FACADES:
    rules.add(_facade.rules, _facade.instead)
    scoped_routes.add(_facade.scoped)
    audit.add(_facade.audited)
    scheduling.add(_facade.contents)
    following.add(_facade.sources)


def claimed_by(issuer: str) -> Claimed | None:
    """How an issuer of web tokens means roles and permissions, if it is the own one of a facade."""
    return next((facade.issuers[issuer] for facade in FACADES if issuer in facade.issuers), None)


class Application(LeanFlask):
    """The application of the API, with the alias of its native routes."""

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Callable[..., Any] | None = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """Add a route. The second one of a native route is left out where a facade answers the same requests."""
        if endpoint is not None and endpoint.startswith(f"{ALIAS}.") and self._is_served(rule, options):
            return
        super().add_url_rule(rule, endpoint, view_func, provide_automatic_options, **options)

    def _is_served(self, path: str, options: dict[str, Any]) -> bool:
        methods = {method.upper() for method in options.get("methods", ("GET",))}
        return any(methods <= served for served in self._served.get(_VARIABLE.sub("<>", path), ()))

    @functools.cached_property
    def _served(self) -> dict[str, list[set[str]]]:
        """The methods of the routes by path, read once: the alias is registered after all others."""
        served: dict[str, list[set[str]]] = {}
        for rule in self.url_map.iter_rules():
            served.setdefault(_VARIABLE.sub("<>", rule.rule), []).append(rule.methods or set())
        return served


def create_app(settings: Settings, services: Services | None = None) -> Flask:
    """The API over ``services`` (default: those of ``settings``). Raises ``InvalidSettings`` without a token."""
    foundation.token_of(settings)
    app = Application("api", static_folder=None)
    services = services or Services.open(settings)
    sources = tuple(facade.credentials for facade in FACADES if facade.credentials)
    web_tokens = foundation.lay(app, settings, services, sources, claimed_by(settings.jwt_issuer))

    api = documentation.OpenApi(app)
    errors.install(app)  # after flask-smorest, whose own handler this replaces
    alias = flask.Blueprint(ALIAS, __name__, url_prefix=ALIAS_PREFIX)
    for blueprint in native.BLUEPRINTS:
        api.register_blueprint(blueprint)
        alias.register_blueprint(blueprint)
    pages = documentation.pages(api, [facade.document for facade in FACADES])
    app.register_blueprint(pages)
    alias.register_blueprint(pages)
    for facade in FACADES:
        facade.install(app)
    app.register_blueprint(alias)
    native.provider.install(app, settings)
    dashboard.install(app, settings, services, web_tokens)
    foundation.enclose(app, settings)
    return app
