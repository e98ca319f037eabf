"""Claims and results that an agent sends several at a time, over connections that fail at each call in turn.

Each job must run once, and end once with what its run said, whatever breaks between the agent and Redis.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from jobqueue.dispatch.message_parser import Task
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Registration
from jobqueue.operations.base import operation
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.confinement import ResourceLimits
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from jobqueue.trust.signing.signer import Signer
from jobqueue.trust.signing.trusted import TrustedKeys
from tests.acceptance.support.until import until
from tests.ledger import invariants
from tests.ledger.faulty_proxy import CUTS, ERRORS, SILENT, FaultyProxy
from tests.unit.workers.conftest import HOST, Submitter, Text, WithoutKey, fail
from workers.agent.consumer.dispatcher import Dispatcher
from workers.agent.execution.agent_ledger import AgentLedger
from workers.agent.execution.executor import Executor
from workers.agent.execution.operation_runner import HostMeans, OperationRunner
from workers.agent.execution.orphans import Orphans
from workers.agent.execution.output import OutputPump
from workers.agent.execution.packages import PackageCache
from workers.agent.execution.running import RunningSet
from workers.agent.guard.journal import Journal
from workers.agent.guard.operation_guard import OperationGuard
from workers.agent.guard.policy import Policy
from workers.agent.guard.work_admission import WorkAdmission
from workers.agent.secrets.vault import Vault

pytestmark = pytest.mark.realredis

THREADS = 3
#: Script calls of three jobs that nothing disturbs: one for all claims, and one to three for the results.
LEAST_CALLS, MOST_CALLS = 2, 1 + THREADS
#: How often each job was run.
RUNS: Counter[str] = Counter()


@operation("test.count.do", schema=Text, changes=True)
def count(data: dict[str, Any], context: Context) -> Outcome:
    """Must run once."""
    RUNS[context.job_id] += 1
    return Outcome(data["text"], changed=True)


class Agent:
    """An agent's dispatcher and executor over a faulty connection, and the ledger as everybody else sees it."""

    def __init__(self, url: str, directory: Path, fault: Callable[[int], str]) -> None:
        settings = Settings(
            state_dir=directory, hostname=HOST, labels={}, redis_url=url, heartbeat_seconds=600.0, token="secret"
        )
        registry = Registry([count, fail])
        self.ledger = Ledger.open(settings)
        self.ledger.scripts.load()
        self.ledger.agents.register(Registration(HOST, "boot", {}, {}, registry.types()))
        self.submit = Submitter(self.ledger, Signer.open(settings))
        self.proxy = FaultyProxy(Path(url.removeprefix("unix://")), directory / "p", fault)
        self._own = Ledger.open(replace(settings, redis_url=self.proxy.url), most_connections=2)
        self._gate = WorkAdmission(
            settings,
            registry,
            TrustedKeys.open(settings.trusted_keys),
            Journal(directory / "journal"),
            OperationGuard(Policy(("*",)), ResourceLimits(), ()),
            {},
        )
        ending = threading.Event()
        packages = PackageCache(self._own.packages, directory / "packages", 2**20, ending)
        orphans = Orphans(directory / "runs")
        means = HostMeans(settings, {}, packages, None, self._own.fetched, Vault([]), orphans.watched)
        agent_ledger = AgentLedger(self._own.executions, WithoutKey(), HOST, ending)
        runner = OperationRunner(registry, means, OutputPump(self._own.output, 1024), agent_ledger)
        self.running = RunningSet()
        self._executor = Executor(agent_ledger, self._gate, runner, self.running, lambda: None)
        self._executor.results.start()
        self._dispatcher = Dispatcher(self._executor, self.running, THREADS, lambda: 1, threading.Event())

    def run(self, *jobs: str) -> None:
        """Run the jobs to their ends."""
        self._dispatcher.take([Task("", job_id, HOST) for job_id in jobs])
        until(lambda: not len(self.running), "all results are stored")

    def close(self) -> None:
        self._dispatcher.close()
        self._executor.results.stop()
        self._executor.results.join(10)
        self._own.close()
        self.proxy.close()
        self._gate.close()
        self.ledger.close()


Start = Callable[[Callable[[int], str]], Agent]


@pytest.fixture
def start(redis_url: str, real_client: redis.Redis, short_path: Path) -> Iterator[Start]:
    numbers = iter(range(1000))

    def start(fault: Callable[[int], str]) -> Agent:
        real_client.flushall()
        directory = short_path / str(next(numbers))
        directory.mkdir()
        return Agent(redis_url, directory, fault)

    yield start
    invariants.check(real_client, Ledger(real_client, Settings(state_dir=short_path, token="t")).keys)


def check(agent: Agent) -> None:
    """Run three jobs; each must run once and end as its run did."""
    with closing(agent):
        ran = [agent.submit("test.count.do", {"text": text}) for text in "ab"]
        failed = agent.submit("test.fail.do", {"text": "broken"})
        agent.run(*ran, failed)
        for job_id, text in zip(ran, "ab", strict=True):
            [execution] = agent.ledger.jobs.get(job_id).executions
            assert (execution.state, execution.data, execution.attempt) == ("completed", text, 1), execution
            assert RUNS[job_id] == 1
        [execution] = agent.ledger.jobs.get(failed).executions
        assert (execution.state, execution.error, execution.attempt) == ("failed", "broken", 1), execution
        for job_id in (*ran, failed):
            [execution] = agent.ledger.jobs.get(job_id).executions
            assert [event.event for event in execution.events] == ["acknowledged", "started", str(execution.state)]


def test_undisturbed(start: Start) -> None:
    agent = start(lambda number: "")
    check(agent)
    assert LEAST_CALLS <= agent.proxy.calls <= MOST_CALLS


@pytest.mark.parametrize("at", [1, LEAST_CALLS])
def test_an_answer_that_never_comes(start: Start, at: int) -> None:
    check(start(lambda number: SILENT if number == at else ""))


@pytest.mark.parametrize("fault", [*CUTS, *ERRORS])
def test_one_fault_at_each_call(start: Start, fault: str) -> None:
    for at in range(1, MOST_CALLS + 1):
        check(start(lambda number, at=at: fault if number == at else ""))
