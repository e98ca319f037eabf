"""What will be asked for and what will be broken, and when: drawn from the seed alone, before anything starts."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

#: kind of fault -> how often, relative to the others. Every kind occurs at least once in a run that is long enough.
FAULTS = {
    "agent-kill": 6,
    "agent-freeze": 5,
    "agent-terminate": 2,
    "agent-twin": 3,
    "api-worker-kill": 4,
    "api-worker-freeze": 2,
    "api-kill": 2,
    "maintenance-kill": 4,
    "maintenance-freeze": 3,
    "redis-kill": 2,
    "redis-terminate": 1,
    "redis-pause": 2,
    "connections-cut": 2,
    "messages-stolen": 4,
    "messages-doubled": 4,
    "queue-deleted": 4,
}
HOSTS = {
    "a1": {"group": "web.dev"},
    "a2": {"group": "web.prod"},
    "a3": {"group": "db"},
    "a4": {"group": "db", "disk": "ssd"},
}
_TARGETS = {"_any": 35, "host": 35, "label": 15, "_all": 15}
_LABELS = ("group:web", "group:db", "group:web.dev", "disk:ssd")
_OPERATIONS = {
    "chaos.once.do": 30,
    "chaos.repeatable.do": 22,
    "chaos.flaky.do": 12,
    "chaos.deaf.do": 18,
    "command.exec.execute": 18,
}
#: What a rollout has besides its batches: a rate, a verification that succeeds, or one that never does.
_TERMS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"rate": "20/s"},
    {"rate": "3/s"},
    {"verify": {"operation": {"type": "command.exec.execute", "data": {"argv": ["true"]}}, "within_seconds": 5}},
    {"verify": {"operation": {"type": "command.exec.execute", "data": {"argv": ["false"]}}, "within_seconds": 1}},
)
#: Seconds of chaos between two faults, and between two requests, on average.
_FAULT_EVERY = 1.3
_REQUEST_EVERY = 0.09


@dataclass(frozen=True)
class Fault:
    """Something is broken ``at`` seconds after the start, for ``seconds``; ``choice`` in [0, 1) picks the victim."""

    at: float
    kind: str
    choice: float
    seconds: float


@dataclass(frozen=True)
class Request:
    """A job that is asked for.

    ``options`` are fields of POST /job; ``not_before`` and ``expires_at`` are in seconds from when it is first sent.
    ``keyed``: sent with an idempotency key, again and again until there is an answer. ``cancel_after`` and
    ``delete_after``: seconds from acceptance. ``batch``: requests with the same number go in one POST /job/batch.
    """

    at: float
    number: int
    operation: str
    target: str
    seconds: float
    failures: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    not_before: float | None = None
    expires_at: float | None = None
    keyed: bool = True
    cancel_after: float | None = None
    delete_after: float | None = None
    batch: int | None = None

    @property
    def is_idempotent(self) -> bool:
        return self.operation == "chaos.repeatable.do"

    @property
    def max_attempts(self) -> int | None:
        """How often an execution may run at most; None: as often as its agents crash."""
        if "retries" in self.options:
            return int(self.options["retries"]["max_attempts"])
        return None if self.is_idempotent else 1


@dataclass(frozen=True)
class Plan:
    """A run's whole course."""

    seed: int
    seconds: float
    faults: tuple[Fault, ...]
    requests: tuple[Request, ...]


def make_plan(seed: int, seconds: float, kinds: tuple[str, ...] = tuple(FAULTS)) -> Plan:
    """Draw a run of ``seconds`` with faults of these ``kinds``. The same arguments give the same plan."""
    return Plan(seed, seconds, tuple(_faults(random.Random(seed), seconds, kinds)), tuple(_requests(seed, seconds)))


def _faults(draw: random.Random, seconds: float, kinds: tuple[str, ...]) -> list[Fault]:
    count = max(1, int(seconds / _FAULT_EVERY))
    chosen = list(kinds) + draw.choices(kinds, [FAULTS[kind] for kind in kinds], k=max(0, count - len(kinds)))
    draw.shuffle(chosen)
    # the first requests need a moment to arrive, and what is broken at the very end is healed at once
    times = sorted(draw.uniform(1.0, max(1.5, seconds - 1.0)) for _ in chosen)
    return [
        Fault(at, kind, draw.random(), draw.choice((draw.uniform(0.2, 1.2), draw.uniform(2.5, 5.0))))
        for at, kind in zip(times, chosen, strict=True)
    ]


def _requests(seed: int, seconds: float) -> list[Request]:
    draw = random.Random(f"requests {seed}")
    requests: list[Request] = []
    at, batch = 0.0, 0
    while at < seconds:
        if draw.random() < 0.06:
            batch += 1
            requests += [_request(draw, at, len(requests) + place, batch) for place in range(draw.randint(2, 6))]
        else:
            requests.append(_request(draw, at, len(requests), None))
        at += draw.expovariate(1 / _REQUEST_EVERY)
    return requests


def _request(draw: random.Random, at: float, number: int, batch: int | None) -> Request:
    def sometimes(share: float, low: float, high: float) -> float | None:
        return round(draw.uniform(low, high), 3) if draw.random() < share else None

    operation = _weighted(draw, _OPERATIONS)
    target = _weighted(draw, _TARGETS)
    if target == "host":
        target = draw.choice(sorted(HOSTS))
    elif target == "label":
        target = draw.choice(_LABELS)
    # the longest outlast the grace of an agent that is asked to end
    durations = (0.0, draw.uniform(0.05, 0.4), draw.uniform(0.5, 2.0), draw.uniform(5.5, 8.0))
    seconds = draw.choices(durations, (55, 30, 13, 2))[0]
    options: dict[str, Any] = {}
    failures = 0
    if operation == "chaos.deaf.do":
        seconds, target = draw.uniform(1.0, 2.5), draw.choice(["_any", *sorted(HOSTS)])
    if operation == "chaos.flaky.do":
        failures = draw.randint(0, 3)
    if operation in ("chaos.flaky.do", "chaos.deaf.do") or draw.random() < 0.25:
        options["retries"] = {
            "max_attempts": draw.randint(1, 4),
            "backoff_seconds": round(draw.uniform(0.05, 0.5), 3),
            "backoff_max_seconds": 1.0,
            "jitter": 0.5,
        }
    if draw.random() < 0.5:
        options["priority"] = draw.randint(0, 9)
    timeout = sometimes(0.08, 0.2, 1.0)
    if timeout is not None:
        options["timeout_seconds"] = timeout
    if (target == "_all" or ":" in target) and draw.random() < 0.5:
        options["rollout"] = {"batch": draw.choice([1, 1, 2, "50%"]), "max_failures": draw.choice([1, "50%", "100%"])}
        options["rollout"] |= draw.choice([{}, {"canary": 1}, {"pause_seconds": 0.3}, {"on_failure": "cancel"}])
        # drawn apart, so that whatever else a seed has drawn so far stays as it is
        options["rollout"] |= random.Random(f"terms {number} {at}").choice(_TERMS)
    not_before, expires_at = sometimes(0.1, 0.3, 3.0), sometimes(0.2, 0.5, 10.0)
    if not_before is not None and expires_at is not None:
        expires_at += not_before
    return Request(
        at=at,
        number=number,
        operation=operation,
        target=target,
        seconds=round(seconds, 3),
        failures=failures,
        options=options,
        not_before=not_before,
        expires_at=expires_at,
        keyed=batch is not None or draw.random() < 0.85,
        cancel_after=sometimes(0.12, 0.0, 2.0),
        delete_after=sometimes(0.05, 0.5, 6.0),
        batch=batch,
    )


def _weighted(draw: random.Random, weights: dict[str, int]) -> str:
    return draw.choices(list(weights), list(weights.values()))[0]
