"""How the fleet does, in numbers: what ``/metrics`` tells of the ledger. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobqueue.model.states import ExecutionState, JobStatus

#: Upper bounds, in seconds, of the buckets in which waits and runs are counted; one more bucket holds what is longer.
#: The ledger's scripts count by this table (``ledger/scripts.py``). Counts that are stored already stay where they are
#: when it changes, so let it be.
BUCKETS: tuple[float, ...] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600)

#: Jobs of operations that this process does not know are counted together under this name.
OTHER = "other"


@dataclass(frozen=True)
class Distribution:
    """Durations. ``counts`` has one number for each of ``BUCKETS`` and one for what is longer, none cumulated."""

    counts: tuple[int, ...]
    total_seconds: float

    @property
    def cumulated(self) -> list[tuple[str, float]]:
        """(upper bound, how many are not longer), the last bound being ``+Inf``: what Prometheus wants."""
        total, found = 0, []
        for bound, count in zip([*map(float, BUCKETS), float("inf")], self.counts, strict=True):
            total += count
            found.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
        return found


@dataclass(frozen=True)
class Backlog:
    """What waits in one queue: how many executions, and for how many seconds the oldest has (0 if none does)."""

    queue: str
    waiting: int
    oldest_seconds: float


@dataclass(frozen=True)
class Pulse:
    """An agent's sign of life, ``age_seconds`` ago."""

    hostname: str
    live: bool
    state: str
    running: int
    age_seconds: float


@dataclass(frozen=True)
class Measures:
    """One look at the ledger.

    Counts and distributions are by operation and only grow, for as long as the ledger lives. ``waits``: from when an
    execution was published to its start. ``runs``: of attempts whose end an agent reported. ``scheduled`` executions
    wait for a time. ``maintained``: a copy of maintenance leads. ``audit_unwritable``: the audit trail cannot be
    written; ``audit_broken``: a break is among the entries that are kept.
    """

    jobs: Mapping[tuple[str, JobStatus], int] = field(default_factory=dict)
    submitted: Mapping[str, int] = field(default_factory=dict)
    retried: Mapping[str, int] = field(default_factory=dict)
    ended: Mapping[tuple[str, ExecutionState], int] = field(default_factory=dict)
    waits: Mapping[str, Distribution] = field(default_factory=dict)
    runs: Mapping[str, Distribution] = field(default_factory=dict)
    backlogs: tuple[Backlog, ...] = ()
    pulses: tuple[Pulse, ...] = ()
    running: int = 0
    scheduled: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)
    maintained: bool = False
    audit_unwritable: bool = False
    audit_broken: bool = False
