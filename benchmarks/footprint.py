"""Bytes in Redis per finished job, and what an agent takes that has nothing to do."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.draining import HOSTNAME, finished_jobs, queue_jobs
from benchmarks.process import Process
from benchmarks.report import Report, Row
from benchmarks.scale import Scale
from benchmarks.site import Site
from jobqueue.ledger.keys import Keys
from jobqueue.settings import Settings

TITLE = "Size"
_WARM_UP = 500
_JOBS = 2000
_MOST_BYTES = 2048


def run(report: Report, scale: Scale) -> None:
    """Memory of Redis before and after the jobs; then the agent, left alone."""
    with Site.open() as site:
        for target in ("_any", HOSTNAME):
            _bytes_per_job(report, site, target)
        site.redis.flushdb()
        with site.agent(HOSTNAME) as process:
            _idle(report, "an idle agent", process, scale.idle_seconds)
        site.redis.flushdb()
        arguments = ("-m", "celery", "-A", "benchmarks.peers.celery_app:app", "worker", "-P", "prefork", "-c", "2")
        with site.process(*arguments, "-l", "WARNING", BENCHMARK_PEER="bare") as process:
            process.wait_until(lambda: bool(site.redis.exists("_kombu.binding.celery")), "starting")
            _idle(report, "for comparison: an idle Celery worker, prefork -c2", process, scale.idle_seconds)


def _bytes_per_job(report: Report, site: Site, target: str) -> None:
    site.redis.flushdb()
    with site.agent(HOSTNAME) as process:
        events, before = _after(site, process, _WARM_UP, target)  # scripts and connections take their memory once
        more_events, after = _after(site, process, _JOBS, target)
    # the stream keeps the same few thousand entries with two thousand jobs as with two million: no part of a job
    size = (after - more_events - (before - events)) / _JOBS
    report.add(
        Row(
            f"Redis, per finished job to {target} : 2 KiB",
            f"{size:,.0f} B",
            f"{_MOST_BYTES:,} B",
            size / _MOST_BYTES,
            most=1,
            values={"bytes": size},
        )
    )
    report.add(Row("the stream of events", f"{more_events / 1024:,.0f} KiB", values={"bytes": more_events}))


def _after(site: Site, process: Process, jobs: int, target: str) -> tuple[int, int]:
    """Bytes of the stream of events and of everything, after this many more jobs have finished."""
    wanted = finished_jobs(site) + jobs
    queue_jobs(site, jobs, target)
    process.wait_until(lambda: finished_jobs(site) == wanted, f"{jobs} jobs")
    stream = Keys(Settings(state_dir=Path()).key_prefix).kind("events")
    return site.redis.memory_usage(stream, samples=0) or 0, site.used_memory()


def _idle(report: Report, what: str, process: Process, seconds: float) -> None:
    time.sleep(2)  # what starting costs is another matter
    before = process.cpu_seconds()
    time.sleep(seconds)
    used = (process.cpu_seconds() - before) / seconds
    tree = process.tree()
    rss = sum(member.memory_info().rss for member in tree)
    report.add(Row(f"{what}: RSS", f"{rss / 2**20:.0f} MiB", values={"bytes": rss, "processes": len(tree)}))
    report.add(Row(f"{what}: CPU of one core", f"{used:.2%}", values={"share": used}))
