"""Reading the ledger's metrics, in few round trips and without blocking Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from jobqueue.ledger import decoding
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.damaged_keys import intact, intact_answers
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.scripts import Argument
from jobqueue.model.alert import grouped
from jobqueue.model.fleet import FleetSummary
from jobqueue.model.measures import OTHER, Backlog, Distribution, Measures, is_counter
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.stored_limits import BUCKETS
from jobqueue.model.target import ANY

#: Operations counted in one call.
_OPERATIONS = 50
_ALL = "all:"

#: Jobs with held executions by what they wait for: ranges of scores in ``opening`` (``lua/include/rollout.lua``).
_HELD: Mapping[str, tuple[float | str, float | str]] = {
    "opening": ("-inf", 7.9e15),
    "running": (8.0e15, 8.0e15),
    "awaiting_approval": (8.1e15, 8.1e15),
    "paused": (8.2e15, 8.2e15),
}


def read(ledger: Ledger, operations: Iterable[str], fleet: Callable[[], FleetSummary]) -> Measures:
    """All metrics; the jobs of ``operations`` are counted per operation, ``fleet`` sums up the agents.

    Numbers in a damaged key are 0 or missing, and ``damaged`` names the key.
    Raises ``LedgerUnavailable``.
    """
    now = ledger.time()
    rules, dead_letters, late = intact(lambda: ledger.notifications.backlog(now)) or (0, 0, 0)
    objects, object_bytes = intact(ledger.objects.totals) or (0, 0)
    pauses = intact(ledger.pauses.all) or []
    alerts = grouped(intact(ledger.executions.alerts) or [], intact(ledger.acknowledgements.all) or {})
    with translated_errors(), ledger.client.pipeline(transaction=False) as pipe:
        pipe.hgetall(ledger.keys.kind("measured"))
        pipe.zcard(ledger.keys.kind("leases"))
        pipe.zcard(ledger.keys.kind("due"))
        pipe.zcard(ledger.keys.kind("lines"))
        pipe.zcard(ledger.keys.waiting(ANY))
        pipe.zrange(ledger.keys.waiting(ANY), 0, 0, withscores=True)
        pipe.zcard(ledger.keys.kind("schedules"))
        pipe.zrange(ledger.keys.kind("schedules_due"), 0, 0, withscores=True)
        pipe.zcard(ledger.keys.kind("workflow_runs_due"))
        for low, high in _HELD.values():
            pipe.zcount(ledger.keys.kind("opening"), low, high)
        answers = intact_answers(pipe.execute(raise_on_error=False))
    measured, running, scheduled, lines, waiting, oldest, schedules, earliest, runs, *held = answers
    summary = intact(fleet) or FleetSummary(now)
    age = max(0.0, (now - summary.at) / 1e6)
    shared = Backlog(ANY, int(waiting or 0), max(0.0, (now - oldest[0][1]) / 1e6) if oldest else 0.0)
    counts = _Counts(measured or {})
    if counts.is_altered:
        ledger.alarm("measured", "Counters in Redis (measured) have unknown names or invalid values; they are ignored.")
    return Measures(
        jobs=intact(lambda: _jobs(ledger, sorted(operations))) or {},
        submitted=counts.of("submitted"),
        retried=counts.of("retried"),
        ended=counts.ended(),
        waits=counts.distributions("wait"),
        runs=counts.distributions("run"),
        backlogs=(shared, *(_aged_backlog(backlog, age) for backlog in summary.backlogs)),
        pulses=tuple(replace(pulse, age_seconds=pulse.age_seconds + age) for pulse in summary.pulses),
        agents={(state, "live" if live else "offline"): count for (state, live), count in summary.states.items()},
        agents_age_seconds=age,
        running=int(running or 0),
        scheduled=int(scheduled or 0),
        schedules=int(schedules or 0),
        schedule_results=counts.of("schedule"),
        schedules_overdue_seconds=max(0.0, (now - earliest[0][1]) / 1e6) if earliest else 0.0,
        workflow_runs=int(runs or 0),
        workflow_results=counts.of("workflow"),
        notification_rules=rules,
        notification_results=counts.of("notification"),
        dead_letters=dead_letters,
        notifications_late_seconds=late / 1e6,
        objects=objects,
        object_bytes=object_bytes,
        bucket_removals=intact(ledger.bucket_contents.count_removals) or 0,
        fetched_bytes=intact(ledger.fetched.total) or 0,
        pauses=len(pauses),
        alerts={group.kind: (len(group.alerts), group.is_acknowledged) for group in alerts},
        keys_waited_for=int(lines or 0),
        paused=sum(intact(lambda: ledger.pauses.held_back(pauses)) or []),
        held={state: int(count or 0) for state, count in zip(_HELD, held, strict=True)},
        counters=intact(ledger.stats) or {},
        maintained=ledger.is_maintained(),
        audit_unwritable=bool(ledger.audit.trouble()),
        audit_broken=ledger.audit.is_broken(),
        damaged=ledger.damaged_keys(ledger.pauses.lists(pauses)),
    )


def _jobs(ledger: Ledger, operations: list[str]) -> dict[tuple[str, JobStatus], int]:
    dimensions = [_ALL, *(f"op:{name}" for name in operations)]
    calls: list[tuple[Argument, ...]] = [
        tuple(f"{dimension}|{status}" for dimension in part for status in JobStatus)
        for part in _parts(dimensions, _OPERATIONS)
    ]
    sizes = [int(size) for answer in ledger.scripts.call_many("count_indexes", calls) for size in answer]
    names = [(name, status) for name in [_ALL, *operations] for status in JobStatus]
    counts = dict(zip(names, sizes, strict=True))
    for status in JobStatus:
        # the calls are not atomic: a job that moved between them must not make this negative
        unlisted = counts.pop((_ALL, status)) - sum(counts[name, status] for name in operations)
        counts[OTHER, status] = max(0, unlisted)
    return counts


def _aged_backlog(backlog: Backlog, age: float) -> Backlog:
    return replace(backlog, oldest_seconds=backlog.oldest_seconds + age) if backlog.oldest_seconds else backlog


def _parts(items: list[str], size: int) -> Iterator[list[str]]:
    items_left = iter(items)
    while part := list(islice(items_left, size)):
        yield part


class _Counts:
    """The hash ``measured``: metric|operation, metric|operation|state and metric|operation|bucket -> a number."""

    def __init__(self, measured: Mapping[Any, Any]) -> None:
        numbers = decoding.numbers_of(measured)
        self._fields = {tuple(name.split("|")): max(0, count) for name, count in numbers.items() if is_counter(name)}
        self.is_altered = len(self._fields) < len(measured)

    def of(self, kind: str) -> dict[str, int]:
        """By operation."""
        return {name[1]: count for name, count in self._fields.items() if name[0] == kind}

    def ended(self) -> dict[tuple[str, ExecutionState], int]:
        """By operation and state."""
        fields = self._fields.items()
        return {(name[1], ExecutionState(name[2])): count for name, count in fields if name[0] == "ended"}

    def distributions(self, kind: str) -> dict[str, Distribution]:
        """By operation."""
        distributions = {}
        for operation in sorted(self.of(kind)):
            counts = [self._fields.get((kind, operation, str(bucket)), 0) for bucket in range(1, len(BUCKETS) + 2)]
            micros = self._fields.get((kind, operation, "sum"), 0)
            distributions[operation] = Distribution(tuple(counts), micros / 1e6)
        return distributions
