"""The state of the system at one moment, as ``jobqueue top`` shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from time import monotonic
from typing import Any

from jobqueue.client import Client, Forbidden
from jobqueue.model.states import FINAL_STATUSES

#: Throughput is that of this many seconds.
WINDOW_SECONDS = 60
_FINAL = frozenset(status.value for status in FINAL_STATUSES)


@dataclass(frozen=True)
class Snapshot:
    """Counts, agents and the newest jobs.

    ``submitted_per_second`` is of the last minute; ``ended_per_second`` is since the previous snapshot, None for the
    first. ``health`` is ``GET /health/status``, None for who may not see it.
    """

    taken: datetime
    moment: float
    status_counts: Mapping[str, int]
    agents: Sequence[Mapping[str, Any]]
    jobs: Sequence[Mapping[str, Any]]
    health: Mapping[str, Any] | None
    submitted_per_second: float
    ended_per_second: float | None = None
    address: str = field(default="", compare=False)

    @property
    def ended(self) -> int:
        """How many of the jobs that are kept have ended."""
        return sum(count for status, count in self.status_counts.items() if status in _FINAL)

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "timestamp": self.taken.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "status_counts": dict(self.status_counts),
            "submitted_per_second": self.submitted_per_second,
            "agents": list(self.agents),
            "jobs": list(self.jobs),
            "health": None if self.health is None else dict(self.health),
        }


def look(client: Client, jobs: int) -> Snapshot:
    """Fetch a snapshot from the API; ``jobs`` is the number of newest jobs to include."""
    now, moment = datetime.now(timezone.utc), monotonic()
    page = client.jobs(limit=max(jobs, 1), view="summary")
    try:
        health: dict[str, Any] | None = client.status()
    except Forbidden:
        health = None
    recent = client.jobs(limit=1, view="summary", created_after=now - timedelta(seconds=WINDOW_SECONDS))
    return Snapshot(
        taken=now,
        moment=moment,
        status_counts=page["status_counts"],
        agents=client.agents()["agents"],
        jobs=page["items"][:jobs],
        health=health,
        submitted_per_second=round(recent["total_items"] / WINDOW_SECONDS, 3),
        address=client.url,
    )


class Rates:
    """Rates of finished jobs, from one snapshot to the next."""

    def __init__(self) -> None:
        self._before: Snapshot | None = None

    def of(self, snapshot: Snapshot) -> Snapshot:
        """``snapshot`` with its rate of ended jobs."""
        before, self._before = self._before, snapshot
        if before is None:
            return snapshot
        # jobs that are pruned or deleted make the count smaller
        seconds = max(snapshot.moment - before.moment, 0.001)
        return replace(snapshot, ended_per_second=max(snapshot.ended - before.ended, 0) / seconds)
