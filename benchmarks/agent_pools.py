"""Which pool and prefetch suit the agent: the same agent, set up in several ways."""

from __future__ import annotations

import statistics

from benchmarks.draining import HOSTNAME, Drained, drain, finished_jobs, queue_jobs
from benchmarks.peers.agent_variant import VARIANTS, Variant
from benchmarks.report import Report, Row, median_ratio, per_second
from benchmarks.scale import Scale
from benchmarks.site import Site

TITLE = "Pools and prefetch of our agent, in trivial jobs per second (docs/agents.md)"


def run(report: Report, scale: Scale) -> None:
    """Rounds over all variants; ratios are to the one that our agents are."""
    results: dict[Variant, list[Drained]] = {variant: [] for variant in VARIANTS}
    with Site.open() as site:
        for _ in range(scale.pool_rounds):
            for variant, drained in results.items():
                drained.append(_drain(site, variant, scale.pool_jobs))
    chosen = [drained.rate for drained in results[VARIANTS[0]]]
    for variant, measured in results.items():
        rates = [drained.rate for drained in measured]
        cpu = statistics.median(drained.cpu for drained in measured)
        report.add(
            Row(
                f"{variant.name} (CPU per job {cpu * 1e6:,.0f} us)",
                per_second(rates),
                ratio=median_ratio(rates, chosen),
                values={"rates": rates, "cpu_seconds": cpu},
            )
        )


def _drain(site: Site, variant: Variant, jobs: int) -> Drained:
    site.redis.flushdb()
    queue_jobs(site, jobs)
    arguments = ("-m", "benchmarks.peers.agent_variant", variant.name)
    with site.process(*arguments, JOBQUEUE_HOSTNAME=HOSTNAME) as process:
        return drain(process, lambda: finished_jobs(site), jobs)
