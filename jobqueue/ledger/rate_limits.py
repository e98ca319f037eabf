"""How often somebody may fail to log in, and how fast a principal may ask."""

from __future__ import annotations

import hashlib

from jobqueue.ledger.scripts import Clock, Scripts, redis_clock


class RateLimits:
    """Counts in Redis, so that all processes of the API share them. Raises ``LedgerUnavailable``."""

    def __init__(self, scripts: Scripts, *, now: Clock = redis_clock) -> None:
        self._scripts = scripts
        self._now = now

    def attempt(self, allowed: dict[str, int], window_seconds: float) -> float:
        """Count a log-in that may fail under each of these names (name -> failures that it may have).

        Returns 0, or the seconds until the next attempt may be made; then nothing was counted. Counting comes before
        the secret is looked at, so that many attempts at once are not more than the limit.
        """
        return int(self._call("take", allowed, window_seconds)) / 1000

    def succeeded(self, allowed: dict[str, int]) -> None:
        """The attempt that was counted last did not fail."""
        self._call("give", allowed, 1)

    def wait(self, principal: str, per_second: float, burst: int) -> float:
        """Seconds that this request of a principal is early; 0 if it may pass, and then it counts."""
        micros = self._scripts.call("rate_limit", self._now(), _digest(principal), 1_000_000 / per_second, burst)
        return int(micros) / 1_000_000

    def _call(self, verb: str, allowed: dict[str, int], window_seconds: float) -> int:
        pairs: list[str | int] = []
        for name, most in allowed.items():
            pairs += [_digest(name), most]
        found: int = self._scripts.call("login_attempt", verb, round(window_seconds * 1000), *pairs)
        return found


def _digest(text: str) -> str:
    """A short name of bounded length for whatever somebody calls himself."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
