"""Trivial jobs through one agent, against Celery workers that keep a comparable record, and none."""

from __future__ import annotations

import statistics

from benchmarks.draining import HOSTNAME, finished_jobs, finished_tasks, queue_jobs, queue_tasks, rate
from benchmarks.peers.celery_app import make_app
from benchmarks.report import Report, Row, median_ratio, per_second
from benchmarks.scale import Scale
from benchmarks.site import Site

TITLE = "Trivial jobs per second through one agent"
#: Celery's pools for two cores.
_POOLS = {"prefork -c2": ("prefork", "2"), "threads -c8": ("threads", "8")}


def run(report: Report, scale: Scale) -> None:
    """Rounds of: our agent, then each peer; every worker starts anew on a queue that is full."""
    ours: list[float] = []
    peers: dict[tuple[str, str], list[float]] = {(kind, pool): [] for kind in ("tracked", "bare") for pool in _POOLS}
    with Site.open() as site:
        for number in range(scale.rounds):
            ours.append(_ours(site, scale.agent_jobs))
            for (kind, pool), rates in peers.items():
                rates.append(_celery(site, kind, pool, scale.agent_jobs))
            report.say(
                f"round {number + 1}: jobqueue {ours[-1]:,.0f}/s, "
                + ", ".join(f"{kind} {pool} {rates[-1]:,.0f}/s" for (kind, pool), rates in peers.items())
            )
    for kind, title, least in (
        ("tracked", "Celery with a comparable record", 1.6),
        ("bare", "Celery without any record", 0.9),
    ):
        best = max(_POOLS, key=lambda pool: statistics.median(peers[kind, pool]))
        rates = peers[kind, best]
        report.add(
            Row(
                f"one agent : {title} ({best})",
                per_second(ours),
                per_second(rates),
                median_ratio(ours, rates),
                least=least,
                values={"ours": ours, **{pool: peers[kind, pool] for pool in _POOLS}},
            )
        )


def _ours(site: Site, jobs: int) -> float:
    site.redis.flushdb()
    queue_jobs(site, jobs)
    with site.process("-m", "jobqueue", "worker", "--hostname", HOSTNAME) as process:
        return rate(process, lambda: finished_jobs(site), jobs)


def _celery(site: Site, kind: str, pool: str, tasks: int) -> float:
    site.redis.flushdb()
    queue_tasks(make_app(site.broker_url, tracked=kind == "tracked"), tasks)
    name, concurrency = _POOLS[pool]
    # no INFO: a line of log per task would cost Celery a tenth, and ours writes none
    arguments = ["-m", "celery", "-A", "benchmarks.peers.celery_app:app", "worker", "-P", name, "-c", concurrency]
    arguments += ["--without-gossip", "--without-mingle", "-l", "WARNING", *(["-E"] if kind == "tracked" else [])]
    with site.process(*arguments, BENCHMARK_PEER=kind) as process:
        return rate(process, lambda: finished_tasks(site, tasks), tasks)
