"""Ray's client against our API, and against Ray's own server."""

from __future__ import annotations

import asyncio
import logging
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil

from benchmarks.draining import HOSTNAME
from benchmarks.peers.ray_head import ray_head
from benchmarks.process import BenchmarkError
from benchmarks.report import Report, Row, median_ratio, milliseconds
from benchmarks.scale import Scale
from benchmarks.site import TOKEN, Site

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

TITLE = "Ray's client: our API against Ray's own server"

_COMMAND = "python -c 'print(1)'"
_AT_ONCE = 50
#: Ray's server takes more than a minute for each.
_MOST_ROUNDS = 2
_CLIENTS = 8
_LOOK = 0.002
_PATIENCE = 300.0
_FIRST_LINE_SECONDS = 0.5
_FINAL = ("SUCCEEDED", "FAILED", "STOPPED")


class _Figures:
    """What one server does, over the rounds: seconds, jobs per second, bytes."""

    def __init__(self) -> None:
        self.single: list[float] = []
        self.rate: list[float] = []
        self.first_line: list[float] = []
        self.memory: list[float] = []

    def measure(self, client: JobSubmissionClient, singles: int) -> None:
        _single(client)  # the first one after a start loads code
        self.single.append(statistics.median(_single(client) for _ in range(singles)))
        self.first_line.append(statistics.median(_first_line(client) for _ in range(singles)))
        self.rate.append(_at_once(client))


def run(report: Report, scale: Scale) -> None:
    """In turns, each server alone on the machine. One agent, one head node."""
    ours, rays = _Figures(), _Figures()
    rounds = min(scale.rounds, _MOST_ROUNDS)
    for number in range(rounds):
        report.say(f"round {number + 1} of {rounds}: ours")
        with _ours(ours) as client:
            ours.measure(client, 20)
        report.say(f"round {number + 1} of {rounds}: Ray's")
        with _rays(rays) as client:
            rays.measure(client, 5)
    report.add(
        Row(
            f"submit to SUCCEEDED, {_COMMAND}",
            milliseconds(statistics.median(ours.single)),
            milliseconds(statistics.median(rays.single)),
            median_ratio(ours.single, rays.single),
            most=0.2,
            values={"ours": ours.single, "rays": rays.single},
        )
    )
    report.add(
        Row(
            f"{_AT_ONCE} submitted at once",
            f"{statistics.median(ours.rate):.1f}/s",
            f"{statistics.median(rays.rate):.1f}/s",
            median_ratio(ours.rate, rays.rate),
            least=10,
            values={"ours": ours.rate, "rays": rays.rate},
        )
    )
    report.add(
        Row(
            "first line at a tail : 0.5 s",
            milliseconds(statistics.median(ours.first_line)),
            milliseconds(statistics.median(rays.first_line)),
            statistics.median(ours.first_line) / _FIRST_LINE_SECONDS,
            most=1,
            values={"ours": ours.first_line, "rays": rays.first_line},
        )
    )
    report.add(
        Row(
            "memory of all processes (PSS)",
            f"{statistics.median(ours.memory) / 2**20:,.0f} MiB",
            f"{statistics.median(rays.memory) / 2**20:,.0f} MiB",
            median_ratio(ours.memory, rays.memory),
            values={"ours": ours.memory, "rays": rays.memory},
        )
    )


@contextmanager
def _ours(figures: _Figures) -> Iterator[JobSubmissionClient]:
    # a heartbeat as it is by default: what keeps the system alive is measured, too
    with (
        Site.open() as site,
        site.process("-m", "jobqueue", "maintenance"),
        site.agent(HOSTNAME, JOBQUEUE_HEARTBEAT_SECONDS="5"),
        site.api() as url,
    ):
        yield _client(url, {"Authorization": f"Bearer {TOKEN}"})
        figures.memory.append(_memory(psutil.Process().children(recursive=True)))


@contextmanager
def _rays(figures: _Figures) -> Iterator[JobSubmissionClient]:
    with ray_head() as (url, process):
        yield _client(url, {})
        figures.memory.append(_memory(process.tree()))


def _client(url: str, headers: dict[str, str]) -> JobSubmissionClient:
    from ray.job_submission import JobSubmissionClient  # it comes with the extra only

    logging.getLogger("ray.dashboard.modules.job.sdk").setLevel(logging.WARNING)  # a line per tail
    return JobSubmissionClient(url, headers=headers)


def _single(client: JobSubmissionClient) -> float:
    started = time.perf_counter()
    name = client.submit_job(entrypoint=_COMMAND)
    while (status := client.get_job_status(name)) not in _FINAL:
        _check(started)
        time.sleep(_LOOK)
    if status != "SUCCEEDED":
        raise BenchmarkError(f"{name} is {status}: {client.get_job_info(name).message}")
    return time.perf_counter() - started


def _at_once(client: JobSubmissionClient) -> float:
    """Jobs per second, from the first submission to the last end."""
    started = time.perf_counter()
    with ThreadPoolExecutor(_CLIENTS) as pool:
        names = set(pool.map(lambda _: client.submit_job(entrypoint=_COMMAND), range(_AT_ONCE)))
    while True:
        ended = [job for job in client.list_jobs() if job.submission_id in names and job.status in _FINAL]
        if len(ended) == _AT_ONCE:
            break
        _check(started)
        time.sleep(0.02)
    failed = [job for job in ended if job.status != "SUCCEEDED"]
    if failed:
        raise BenchmarkError(f"{len(failed)} of {_AT_ONCE} did not succeed: {failed[0].message}")
    return _AT_ONCE / (time.perf_counter() - started)


def _first_line(client: JobSubmissionClient) -> float:
    """From the submission to the first text that a tail shows; the job goes on for a moment, so it comes live."""

    async def follow(name: str) -> float:
        seen = 0.0
        async for text in client.tail_job_logs(name):
            if "first" in text and not seen:
                seen = time.perf_counter()
        return seen

    started = time.perf_counter()
    seen = asyncio.run(follow(client.submit_job(entrypoint="echo first; sleep 0.7")))
    if not seen:
        raise BenchmarkError("The tail showed nothing.")
    return seen - started


def _memory(processes: list[psutil.Process]) -> float:
    """Bytes, with shared pages divided among those who share them."""
    total = 0.0
    for process in processes:
        try:
            info = process.memory_full_info()
        except psutil.NoSuchProcess:
            continue
        total += getattr(info, "pss", info.rss)
    return total


def _check(started: float) -> None:
    if time.perf_counter() - started > _PATIENCE:
        raise BenchmarkError(f"The jobs have not ended within {_PATIENCE:g} s.")
