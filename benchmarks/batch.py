"""POST /job/batch with 1,000 jobs, against single posts."""

from __future__ import annotations

import json

from benchmarks.load import check, drive, request_bytes
from benchmarks.report import Report, Row, median_ratio, per_second
from benchmarks.scale import Scale
from benchmarks.site import Site
from benchmarks.submit import AUTHORIZATION, CLIENTS, JOB

TITLE = "POST /job/batch, jobs per second"
_SIZE = 1000


def run(report: Report, scale: Scale) -> None:
    """Rounds of: single posts by 8 clients, batches by 8 clients."""
    singles: list[float] = []
    batches: list[float] = []
    body = json.dumps({"jobs": [json.loads(JOB)] * _SIZE}).encode()
    with Site.open() as site:
        site.register_agents(3)
        with site.api() as url:
            single = request_bytes(url, "POST", "/job", JOB, AUTHORIZATION)
            batch = request_bytes(url, "POST", "/job/batch", body, AUTHORIZATION)
            for _ in range(scale.http_rounds):
                singles.append(drive(url, single, clients=CLIENTS, seconds=scale.http_seconds, expected=201).rate)
                load = drive(url, batch, clients=CLIENTS, seconds=scale.http_seconds, expected=201)
                accepted = json.loads(check((201, load.body), 201))["accepted"]
                assert accepted == _SIZE, accepted
                batches.append(load.rate * _SIZE)
                for key in site.redis.scan_iter(site.ledger.keys.kind("queue") + "*"):
                    site.redis.unlink(key)  # no process reads them here, and they would grow with every round
    report.add(
        Row(
            "batches of 1,000 : single posts",
            per_second(batches),
            per_second(singles),
            median_ratio(batches, singles),
            least=8,
            values={"ours": batches, "peer": singles},
        )
    )
