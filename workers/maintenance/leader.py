"""Leader election among the running maintenance processes."""

from __future__ import annotations

import secrets

from jobqueue.ledger.scripts import Scripts


class Leadership:
    """A short lease in the ledger. Every service is safe to run twice; a leader only avoids duplicate work."""

    def __init__(self, scripts: Scripts, lease_seconds: float = 5.0) -> None:
        self._scripts = scripts
        self._lease_ms = int(lease_seconds * 1000)
        self._me = secrets.token_hex(8)

    def hold(self) -> bool:
        """Acquire or renew the lease; returns whether this process is the leader."""
        return bool(self._scripts.call("acquire_leadership", self._me, self._lease_ms) == 1)

    def give_up(self) -> None:
        """Release the lease, so that another process can take over at once."""
        self._scripts.call("acquire_leadership", self._me, 0)
