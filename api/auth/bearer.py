"""The one token: whoever holds it may do everything."""

from __future__ import annotations

import hmac
import re

from flask import Flask, g, request

from api.auth.credentials import Credentials
from api.errors import Unauthenticated

#: Name of the blueprint that serves every route a second time, under /api.
ALIAS = "api"

#: Endpoints that answer without credentials, at both places.
PUBLIC = frozenset({"health.alive", "health.ready"})

#: The principal of a request that carries the token and no name.
ADMIN = "admin"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")


def install(app: Flask, token: str) -> None:
    """Refuse every request to ``app`` without ``token``, unknown paths included, except to ``PUBLIC``."""
    expected = token.encode("latin-1")

    @app.before_request
    def require_token() -> None:
        given = Credentials.of(request.environ)
        # WSGI hands headers over as latin-1, so this encoding cannot fail
        if given and hmac.compare_digest(given.secret.encode("latin-1"), expected):
            g.principal = given.user if _NAME.fullmatch(given.user) else ADMIN
            return
        if (request.endpoint or "").removeprefix(f"{ALIAS}.") in PUBLIC:
            return
        if given:
            raise Unauthenticated(f"The token is not valid; check the one behind {given.place}.")
        raise Unauthenticated
