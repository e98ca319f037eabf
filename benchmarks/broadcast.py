"""Submitting one job to 1,000 agents, against 1,000 calls of Celery's ``send_task``."""

from __future__ import annotations

import statistics
import time

from benchmarks.peers.celery_app import TASK, make_app
from benchmarks.report import Report, Row, milliseconds
from benchmarks.scale import Scale
from benchmarks.site import Site
from jobqueue.model.principal import system
from jobqueue.model.submission import Submission
from jobqueue.services import Services

TITLE = "Submit to 1,000 agents"
_AGENTS = 1000


def run(report: Report, scale: Scale) -> None:
    """Rounds of: one submission to ``_all``; one ``send_task`` per host, each to a queue of its own."""
    ours: list[float] = []
    peers: list[float] = []
    with Site.open() as site:
        hostnames = site.register_agents(_AGENTS)
        app = make_app(site.broker_url, tracked=False)
        services = Services.open(site.settings())
        try:
            services.submitter.submit(
                Submission("node.hostname.get", {}, hostnames[0], principal=system("benchmark"))
            )  # connects, loads the script
            app.send_task(TASK, queue=hostnames[0])
            for _ in range(scale.broadcasts):
                started = time.perf_counter()
                accepted = services.submitter.submit(
                    Submission("node.hostname.get", {}, "_all", principal=system("benchmark"))
                )
                ours.append(time.perf_counter() - started)
                expected = len(services.jobs.get(accepted.job_id).expected_agents)
                assert expected == _AGENTS, expected
                started = time.perf_counter()
                for hostname in hostnames:
                    app.send_task(TASK, queue=hostname)
                peers.append(time.perf_counter() - started)
        finally:
            services.ledger.close()
    report.add(
        Row(
            "one broadcast : 1,000 x send_task",
            milliseconds(statistics.median(ours)),
            milliseconds(statistics.median(peers)),
            statistics.median(peer / our for our, peer in zip(ours, peers, strict=True)),
            least=25,
            values={"ours": ours, "peer": peers},
        )
    )
