"""An agent's parts over a ledger in memory."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from marshmallow import fields

from jobqueue.errors import LedgerUnavailable, OperationFailed, OperationNotSupported
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.new_jobs import NewJob
from jobqueue.model.agent import Registration
from jobqueue.model.needs import Needs
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.submission import Submission
from jobqueue.model.target import Target
from jobqueue.operations.base import operation
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.confinement import ResourceLimits
from jobqueue.operations.registry import Registry
from jobqueue.operations.schema import Schema
from jobqueue.settings import Settings
from jobqueue.trust.signing.signer import Signer
from jobqueue.trust.signing.trusted import TrustedKeys
from jobqueue.trust.signing.work import WorkSigner
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

HOST = "web1"


class Anything(Schema):
    reports = fields.List(fields.Dict())
    failure = fields.Dict()
    error = fields.String()


class Text(Schema):
    text = fields.String(load_default="")


@operation("test.echo.get", schema=Text)
def echo(data: dict[str, Any], context: Context) -> Outcome:
    """Says what it was given."""
    return Outcome({"text": data["text"], "host": context.hostname, "attempt": context.attempt}, changed=False)


@operation("test.fail.do", schema=Text, changes=True)
def fail(data: dict[str, Any], context: Context) -> Outcome:
    """Always fails."""
    raise OperationFailed(data["text"] or "disk full")


@operation("test.skip.do")
def skip(data: dict[str, Any], context: Context) -> Outcome:
    """Is not for this host."""
    raise OperationNotSupported("unsupported OS family")


@operation("test.report.do", schema=Anything, changes=True)
def report(data: dict[str, Any], context: Context) -> Outcome:
    """Tells of its run what it was given, and fails with the same if it was given an error."""
    for info in data.get("reports", []):
        context.report(info)
    if "failure" in data:
        raise OperationFailed("it broke", data["failure"])
    if "error" in data:
        return Outcome({"kept": 1}, error=data["error"])
    assert context.settings is not None
    return Outcome({"token": context.settings.token, "host": context.settings.hostname})


class Phases(Schema):
    phases = fields.List(fields.String(), load_default=list)
    ends = fields.Boolean(load_default=False)


@operation("test.prepare.do", schema=Phases, changes=True)
def prepare(data: dict[str, Any], context: Context) -> Outcome:
    """Goes through phases, and waits in the last one unless it ``ends``."""
    for phase in data["phases"]:
        context.report({"phase": phase})
    if not data["ends"]:
        assert context.cancelled.wait(30)
        context.check()
    return Outcome(None)


@operation("test.wait.get")
def wait(data: dict[str, Any], context: Context) -> Outcome:
    """Runs until it is asked to stop."""
    assert context.cancelled.wait(30)
    context.check()
    raise AssertionError("check() did not raise")


@operation("test.wait.do", changes=True)
def wait_changing(data: dict[str, Any], context: Context) -> Outcome:
    """Runs until it is asked to stop, and must not be run twice."""
    assert context.cancelled.wait(30)
    context.check()
    raise AssertionError("check() did not raise")


STUBBORN = threading.Event()


@operation("test.stubborn.do", changes=True)
def stubborn(data: dict[str, Any], context: Context) -> Outcome:
    """Ignores every request to stop, until the test lets it go."""
    assert STUBBORN.wait(30)
    return Outcome("late", changed=True)


FACTS = {"kernel": "6.1", "cpus": 4, "memory.total": 1000}


class WithoutKey:
    """The identity of an agent from before there were any: it has no key, and its results bear no signature."""

    key_id = public_key = certificate = joining = ""
    accepted = True

    def sign(self, result: bytes) -> str:
        return ""

    def take(self, text: str) -> bool:
        return False


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        state_dir=tmp_path, hostname=HOST, labels={"group": "web.dev"}, heartbeat_seconds=0.05, token="secret"
    )


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    """Agents count as live for longer than a test takes, however often they beat."""
    client = fakeredis.FakeRedis(decode_responses=True)
    yield Ledger(client, replace(settings, heartbeat_seconds=600.0))
    client.close()


@pytest.fixture
def registry() -> Registry:
    STUBBORN.clear()
    return Registry([echo, fail, skip, report, prepare, wait, wait_changing, stubborn])


@pytest.fixture
def held() -> RunningSet:
    return RunningSet()


@pytest.fixture
def closing() -> threading.Event:
    return threading.Event()


@pytest.fixture
def away() -> threading.Event:
    """Set when the executor learns that the agent drains."""
    return threading.Event()


@pytest.fixture
def signer(settings: Settings) -> Signer:
    """The API's key; its public part is where the agent looks for it."""
    return Signer.open(settings)


@pytest.fixture
def gate(settings: Settings, registry: Registry, signer: Signer) -> Iterator[WorkAdmission]:
    journal, guard = Journal(settings.state_dir / "journal"), OperationGuard(Policy(("*",)), ResourceLimits(), ())
    found = WorkAdmission(settings, registry, TrustedKeys.open(settings.trusted_keys), journal, guard, FACTS)
    yield found
    found.close()


@pytest.fixture
def executor(
    ledger: Ledger,
    registry: Registry,
    held: RunningSet,
    settings: Settings,
    closing: threading.Event,
    away: threading.Event,
    gate: WorkAdmission,
) -> Executor:
    ledger.agents.register(Registration(HOST, "boot", {"group": "web.dev"}, {}, registry.types()))
    packages = PackageCache(ledger.packages, settings.state_dir / "packages", 2**20, closing)
    means = HostMeans(
        settings, FACTS, packages, None, ledger.fetched, Vault([]), Orphans(settings.state_dir / "runs").watched
    )
    agent_ledger = AgentLedger(ledger.executions, WithoutKey(), HOST, closing)
    runner = OperationRunner(registry, means, OutputPump(ledger.output, 1024), agent_ledger)
    return Executor(agent_ledger, gate, runner, held, away.set)


class Submitter:
    """Puts jobs into the ledger the way the services do, without their checks."""

    def __init__(self, ledger: Ledger, signer: Signer) -> None:
        self._ledger = ledger
        self._signer = WorkSigner(signer, ttl_seconds=3600)

    def __call__(
        self,
        kind: str,
        data: dict[str, Any] | None = None,
        target: str = HOST,
        idempotent: bool = False,
        **options: Any,
    ) -> str:
        document = {"operation": kind, "data": data or {}, "target": target, **options}
        retries, job_id = options.get("retries"), str(uuid.uuid4())
        now = time.time_ns() // 1000
        new = NewJob(
            id=job_id,
            document=self._signer.sign(job_id, document, now=now, idempotent=idempotent, only=()),
            submission=Submission(
                kind,
                data or {},
                target,
                retries=RetryPolicy(**retries) if retries else None,
                needs=Needs.read(options["needs"]) if "needs" in options else None,
            ),
            target=Target.parse(target),
            is_idempotent=idempotent,
        )
        return self._ledger.new_jobs.create(new, "").accepted.job_id


@pytest.fixture
def submit(ledger: Ledger, executor: Executor, signer: Signer) -> Submitter:
    return Submitter(ledger, signer)


@pytest.fixture
def outage(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """While set, the ledger answers nothing."""
    away = threading.Event()
    call = ledger.scripts.call

    def gated(verb: str, *args: Any) -> Any:
        if away.is_set():
            raise LedgerUnavailable("gone for a while")
        return call(verb, *args)

    monkeypatch.setattr(ledger.scripts, "call", gated)
    return away
