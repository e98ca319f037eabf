"""Bearer token: whoever holds the one token may do everything."""

from __future__ import annotations

import hmac

from flask import Flask, g, request

from api.errors import Unauthenticated

#: Name of the blueprint that serves every route a second time, under /api.
ALIAS = "api"

#: Endpoints that answer without credentials, at both places.
PUBLIC = frozenset({"health.alive", "health.ready"})

#: The principal of every request that carries the token.
ADMIN = "admin"


def install(app: Flask, token: str) -> None:
    """Refuse every request to ``app`` without ``token``, unknown paths included, except to ``PUBLIC``."""
    expected = token.encode("latin-1")

    @app.before_request
    def require_token() -> None:
        header: str = request.environ.get("HTTP_AUTHORIZATION", "")
        scheme, _, given = header.partition(" ")
        # WSGI hands headers over as latin-1, so this encoding cannot fail
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("latin-1"), expected):
            g.principal = ADMIN
            return
        if (request.endpoint or "").removeprefix(f"{ALIAS}.") in PUBLIC:
            return
        if scheme.lower() == "bearer":
            raise Unauthenticated("The token is not valid; check the one behind Authorization: Bearer.")
        raise Unauthenticated
