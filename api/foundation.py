"""What every application of the API stands on: limits, the audit trail, metrics, and who may come in."""

from __future__ import annotations

from flask import Flask

from api import audit, body_timeout, context, request_id, tracking, web
from api import body as request_body
from api.auth import gate
from api.auth.authenticate import Authenticator
from api.auth.hosts import Hosts
from api.auth.request_credentials import Source
from api.auth.session import Sessions
from api.auth.throttle import Throttle
from api.auth.token import AdminToken
from api.auth.web_token import Claimed, WebTokens
from api.metrics import requests as request_metrics
from jobqueue.errors import InvalidSettings
from jobqueue.services import Services
from jobqueue.settings import Settings


def token_of(settings: Settings) -> str:
    """The token of the API. Raises ``InvalidSettings`` without one."""
    if not settings.token:
        raise InvalidSettings("The API needs a token: set JOBQUEUE_TOKEN.")
    return settings.token


def lay(
    app: Flask,
    settings: Settings,
    services: Services,
    sources: tuple[Source, ...] = (),
    claimed: Claimed | None = None,
) -> WebTokens:
    """Prepare ``app`` for its routes, which answer over ``services``; the reader of web tokens.

    ``sources``: where clients put their credentials, besides ``Authorization``. ``claimed``: how the issuer of web
    tokens means roles and permissions, if it has its own.
    """
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.config[request_body.MAX_JOB_BYTES] = min(settings.max_job_bytes, settings.max_body_bytes)
    app.config[request_body.MAX_VALUES] = settings.max_body_values
    app.config[body_timeout.SECONDS] = settings.body_seconds
    # a doubled slash is a slip like any other: 404, not a redirect that turns a POST into something else
    app.url_map.merge_slashes = False
    context.attach(app, services)
    audit.install(app)
    request_metrics.install(app)
    request_id.install(app)
    tracking.install(app)
    web_tokens = WebTokens(settings, services.credential_verifier.granted, claimed)
    gate.install(
        app,
        Authenticator(
            AdminToken(token_of(settings)),
            web_tokens,
            services.credential_verifier,
            Throttle(settings, services.rate_limits),
            Sessions(settings, services.credential_verifier),
            sources,
        ),
        Hosts(settings),
    )
    return web_tokens


def enclose(app: Flask, settings: Settings) -> None:
    """Add what surrounds all routes of ``app``: headers, and the path and the addresses of a proxy."""
    app.wsgi_app = web.SecurityHeaders(app.wsgi_app)  # type: ignore[method-assign]
    if settings.behind_proxy or settings.url_prefix:
        app.wsgi_app = web.UnderPrefix(app.wsgi_app, settings.url_prefix)  # type: ignore[method-assign]
    if settings.behind_proxy:
        app.wsgi_app = web.BehindProxy(app.wsgi_app, settings.url_prefix)  # type: ignore[method-assign]
