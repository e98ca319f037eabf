"""``python fleet_calls.py REDIS_URL STATE_DIR AGENTS``: Redis' own time for the steps of a fleet, as JSON.

It uses only what earlier versions have too, so that ``fleet`` can run it on another checkout. Agents stand in the
ledger only; every step is the product's own call. Time is what Redis counts for the scripts
(``commandstats``, ``slowlog``), so that other work on the machine matters little.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobqueue.dispatch.sender import Sender
from jobqueue.ledger import connection
from jobqueue.ledger.executions import Claim, Report
from jobqueue.model.agent import Heartbeat, Registration
from jobqueue.model.filter import JobFilter
from jobqueue.model.principal import system
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Submission
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings
from jobqueue.trust.signing.signer import Signer
from workers.maintenance.services import Expirer, Reconciler

OPERATION = "node.hostname.get"
_OUT = '{"data":{"hostname":"host00000","system_hostname":"vm","labels":{}},"changed":false}'
_SIGNATURE = "k" * 16 + "." + "s" * 86
_ANY_JOBS = 20
#: Executions that an agent with a backlog claims in one call.
_TOGETHER = 16


class Fleet:
    """A ledger with agents, and the figures of the steps over it."""

    def __init__(self, settings: Settings, agents: int) -> None:
        Signer.open(settings)
        self.services = Services.open(settings)
        self.ledger: Any = self.services.ledger
        self.settings = settings
        self.redis: Any = self.ledger.client
        self.hosts = [f"host{number:05d}" for number in range(agents)]
        self.figures: dict[str, dict[str, float]] = {}

    @contextmanager
    def measured(self, step: str, times: int = 1) -> Iterator[None]:
        """Note the slowest call of a step, and the time of all its calls divided by ``times``.

        The slowest call is not noted for steps that are measured many times: the slow log takes time, too.
        """
        self.redis.config_set("slowlog-log-slower-than", 0 if times <= _ANY_JOBS else -1)
        self.redis.config_set("slowlog-max-len", 200_000)
        self.redis.slowlog_reset()
        self.redis.config_resetstat()
        cpu = self._cpu_seconds()
        yield
        cpu = self._cpu_seconds() - cpu
        self.redis.config_set("slowlog-log-slower-than", -1)
        scripts = [entry["duration"] for entry in self.redis.slowlog_get(-1) if entry["command"][:4] == b"EVAL"]
        counted = self.redis.info("commandstats")
        calls = [found for name, found in counted.items() if name in ("cmdstat_eval", "cmdstat_evalsha")]
        total = sum(found["usec"] for found in calls)
        self.figures[step] = {
            "slowest_ms": max(scripts, default=0) / 1000,
            "total_ms": total / 1000 / times,
            "cpu_ms": cpu * 1000 / times,
            "calls": sum(found["calls"] for found in calls) / times,
        }

    def _cpu_seconds(self) -> float:
        """CPU time of Redis, which also reads requests and writes answers."""
        used = self.redis.info("cpu")
        return float(used["used_cpu_user"] + used["used_cpu_sys"])

    def submit(self, target: str, **options: Any) -> str:
        job = Submission(OPERATION, {}, target, principal=system("benchmark"), **options)
        return str(self.services.submitter.submit(job).job_id)

    def register(self) -> None:
        operations, facts = Registry.load().types(), {"hostname": "host", "padding": "x" * 700}
        for number, host in enumerate(self.hosts):
            labels = {"rack": f"r{number % 10}"}
            self.ledger.agents.register(Registration(host, "0", labels, facts, operations, "0", 8))

    def claim(self, job_id: str, slot: str, host: str) -> Any:
        return self.ledger.executions.claim(job_id, slot, host, f"token{host}")

    def finish(self, claim: Any) -> None:
        self.ledger.executions.finish(claim, ExecutionState.COMPLETED, out=_OUT, signature=_SIGNATURE)

    def run_together(self, ids: Sequence[str], slot: str, host: str) -> None:
        """Claim executions in one call, and report their results in one."""
        claims = self.ledger.executions.claim_each(host, [(job_id, slot, f"token{job_id}") for job_id in ids])
        done = [
            Report(claim, ExecutionState.COMPLETED, _OUT, signature=_SIGNATURE)
            for claim in claims
            if isinstance(claim, Claim)
        ]
        self.ledger.executions.report_each(done)


def _idle(fleet: Fleet) -> None:
    """What agents without work cost: two heartbeats of each."""
    vitals = Heartbeat(load=(0.1, 0.2, 0.3), memory={"total": 2**30, "available": 2**29, "percent": 50.0})
    hosts = fleet.hosts[:1000]
    with fleet.measured("heartbeat, each", 2 * len(hosts)):
        for host in hosts * 2:
            fleet.ledger.agents.beat(host, "0", vitals)


def _run_all(fleet: Fleet) -> None:
    """A broadcast from its creation to its deletion."""
    with fleet.measured("create a broadcast"):
        job_id = fleet.submit("_all")
    with fleet.measured("claim and finish, each", len(fleet.hosts)):
        for host in fleet.hosts:
            fleet.finish(fleet.claim(job_id, host, host))
    with fleet.measured("list by host and status"):
        fleet.ledger.jobs.summaries(JobFilter(hostname=fleet.hosts[0], operation=OPERATION))
    with fleet.measured("delete a broadcast"):
        fleet.ledger.jobs.delete(job_id)


def _stop(fleet: Fleet) -> None:
    """Broadcasts that do not start."""
    job_id = fleet.submit("_all")
    with fleet.measured("cancel a broadcast"):
        fleet.ledger.jobs.cancel(job_id, "the benchmark")
    fleet.submit("_all", expires_at=fleet.ledger.time() + 5_000_000)
    time.sleep(6)
    expirer = Expirer(fleet.ledger)
    with fleet.measured("expire a broadcast"):
        while expirer.run_once():
            pass


def _reconcile(fleet: Fleet) -> None:
    """One turn of the reconciler over an idle fleet."""
    reconciler = Reconciler(fleet.ledger, Sender(fleet.settings), 5.0)
    reconciler.run_once()
    with fleet.measured("reconcile, a turn"):
        reconciler.run_once()


def _any(fleet: Fleet) -> None:
    """Jobs for any agent, without and with a drained agent."""
    fleet.submit("_any")
    with fleet.measured("create an _any job", _ANY_JOBS):
        for _ in range(_ANY_JOBS):
            fleet.submit("_any")
    fleet.ledger.agents.drain(fleet.hosts[3])
    with fleet.measured("create an _any job, one agent drained", _ANY_JOBS):
        for _ in range(_ANY_JOBS):
            fleet.submit("_any")


def _single(fleet: Fleet) -> None:
    """Jobs of one execution, as most jobs are."""
    for target, whose in ((fleet.hosts[0], "one host"), ("_any", "any")):
        ids = [fleet.submit(target) for _ in range(500)]
        with fleet.measured(f"claim and finish, each job for {whose}", len(ids)):
            for job_id in ids:
                fleet.finish(fleet.claim(job_id, target, fleet.hosts[0]))
        ids = [fleet.submit(target) for _ in range(_TOGETHER * 32)]
        with fleet.measured(f"claim and finish, each of {_TOGETHER} in a call, {whose}", len(ids)):
            for start in range(0, len(ids), _TOGETHER):
                fleet.run_together(ids[start : start + _TOGETHER], target, fleet.hosts[0])


def main(url: str, state_dir: str, agents: int) -> None:
    connection.COMMAND_TIMEOUT = 120.0  # what takes longer than the product waits is to be measured, not to fail
    settings: Callable[..., Settings] = Settings.from_env
    fleet = Fleet(
        settings({}, state_dir=Path(state_dir), redis_url=url, token="benchmark", heartbeat_seconds=600), agents
    )
    fleet.register()
    for step in (_idle, _run_all, _stop, _reconcile, _single, _any):
        step(fleet)
    print(json.dumps(fleet.figures))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
