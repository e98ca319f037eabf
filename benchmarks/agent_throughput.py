"""Trivial jobs through one agent, against Celery workers that keep a comparable record, and none."""

from __future__ import annotations

import statistics

from benchmarks.draining import HOSTNAME, Drained, drain, finished_jobs, finished_tasks, queue_jobs, queue_tasks
from benchmarks.peers.celery_app import make_app
from benchmarks.report import Report, Row, median_ratio, per_second
from benchmarks.scale import Scale
from benchmarks.site import Site

TITLE = "Trivial jobs per second through one agent"
#: Celery's pools for two cores.
_POOLS = {"prefork -c2": ("prefork", "2"), "threads -c8": ("threads", "8")}
#: A pool that is this much slower than the other in the first round is not measured again.
_BEHIND = 0.9


def run(report: Report, scale: Scale) -> None:
    """Rounds of: our agent, then each peer; every worker starts anew on a queue that is full."""
    ours: list[Drained] = []
    peers: dict[tuple[str, str], list[Drained]] = {(kind, pool): [] for kind in ("tracked", "bare") for pool in _POOLS}
    with Site.open() as site:
        contest = list(peers)
        for number in range(scale.rounds):
            ours.append(_ours(site, scale.agent_jobs))
            for kind, pool in contest:
                peers[kind, pool].append(_celery(site, kind, pool, scale.agent_jobs))
            report.say(
                f"round {number + 1}: jobqueue {ours[-1].rate:,.0f}/s, "
                + ", ".join(f"{kind} {pool} {peers[kind, pool][-1].rate:,.0f}/s" for kind, pool in contest)
            )
            if number == 0:
                contest = [
                    (kind, pool)
                    for kind, pool in contest
                    if peers[kind, pool][0].rate >= _BEHIND * max(peers[kind, other][0].rate for other in _POOLS)
                ]
    for name, drained in {
        "our agent": ours,
        **{f"Celery, {kind}, {pool}": peers[kind, pool] for kind, pool in contest},
    }.items():
        cpu = statistics.median(one.cpu for one in drained)
        report.add(Row(f"CPU per job: {name}", f"{cpu * 1e6:,.0f} us", values={"seconds": cpu}))
    for kind, title, least in (
        ("tracked", "Celery with a comparable record", 1.6),
        ("bare", "Celery without any record", 0.9),
    ):
        measured = {pool: [drained.rate for drained in peers[kind, pool]] for pool in _POOLS}
        best = max((pool for pool in _POOLS if (kind, pool) in contest), key=lambda p: statistics.median(measured[p]))
        rates, our_rates = measured[best], [drained.rate for drained in ours]
        report.add(
            Row(
                f"one agent : {title} ({best})",
                per_second(our_rates),
                per_second(rates),
                median_ratio(our_rates, rates),
                least=least,
                values={"ours": our_rates, **measured},
            )
        )


def _ours(site: Site, jobs: int) -> Drained:
    site.redis.flushdb()
    queue_jobs(site, jobs)
    with site.process("-m", "jobqueue", "worker", "--hostname", HOSTNAME) as process:
        return drain(process, lambda: finished_jobs(site), jobs)


def _celery(site: Site, kind: str, pool: str, tasks: int) -> Drained:
    site.redis.flushdb()
    queue_tasks(make_app(site.broker_url, tracked=kind == "tracked"), tasks)
    name, concurrency = _POOLS[pool]
    # no INFO: a line of log per task would cost Celery a tenth, and ours writes none
    arguments = ["-m", "celery", "-A", "benchmarks.peers.celery_app:app", "worker", "-P", name, "-c", concurrency]
    arguments += ["--without-gossip", "--without-mingle", "-l", "WARNING", *(["-E"] if kind == "tracked" else [])]
    with site.process(*arguments, BENCHMARK_PEER=kind) as process:
        return drain(process, lambda: finished_tasks(site, tasks), tasks)
