"""How fast a worker empties a queue of trivial jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from celery import Celery

from benchmarks.peers.celery_app import TASK
from benchmarks.process import Process
from benchmarks.site import Site
from jobqueue.model.agent import Registration
from jobqueue.model.principal import system
from jobqueue.model.submission import Accepted, Submission
from jobqueue.operations.registry import Registry
from jobqueue.services import Services

HOSTNAME = "bench"
#: A tenth of the jobs warms the worker up and does not count.
_WARM_UP = 0.1
_LOOK_SECONDS = 0.01
_LONGEST_SECONDS = 180.0
_BATCH = 1000


def queue_jobs(site: Site, count: int, target: str = "_any") -> None:
    """Submit trivial jobs for an agent that runs, or starts later."""
    if not site.is_live(HOSTNAME):
        site.ledger.agents.register(Registration(HOSTNAME, "0", {}, {}, Registry.load().types(), "0", 8))
    services = Services.open(site.settings())
    try:
        for first in range(0, count, _BATCH):
            jobs = [Submission("node.hostname.get", {}, target, principal=system("benchmark"))] * min(
                _BATCH, count - first
            )
            for answer in services.submitter.submit_many(jobs):
                if not isinstance(answer, Accepted):
                    raise answer
    finally:
        services.ledger.close()


def finished_jobs(site: Site) -> int:
    """How many jobs are final."""
    return int(site.redis.zcard(site.ledger.keys.kind("finished")))


def queue_tasks(app: Celery, count: int) -> None:
    """Send trivial tasks for a Celery worker that starts later."""
    for first in range(0, count, _BATCH):
        with app.producer_pool.acquire(block=True) as producer, producer.batch(max_size=_BATCH):
            for _ in range(min(_BATCH, count - first)):
                app.send_task(TASK, producer=producer)


def finished_tasks(site: Site, count: int) -> int:
    """How many of ``count`` tasks have left the queue and are not held unacknowledged."""
    return count - int(site.redis.llen("celery")) - int(site.redis.hlen("unacked"))


@dataclass(frozen=True)
class Drained:
    """Jobs per second, and seconds of CPU that the worker's processes used per job: noise disturbs these less."""

    rate: float
    cpu: float


def drain(process: Process, finished: Callable[[], int], count: int) -> Drained:
    """How a worker that has just been started does, from a tenth of the jobs to the last."""
    process.wait_until(lambda: finished() >= count * _WARM_UP, "warming up", _LONGEST_SECONDS, _LOOK_SECONDS)
    done, started, cpu = finished(), time.perf_counter(), process.cpu_seconds()
    process.wait_until(lambda: finished() >= count, f"{count} jobs", _LONGEST_SECONDS, _LOOK_SECONDS)
    seconds = time.perf_counter() - started
    return Drained((count - done) / seconds, (process.cpu_seconds() - cpu) / (count - done))
