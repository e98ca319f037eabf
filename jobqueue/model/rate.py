"""A rate: a number of starts per second, minute or hour."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RATE = re.compile(r"([1-9][0-9]{0,4})/([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
RATE_PATTERN = r"^[1-9]\d{0,4}/[smh]$"
RATE_RULE = "Must be a number of starts in a second, minute or hour, such as 50/s, 10/m or 100/h."
_UNITS = {seconds: unit for unit, seconds in _SECONDS.items()}
#: The share of a rate that may start at once; the others follow at equal intervals.
_BURST_SHARE = 10


@dataclass(frozen=True)
class Rate:
    """At most ``number`` starts in any ``seconds``."""

    number: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> Rate | None:
        """``50/s``, ``10/m`` or ``100/h``; None for any other text."""
        match = _RATE.fullmatch(text)
        return cls(int(match[1]), _SECONDS[match[2]]) if match else None

    def __str__(self) -> str:
        """As it is parsed."""
        return f"{self.number}/{_UNITS[self.seconds]}"

    @property
    def burst(self) -> int:
        """How many may start at once."""
        return max(1, self.number // _BURST_SHARE)

    @property
    def interval(self) -> int:
        """Microseconds between two further starts; a burst and what follows it in a period are at most ``number``."""
        return -(-self.seconds * 1_000_000 // (self.number - self.burst + 1))

    def argument(self) -> str:
        """The rate as the scripts of the ledger read it."""
        return f"{self.burst}|{self.interval}"
