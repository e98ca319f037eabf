"""How often, and after which delay, a failed execution is retried."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RetryPolicy:
    """The caller's ``retries``: ``max_attempts`` counts the first run too.

    The back-off doubles from ``backoff_seconds`` to at most ``backoff_max_seconds``; ``jitter`` (0..1) is the random
    share of each delay, so that a fleet does not retry in step.
    """

    max_attempts: int = 1
    backoff_seconds: float = 1.0
    backoff_max_seconds: float = 300.0
    jitter: float = 0.1

    def delay_seconds(self, attempt: int, draw: float) -> float:
        """Seconds to wait after the failed ``attempt`` (1 is the first); ``draw`` is uniform in [0, 1)."""
        # 2**60 exceeds any delay already; the cap keeps large attempt numbers from overflowing a float
        delay: float = min(self.backoff_seconds * 2.0 ** min(attempt - 1, 60), self.backoff_max_seconds)
        return delay * (1 - self.jitter * draw)
