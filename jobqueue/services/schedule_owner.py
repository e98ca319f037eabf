"""The owners of schedules, with the permissions that they have now."""

from __future__ import annotations

import time

from jobqueue.errors import InvalidInput
from jobqueue.ledger.credentials import Credentials
from jobqueue.model.credential import Kind
from jobqueue.model.grant import EVERYTHING
from jobqueue.model.principal import Principal
from jobqueue.model.schedule import Owner
from jobqueue.services.credential_verifier import principal_of

#: The kind of the API's own token: its holder has every permission, always.
_TOKEN = "token"  # noqa: S105 - a kind of credentials
_STORED = {str(kind): kind for kind in Kind}


def owner_of(principal: Principal) -> Owner:
    """The principal as an owner. Raises ``InvalidInput`` for one whose permissions cannot be looked up later."""
    if principal.kind != _TOKEN and principal.kind not in _STORED:
        sentence = (
            f"A schedule has the permissions of its owner at each of its times, and those of {principal.name!r} are "
            "only in the token that was sent. Use an API key or a user: `jobqueue key create`."
        )
        raise InvalidInput.of("owner", sentence)
    return Owner(principal.kind, principal.id, principal.name)


class OwnerReader:
    """Looks owners up. Raises ``LedgerUnavailable``."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def principal(self, owner: Owner) -> Principal | None:
        """The owner with its present permissions; None if its key or user was revoked, disabled, or has expired."""
        if owner.kind == _TOKEN:
            return Principal(owner.name, frozenset({EVERYTHING}), ("admin",), _TOKEN)
        record, roles = self._credentials.look_up(_STORED[owner.kind], owner.id)
        if record is None or not record.is_good(time.time_ns() // 1000):
            return None
        return principal_of(record, roles)
