"""The admin token: its holder has every permission."""

from __future__ import annotations

import hmac

from api.auth.request_credentials import RequestCredentials
from jobqueue.model.grant import EVERYTHING
from jobqueue.model.principal import Principal, is_name

#: Name of the principal that sends the admin token without a name.
ADMIN = "admin"
_ADMIN = Principal(ADMIN, frozenset({EVERYTHING}), ("admin",), "token")


class AdminToken:
    """The one token of the settings. It is compared in constant time."""

    def __init__(self, token: str) -> None:
        self._expected = token.encode("latin-1")

    def principal(self, credentials: RequestCredentials) -> Principal | None:
        """The principal of the token's holder: its name is that of Basic, else ``admin``; None for another token."""
        # WSGI hands headers over as latin-1, so this encoding cannot fail
        if not hmac.compare_digest(credentials.secret.encode("latin-1"), self._expected):
            return None
        if credentials.user and is_name(credentials.user):
            return Principal(credentials.user, _ADMIN.permissions, _ADMIN.roles, _ADMIN.kind)
        return _ADMIN
