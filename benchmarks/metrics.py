"""What counting and measuring costs, against the same without, in turns; and what a scrape costs."""

from __future__ import annotations

import json
import re
import statistics
import time
import uuid
from collections.abc import Callable
from typing import Any
from unittest import mock

from benchmarks.process import BenchmarkError
from benchmarks.report import Report, Row, median_ratio
from benchmarks.scale import Scale
from benchmarks.site import TOKEN, Site
from jobqueue.dispatch.sender import Sender
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.new_jobs import NewJob
from jobqueue.ledger.scripts import Script
from jobqueue.model.agent import Registration
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Submission
from jobqueue.model.target import ANY, Target
from jobqueue.operations.registry import Registry
from jobqueue.services import Services

TITLE = "What metrics cost"
_OPERATION = "node.hostname.get"
_HOST = "bench"
_AGENTS = 500
_VERBS = ("create_jobs", "claim", "finish")
#: The lines of the scripts that count.
_COUNTING = re.compile(r"^.*(?:\bcount\('[^']*measured'|\bmeasure\('|\bobserve\('(?:wait|run)').*$", re.MULTILINE)
#: Short rounds and many of them: what other programs take of the machine then falls on both alike.
_PER_ROUND = 200
_ROUNDS = 10


def run(report: Report, scale: Scale) -> None:
    """Redis' own time for a job's three calls; CPU time of the API for a request; time of a scrape."""
    rounds = _ROUNDS * max(4, scale.http_rounds)
    with Site.open() as site:
        site.ledger.agents.register(Registration(_HOST, "0", {}, {}, Registry.load().types(), "0", 8))
        _scripts(report, site, rounds)
        _requests(report, site, rounds)
        _scrape(report, site)


def _scripts(report: Report, site: Site, rounds: int) -> None:
    plain = Ledger.open(site.settings())
    try:
        _stop_counting(plain)
        template = Sender(site.settings()).template
        ledgers = {"counting": site.ledger, "plain": plain}
        micros: dict[str, list[float]] = {name: [] for name in ledgers}
        for number in range(rounds + 1):
            for name, ledger in ledgers.items():
                found = _redis_micros(site, lambda ledger=ledger: _jobs(ledger, template))  # type: ignore[misc]
                if number:  # the first round loads the scripts
                    micros[name].append(found / _PER_ROUND)
    finally:
        plain.close()
    ours, without = micros["counting"], micros["plain"]
    report.add(
        Row(
            "Redis' time for a job, from submission to result, with counting : without",
            f"{statistics.median(ours):.0f} us",
            f"{statistics.median(without):.0f} us",
            median_ratio(ours, without),
            most=1.1,
            values=micros,
        )
    )


def _stop_counting(ledger: Ledger) -> None:
    scripts = ledger.scripts
    for verb in _VERBS:
        text, count = _COUNTING.subn("", scripts._of(verb).source)
        if not count:
            raise BenchmarkError(f"{verb}.lua counts nothing any more; look for what counts now")
        scripts._known[verb] = Script.of(text)


def _redis_micros(site: Site, work: Callable[[], None]) -> float:
    """Microseconds that Redis worked on scripts during ``work``."""
    site.redis.config_resetstat()
    work()
    stats: Any = site.redis.info("commandstats")
    return float(sum(stats[name]["usec"] for name in ("cmdstat_evalsha", "cmdstat_eval") if name in stats))


def _jobs(ledger: Ledger, template: str) -> None:
    document = json.dumps({"operation": _OPERATION, "data": {}, "target": ANY})
    for number in range(_PER_ROUND):
        job_id = str(uuid.uuid4())
        ledger.new_jobs.create(NewJob(job_id, document, Submission(_OPERATION), Target.parse(ANY), True), template)
        claim = ledger.executions.claim(job_id, ANY, _HOST, f"t{number}")
        if not isinstance(claim, Claim):
            raise BenchmarkError(f"a claim was refused: {claim.state}")
        ledger.executions.finish(claim, ExecutionState.COMPLETED, out='{"data":{}}')


def _requests(report: Report, site: Site, rounds: int) -> None:
    from api.metrics.shared import SharedMetrics

    shared = SharedMetrics()  # before the library is imported: as in the server
    try:
        from api import foundation
        from api.app import create_app

        services = Services.open(site.settings())
        with_metrics = create_app(site.settings(), services)
        with (
            mock.patch.object(foundation.request_metrics, "install"),
            mock.patch.object(foundation.tracking, "install"),
        ):
            without = create_app(site.settings(), services)
        apps = {"metrics": with_metrics, "none": without}
        seconds: dict[str, list[float]] = {name: [] for name in apps}
        for number in range(rounds + 1):
            for name, app in apps.items():
                spent = _cpu(app, _PER_ROUND)
                if number:
                    seconds[name].append(spent)
        services.ledger.close()
    finally:
        shared.remove()
    ours, plain = seconds["metrics"], seconds["none"]
    report.add(
        Row(
            "CPU of the API for a POST /job, with metrics and log fields : without",
            f"{statistics.median(ours) * 1e6:.0f} us",
            f"{statistics.median(plain) * 1e6:.0f} us",
            median_ratio(ours, plain),
            most=1.1,
            values=seconds,
        )
    )


def _cpu(app: Any, count: int) -> float:
    """Seconds of CPU for one request."""
    body = {"operation": {"type": _OPERATION, "data": {}}, "target_hostname": "_any"}
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with app.test_client() as client:
        begin = time.process_time()
        for _ in range(count):
            status = client.post("/job", json=body, headers=headers).status_code
            if status != 201:
                raise BenchmarkError(f"POST /job answered {status}")
        return (time.process_time() - begin) / count


def _scrape(report: Report, site: Site) -> None:
    from api.metrics.exposition import exposition

    types = Registry.load().types()
    for number in range(_AGENTS):
        site.ledger.agents.register(Registration(f"h{number}", "0", {}, {}, types, "0", 8))
    services = Services.open(site.settings())
    times, size = [], 0
    for _ in range(10):
        begin = time.perf_counter()
        size = len(exposition(services.ledger.ping, services.measures, "")[0])
        times.append(time.perf_counter() - begin)
    services.ledger.close()
    middle = statistics.median(times)
    report.add(
        Row(
            f"a scrape with {_AGENTS} agents ({size // 1024} KiB)",
            f"{middle * 1000:.0f} ms",
            values={"seconds": middle},
        )
    )
