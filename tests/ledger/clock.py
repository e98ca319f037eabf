"""A clock that stands still until a test moves it."""

from __future__ import annotations

SECOND = 1_000_000
START = 1_800_000_000 * SECOND


class FakeClock:
    """The ledger's clock in tests. ``now`` is in microseconds since the epoch."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> str:
        return str(self.now)

    def advance(self, seconds: float) -> None:
        """Move on, or with a negative number back, as an administrator might."""
        self.now += round(seconds * SECOND)

    def after(self, seconds: float) -> int:
        """The time that it will be in so many seconds."""
        return self.now + round(seconds * SECOND)
