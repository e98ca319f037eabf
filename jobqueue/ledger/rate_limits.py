"""Limits on failed login attempts, and on the request rate of each principal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from jobqueue.ledger.scripts import Clock, Scripts, redis_clock


@dataclass(frozen=True)
class Charge:
    """Hosts that were counted against an hourly limit: whose it is, how many, and in which minute since the epoch."""

    who: str
    hosts: int
    minute: int


class RateLimits:
    """Counts in Redis, so that all processes of the API share them. Raises ``LedgerUnavailable``."""

    def __init__(self, scripts: Scripts, *, now: Clock = redis_clock) -> None:
        self._scripts = scripts
        self._now = now

    def attempt(self, allowed: dict[str, int], window_seconds: float) -> float:
        """Count a login attempt that may fail under each of these names (name -> allowed failures).

        Returns 0, or the seconds until the next attempt is allowed; nothing was counted then. An attempt is counted
        before its secret is checked, so that concurrent attempts cannot exceed the limit.
        """
        return int(self._call("take", allowed, window_seconds)) / 1000

    def succeeded(self, allowed: dict[str, int]) -> None:
        """Undo the count of the last attempt, which succeeded."""
        self._call("give", allowed, 1)

    def wait(self, principal: str, per_second: float, burst: int) -> float:
        """Seconds to wait before this request of a principal is allowed; 0 admits it, and counts it."""
        micros = self._scripts.call("rate_limit", self._now(), _digest(principal), 1_000_000 / per_second, burst)
        return int(micros) / 1_000_000

    def spend(self, caller: str, hosts: int, most_per_hour: int) -> Charge | None:
        """Count the hosts of a job against an hourly limit; None, and nothing is counted, if they exceed it."""
        minute = int(self._scripts.call("spend_hosts", self._now(), _digest(caller), hosts, most_per_hour))
        return Charge(caller, hosts, minute) if minute else None

    def refund(self, charges: Iterable[Charge]) -> None:
        """Take back what was counted for a job that was refused afterwards."""
        for charge in charges:
            self._scripts.call("refund_hosts", _digest(charge.who), charge.minute, charge.hosts)

    def _call(self, verb: str, allowed: dict[str, int], window_seconds: float) -> int:
        pairs: list[str | int] = []
        for name, most in allowed.items():
            pairs += [_digest(name), most]
        count: int = self._scripts.call("login_attempt", verb, round(window_seconds * 1000), *pairs)
        return count


def _digest(text: str) -> str:
    """A short digest of a name that the client chose freely."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
