"""What a run came to, in a few lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.chaos.book import Promise
from tests.chaos.checker import DOUBLED, LOST, Violation
from tests.chaos.monkey import Blow
from tests.chaos.snapshot import Snapshot

#: Findings that are spelled out; a safeguard that is off makes many.
_SPELLED_OUT = 20


@dataclass(frozen=True, order=True)
class Recovery:
    """How long it took until something happened to an execution that was struck."""

    seconds: float
    kind: str
    subject: str


@dataclass(frozen=True)
class Report:
    """``recoveries``: from each fault to the next state of each execution that it struck, the quickest first."""

    title: str
    requests: Counter[str]
    executions: Counter[str]
    faults: Counter[str]
    skipped: Counter[str]
    stats: dict[str, int]
    recoveries: list[Recovery]
    violations: list[Violation]
    complaints: list[str]

    @property
    def is_clean(self) -> bool:
        return not self.violations and not self.complaints

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of violations that were found."""
        return frozenset(violation.kind for violation in self.violations)

    def count(self, kinds: frozenset[str]) -> int:
        """Violations of these kinds."""
        return sum(violation.kind in kinds for violation in self.violations)

    def __str__(self) -> str:
        others = len(self.violations) - self.count(LOST) - self.count(DOUBLED)
        lines = [
            self.title,
            f"jobs: {_listed(self.requests)}",
            f"executions: {_listed(self.executions)}",
            f"faults: {sum(self.faults.values())}: {_listed(self.faults)}",
            f"skipped, nothing to break: {_listed(self.skipped)}",
            f"safeguards at work: {_listed(Counter(self.stats))}",
            f"recovery, from a fault to the next state of what it struck: {_percentiles(self.recoveries)}",
            f"lost {self.count(LOST)}, doubled {self.count(DOUBLED)}, other violations {others}",
            *(f"  {violation}" for violation in self.violations[:_SPELLED_OUT]),
            *(f"  complaint: {complaint}" for complaint in self.complaints),
        ]
        if len(self.violations) > _SPELLED_OUT:
            lines.append(f"  and {len(self.violations) - _SPELLED_OUT} more")
        return "\n".join(lines)


def tally(promises: list[Promise]) -> Counter[str]:
    """Requests by what became of them."""
    counted = Counter({"asked for": len(promises)})
    for promise in promises:
        counted[promise.outcome] += 1
        counted["cancelled while under way"] += promise.cancelled
        counted["deleted"] += promise.deleted
        counted["found by their idempotency key"] += promise.replayed
    return counted


def recoveries(blows: list[Blow], snapshot: Snapshot) -> list[Recovery]:
    """From each fault to the next event of each execution that it struck; deleted jobs left out."""
    found = []
    for blow in blows:
        for job_id, slot in blow.hit:
            executions = snapshot.executions(job_id)
            # an `_any` execution may have moved to another host
            record = executions.get(slot) or (next(iter(executions.values())) if len(executions) == 1 else {})
            times = (
                int(text.partition("|")[0]) for name, text in record.items() if name[:1] == "e" and name[1:].isdigit()
            )
            after = [at for at in times if at > blow.at]
            if after:
                found.append(Recovery((min(after) - blow.at) / 1_000_000, blow.kind, f"{job_id} on {slot}"))
    return sorted(found)


def _percentiles(found: list[Recovery]) -> str:
    if not found:
        return "nothing was struck"
    p50, p99 = (found[min(len(found) - 1, int(len(found) * share))].seconds for share in (0.5, 0.99))
    slowest = found[-1]
    most = f"most {slowest.seconds:.2f} s ({slowest.kind}, {slowest.subject})"
    return f"p50 {p50:.2f} s, p99 {p99:.2f} s, {most}, {len(found)} executions"


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counted.most_common() if count) or "none"
