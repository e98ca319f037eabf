"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Scale:
    """Sizes of one run.

    ``stored_jobs`` is the size of the large ledger that listings are measured on; ``fleets`` are the numbers of agents
    of ``fleet``, and ``before`` the checkout of an earlier version that it also measures. ``schedules`` is the
    number of schedules that are not due.
    """

    rounds: int
    agent_jobs: int
    pool_jobs: int
    pool_rounds: int
    http_rounds: int
    http_seconds: float
    stored_jobs: int
    pages: int
    broadcasts: int
    latencies: int
    idle_seconds: float
    signals: int
    schedules: int
    fleets: tuple[int, ...]
    before: Path | None = None


FULL = Scale(
    rounds=3,
    agent_jobs=10_000,
    pool_jobs=3_000,
    pool_rounds=2,
    http_rounds=6,
    http_seconds=2.0,
    stored_jobs=1_000_000,
    pages=400,
    broadcasts=7,
    latencies=300,
    idle_seconds=20.0,
    signals=1_000_000,
    schedules=9_000,
    fleets=(100, 1_000, 3_000, 10_000),
)
QUICK = Scale(
    rounds=1,
    agent_jobs=2_000,
    pool_jobs=600,
    pool_rounds=1,
    http_rounds=2,
    http_seconds=1.0,
    stored_jobs=50_000,
    pages=100,
    broadcasts=3,
    latencies=60,
    idle_seconds=8.0,
    signals=200_000,
    schedules=900,
    fleets=(100, 1_000),
)
