"""Authenticates and authorizes every request before its view runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from flask import Flask, Request

from api.auth.hosts import Hosts
from api.auth.rules import INSTEAD, KNOWN, PUBLIC, rule_of
from api.auth.scoped_routes import is_scoped
from api.context import http_request, notes
from jobqueue.errors import PermissionDenied
from jobqueue.model.principal import Principal

_EXTENSION = "jobqueue.gate"


class Authenticate(Protocol):
    """Knows who sends a request, by its WSGI environment."""

    def __call__(self, environ: Mapping[str, Any]) -> Principal:
        """The principal of the request; raises ``Unauthenticated``."""

    def still(self, environ: Mapping[str, Any]) -> Principal | None:
        """The principal of the request, or None once its credentials are no longer valid."""


class Gate:
    """Asks each request for credentials, then for the permission that its route needs (``rules``)."""

    def __init__(self, authenticate: Authenticate, hosts: Hosts) -> None:
        self.authenticate = authenticate
        self._hosts = hosts

    def check(self) -> None:
        """Let the current request pass, or raise ``Unauthenticated``, ``PermissionDenied`` or ``InvalidInput`` (Host).

        An unknown path needs credentials too, so that a client without any cannot probe which routes exist.
        """
        current = http_request()
        environ = current.environ
        self._hosts.check(environ)
        endpoint = current.endpoint
        rule = rule_of(endpoint) if endpoint else KNOWN
        if rule == PUBLIC:
            return
        principal = notes().principal = self.authenticate(environ)
        if rule is None:
            raise PermissionDenied("This route is closed: it has no rule in the API's map of permissions.")
        if rule != KNOWN and not _is_about_the_route(current):
            _require(principal, rule, endpoint or "")

    def admits(self, environ: Mapping[str, Any], endpoint: str, before: Principal | None = None) -> bool:
        """Whether an authenticated request would still be authenticated now. Raises ``LedgerUnavailable``.

        ``before``: its principal. A stream shows the hosts of the grants that it began with, so it ends with these.
        """
        rule = rule_of(endpoint)
        if rule == PUBLIC:
            return True
        principal = self.authenticate.still(environ)
        if principal is None or rule is None:
            return False
        if before is not None and before.restricted and before.permissions != principal.permissions:
            return False
        return rule == KNOWN or principal.may(rule) or (is_scoped(endpoint) and principal.may_somewhere(rule))


def _require(principal: Principal, rule: str, endpoint: str) -> None:
    """Raise ``PermissionDenied`` unless the principal may use a route: on every host, or the route looks at hosts."""
    if principal.may(rule) or (endpoint in INSTEAD and principal.may(INSTEAD[endpoint])):
        return
    principal.require_somewhere(rule)
    if not is_scoped(endpoint):
        raise PermissionDenied(
            f"This route concerns all hosts, and {principal.name} has {rule} on some hosts only, or with a "
            f"limit; ask an administrator for {rule} without a target.",
            {"permission": rule},
        )


def _is_about_the_route(http_request: Request) -> bool:
    """Whether Flask itself answers: an OPTIONS request, which names the methods of a path and runs no view."""
    return http_request.method == "OPTIONS" and bool(getattr(http_request.url_rule, "provide_automatic_options", False))


def install(app: Flask, authenticate: Authenticate, hosts: Hosts) -> Gate:
    """Put a gate before every view of ``app``."""
    gate = app.extensions[_EXTENSION] = Gate(authenticate, hosts)
    app.before_request(gate.check)
    return gate


def of(app: Flask) -> Gate:
    """The gate of ``app``."""
    gate: Gate = app.extensions[_EXTENSION]
    return gate
