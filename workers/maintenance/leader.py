"""One leader among the copies of maintenance that run."""

from __future__ import annotations

import secrets

from jobqueue.ledger.scripts import Scripts


class Leadership:
    """A short lease in the ledger. Every service is safe to run twice; the leader only saves the work."""

    def __init__(self, scripts: Scripts, lease_seconds: float = 5.0) -> None:
        self._scripts = scripts
        self._lease_ms = int(lease_seconds * 1000)
        self._me = secrets.token_hex(8)

    def hold(self) -> bool:
        """Take or renew the lead; returns whether it is ours."""
        return bool(self._scripts.call("acquire_leadership", self._me, self._lease_ms) == 1)

    def give_up(self) -> None:
        """Let another copy take over at once."""
        self._scripts.call("acquire_leadership", self._me, 0)
