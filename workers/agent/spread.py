"""Random pauses before what all agents of a fleet would otherwise do at the same moment."""

from __future__ import annotations

from jobqueue.jitter import up_to

#: Claims per second of the executions of one broadcast; each claim is followed by a result, and Redis needs
#: about 0.15 ms for both when it is not busy otherwise (``docs/scale.md``).
CLAIMS_PER_SECOND = 3000
#: Agents per second that connect again after a restart of Redis.
RECONNECTS_PER_SECOND = 2000
#: Seconds of a pause at most, whatever the size that a message or the ledger gives.
LONGEST_SECONDS = 5.0


def claim_pause(hosts: int) -> float:
    """Seconds before the claim of an execution whose message went to this many hosts at once."""
    return up_to(min(hosts / CLAIMS_PER_SECOND, LONGEST_SECONDS)) if hosts > 1 else 0.0


def reconnect_pause(fleet_size: int) -> float:
    """Seconds before the first attempt to connect again."""
    return up_to(min(fleet_size / RECONNECTS_PER_SECOND, LONGEST_SECONDS))
