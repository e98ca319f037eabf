"""From what a request shows to who sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.auth.credentials import Credentials
from api.auth.token import AdminToken
from api.errors import Unauthenticated
from jobqueue.model.principal import Principal


class Authenticator:
    """Knows every kind of credentials that the API takes."""

    def __init__(self, token: AdminToken) -> None:
        self._token = token

    def __call__(self, environ: Mapping[str, Any]) -> Principal:
        """Who sends the request with this WSGI environment; raises ``Unauthenticated``."""
        given = Credentials.of(environ)
        if given is None:
            raise Unauthenticated
        found = self._token.principal(given)
        if found is None:
            raise Unauthenticated(f"The token is not valid; check the one behind {given.place}.")
        return found
