"""From the submission to the completed job, over HTTP, with nothing else to do."""

from __future__ import annotations

import json
import time

from benchmarks.draining import HOSTNAME
from benchmarks.load import Connection, request_bytes
from benchmarks.process import BenchmarkError
from benchmarks.report import Report, Row, milliseconds, percentile
from benchmarks.scale import Scale
from benchmarks.site import Site
from benchmarks.submit import AUTHORIZATION, JOB

TITLE = "From POST /job to completed, on an idle system"
_MOST_SECONDS = 0.025
_PAUSE = 0.03
_LOOK = 0.001
_PATIENCE = 10.0


def run(report: Report, scale: Scale) -> None:
    """One client posts a job and looks every millisecond whether it is completed; then it pauses."""
    with Site.open() as site, site.agent(HOSTNAME), site.api() as url, Connection(url) as connection:
        for _ in range(5):
            _once(connection, url)
        seconds = []
        for _ in range(scale.latencies):
            time.sleep(_PAUSE)
            seconds.append(_once(connection, url))
    middle = percentile(seconds, 50)
    report.add(
        Row(
            "p50 : 25 ms",
            milliseconds(middle),
            milliseconds(_MOST_SECONDS),
            middle / _MOST_SECONDS,
            most=1,
            values={"seconds": seconds},
        )
    )
    for percent in (95, 99):
        report.add(Row(f"p{percent}", milliseconds(percentile(seconds, percent))))


def _once(connection: Connection, url: str) -> float:
    request = request_bytes(url, "POST", "/job", JOB, AUTHORIZATION)
    started = time.perf_counter()
    job_id = json.loads(connection.ask(request, 201))["job_id"]
    look = request_bytes(url, "GET", f"/job/{job_id}", headers=AUTHORIZATION)
    while True:
        status = json.loads(connection.ask(look, 200))["status"]
        passed = time.perf_counter() - started
        if status == "completed":
            return passed
        if passed > _PATIENCE or status not in ("submitted", "processing"):
            raise BenchmarkError(f"Job {job_id} is {status} after {passed:.1f} s")
        time.sleep(_LOOK)
