"""Fleet metrics: what ``/metrics`` reports of the ledger. Pure data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jobqueue.model.notification import RESULTS
from jobqueue.model.schedule import Outcome
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.stored_limits import BUCKETS
from jobqueue.model.workflow_run import FINAL

_BUCKET_NAMES = frozenset({"sum", *map(str, range(1, len(BUCKETS) + 2))})
#: First word of a counter's name -> number of its words, and the possible last words (None: any).
_COUNTERS: Mapping[str, tuple[int, frozenset[str] | None]] = {
    "submitted": (2, None),
    "retried": (2, None),
    "ended": (3, frozenset(map(str, ExecutionState))),
    "wait": (3, _BUCKET_NAMES),
    "run": (3, _BUCKET_NAMES),
    "schedule": (2, frozenset({*map(str, Outcome), "late"})),
    "workflow": (2, frozenset(map(str, FINAL))),
    "notification": (2, frozenset(RESULTS)),
}

#: Jobs of operations that this process does not know are counted under this name.
OTHER = "other"


@dataclass(frozen=True)
class Distribution:
    """Durations. ``counts`` has one number for each of ``BUCKETS`` and one for longer times, not cumulative."""

    counts: tuple[int, ...]
    total_seconds: float

    @property
    def cumulated(self) -> list[tuple[str, float]]:
        """Cumulative counts as (upper bound, count), the last bound being ``+Inf``: the format of Prometheus."""
        total, bounds = 0, []
        for bound, count in zip([*map(float, BUCKETS), float("inf")], self.counts, strict=True):
            total += count
            bounds.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
        return bounds


@dataclass(frozen=True)
class Backlog:
    """Waiting executions of one queue: their number, and the age of the oldest in seconds (0 without any)."""

    queue: str
    waiting: int
    oldest_seconds: float


@dataclass(frozen=True)
class Pulse:
    """An agent's last heartbeat, ``age_seconds`` ago."""

    hostname: str
    live: bool
    state: str
    running: int
    age_seconds: float


@dataclass(frozen=True)
class Measures:
    """One snapshot of the ledger.

    Counts and distributions are by operation and only grow, for the lifetime of the ledger. ``waits``: from the
    publication of an execution to its start. ``runs``: attempts whose end an agent reported. ``scheduled`` executions
    wait for a time. ``agents`` counts agents by state and status (live, offline). These, ``backlogs`` and ``pulses``
    were read ``agents_age_seconds`` ago, and the queues and agents beyond the first thousand are one named ``OTHER``.
    ``alerts``: by kind, how many are stored, and whether they are acknowledged.
    ``pauses`` keep ``paused`` executions from starting. Jobs or executions wait for ``keys_waited_for`` concurrency
    keys.
    ``held``: jobs with executions that have not been opened, by what they wait for. ``maintained``: a maintenance
    process holds the leadership. ``schedule_results``: times of schedules by outcome, and as ``late`` the
    microseconds by which all of them fired late; ``schedules_overdue_seconds``: of the schedule that waits longest.
    ``workflow_runs`` have not ended; ``workflow_results``: ended ones by status.
    ``notification_results``: attempts to send notifications by result; ``notifications_late_seconds``: for how long the
    one that waits longest has been tried; ``dead_letters``: those that were given up and are kept.
    ``object_bytes``: of all versions of all ``objects``. ``bucket_removals``: contents in the bucket
    that are uploaded or deleted at present. ``fetched_bytes``: of the files that hosts have sent for jobs.
    ``audit_unwritable``: the audit trail cannot be written; ``audit_broken``: a break is
    among the retained entries. ``damaged``: names of keys that hold another type of value than the ledger keeps there.
    """

    jobs: Mapping[tuple[str, JobStatus], int] = field(default_factory=dict)
    submitted: Mapping[str, int] = field(default_factory=dict)
    retried: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)
    ended: Mapping[tuple[str, ExecutionState], int] = field(default_factory=dict)
    waits: Mapping[str, Distribution] = field(default_factory=dict)
    runs: Mapping[str, Distribution] = field(default_factory=dict)
    backlogs: tuple[Backlog, ...] = ()
    pulses: tuple[Pulse, ...] = ()
    agents: Mapping[tuple[str, str], int] = field(default_factory=dict)
    agents_age_seconds: float = 0.0
    running: int = 0
    scheduled: int = 0
    schedules: int = 0
    schedule_results: Mapping[str, int] = field(default_factory=dict)
    schedules_overdue_seconds: float = 0.0
    workflow_runs: int = 0
    workflow_results: Mapping[str, int] = field(default_factory=dict)
    notification_rules: int = 0
    notification_results: Mapping[str, int] = field(default_factory=dict)
    dead_letters: int = 0
    notifications_late_seconds: float = 0.0
    objects: int = 0
    object_bytes: int = 0
    bucket_removals: int = 0
    fetched_bytes: int = 0
    pauses: int = 0
    alerts: Mapping[str, tuple[int, bool]] = field(default_factory=dict)
    paused: int = 0
    keys_waited_for: int = 0
    counters: Mapping[str, int] = field(default_factory=dict)
    maintained: bool = False
    audit_unwritable: bool = False
    audit_broken: bool = False
    damaged: tuple[str, ...] = ()


def is_counter(name: str) -> bool:
    """Whether the ledger has a counter of this name in ``measured``, such as ``run|node.uptime.get|sum``."""
    words = name.split("|")
    count, last_words = _COUNTERS.get(words[0], (0, None))
    return len(words) == count and (last_words is None or words[-1] in last_words)
