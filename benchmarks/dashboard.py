"""Every page of the dashboard over a large ledger, against the time that a person does not wait for."""

from __future__ import annotations

import json
import random
import statistics
import time
import uuid

from benchmarks.listing import fill
from benchmarks.load import Connection, request_bytes
from benchmarks.report import Report, Row, milliseconds
from benchmarks.scale import Scale
from benchmarks.site import Site
from benchmarks.submit import AUTHORIZATION
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.new_jobs import NewJob
from jobqueue.model.agent import Heartbeat
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Submission
from jobqueue.model.target import Target

TITLE = "Pages of the dashboard"
_JOBS = 100_000
_AGENTS = 10_000
#: Seconds that a page may take.
_WANTED = 0.3
_ROUNDS = 15
#: Broadcasts to all agents, the newest jobs: what a list of jobs is slowest with.
_BROADCASTS = 30


def run(report: Report, scale: Scale) -> None:
    """One server, asked for one page after the other."""
    jobs = min(_JOBS, scale.stored_jobs)
    with Site.open() as site:
        fill(site, jobs)
        broadcast = _broadcasts(site)
        with site.api(1) as url, Connection(url) as connection:
            for title, path in (
                ("overview", "/"),
                ("jobs", "/ui/jobs"),
                ("jobs by status and operation", "/ui/jobs?status=completed&operation=node.hostname.get"),
                ("jobs by operation and agent", "/ui/jobs?operation=node.hostname.get&hostname=host0000"),
                ("jobs, in the middle", f"/ui/jobs?offset={jobs // 2}"),
                (f"a job on {_AGENTS} agents", f"/ui/jobs/{broadcast}"),
                ("the same, with every bar", f"/ui/jobs/{broadcast}?bars=all"),
                ("agents", "/ui/agents"),
                ("an agent", "/ui/agents/host0001"),
                ("form", "/ui/submit?operation=command.shell.execute&target=_all"),
                ("agents that a target matches", "/ui/reach?target=_all&operation=command.shell.execute"),
                ("runs", "/ui/runs"),
                ("audit", "/ui/audit"),
            ):
                request = request_bytes(url, "GET", path, headers=AUTHORIZATION)
                taken = []
                for _ in range(_ROUNDS):
                    started = time.perf_counter()
                    connection.ask(request, 200)
                    taken.append(time.perf_counter() - started)
                median = statistics.median(taken)
                what = f"{title}, {jobs:,} jobs, {_AGENTS} agents"
                values = {"ours": median}
                report.add(
                    Row(what, milliseconds(median), milliseconds(_WANTED), median / _WANTED, most=1.0, values=values)
                )


def _broadcasts(site: Site) -> str:
    """Agents with something to say, and jobs to all of them; returns one that most have answered."""
    rng = random.Random(5)
    hosts = site.register_agents(_AGENTS)
    for number, host in enumerate(hosts):
        memory = {"total": 2**34, "available": 2**33, "percent": 50.0}
        site.ledger.agents.beat(host, f"{number:016x}", Heartbeat((rng.random(), 0.5, 0.5), memory, 1))
    operation = "command.shell.execute"
    document = json.dumps({"operation": operation, "data": {"command": "uptime"}, "target": "_all"})
    job_id = ""
    for _ in range(_BROADCASTS):
        job_id = str(uuid.uuid4())
        site.ledger.new_jobs.create(
            NewJob(job_id, document, Submission(operation, target="_all"), Target.parse("_all"), is_idempotent=False),
            "",
        )
    for host in hosts:
        claim = site.ledger.executions.claim(job_id, host, host, "token")
        assert isinstance(claim, Claim), claim
        chance = rng.random()
        if chance < 0.05:
            site.ledger.executions.finish(claim, ExecutionState.FAILED, note=f"timed out on {host}")
        elif chance < 0.95:
            out = {"data": {"stdout": rng.choice(("up\n", "up 3 days\n")), "duration_ms": rng.randrange(900)}}
            site.ledger.executions.finish(claim, ExecutionState.COMPLETED, out=json.dumps({**out, "changed": True}))
    return job_id
