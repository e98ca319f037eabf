"""Random lengths of pauses: the processes of a fleet must not do the same thing at the same moment."""

from __future__ import annotations

import random

_draw = random.Random()  # noqa: S311 - spreads load, no secret


def shortened(seconds: float, most: float = 0.25) -> float:
    """A random time of at least ``1 - most`` of ``seconds``, at most all of it."""
    return seconds * (1 - most * _draw.random())


def up_to(seconds: float) -> float:
    """A random time from 0 to ``seconds``."""
    return seconds * _draw.random()
