"""Which pool and prefetch suit the agent: the same agent, set up in several ways."""

from __future__ import annotations

from benchmarks.draining import HOSTNAME, finished_jobs, queue_jobs, rate
from benchmarks.peers.agent_variant import VARIANTS, Variant
from benchmarks.report import Report, Row, median_ratio, per_second
from benchmarks.scale import Scale
from benchmarks.site import Site

TITLE = "Pools and prefetch of our agent, in trivial jobs per second (docs/agents.md)"


def run(report: Report, scale: Scale) -> None:
    """Rounds over all variants; ratios are to the one that our agents are."""
    rates: dict[Variant, list[float]] = {variant: [] for variant in VARIANTS}
    with Site.open() as site:
        for _ in range(scale.pool_rounds):
            for variant, measured in rates.items():
                measured.append(_rate(site, variant, scale.pool_jobs))
    chosen = rates[VARIANTS[0]]
    for variant, measured in rates.items():
        report.add(
            Row(variant.name, per_second(measured), ratio=median_ratio(measured, chosen), values={"rates": measured})
        )


def _rate(site: Site, variant: Variant, jobs: int) -> float:
    site.redis.flushdb()
    queue_jobs(site, jobs)
    arguments = ("-m", "benchmarks.peers.agent_variant", variant.name)
    with site.process(*arguments, JOBQUEUE_HOSTNAME=HOSTNAME) as process:
        return rate(process, lambda: finished_jobs(site), jobs)
