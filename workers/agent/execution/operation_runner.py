"""Runs the operation of one execution with the host's resources."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jobqueue import tracing
from jobqueue.entrypoints.source import PackageSource
from jobqueue.errors import JobQueueError, OperationCancelled, OperationNotSupported, UnknownOperation
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.fetched import FetchedFiles
from jobqueue.operations.context import Context, Secrets
from jobqueue.operations.deployed import DeploymentLog
from jobqueue.operations.process.confinement import PLAIN
from jobqueue.operations.process.run import Watched
from jobqueue.operations.registry import Registry
from jobqueue.operations.runner import run_operation
from jobqueue.settings import DEFAULT_REDIS_URL, SECRETS, Settings
from workers.agent.execution.agent_ledger import AgentLedger
from workers.agent.execution.ending import Ending, failed, returned, skipped, stopped
from workers.agent.execution.file_sender import HostFileSender
from workers.agent.execution.instrumentation import instrumented
from workers.agent.execution.output import OutputPump
from workers.agent.execution.running import RunningExecution
from workers.agent.execution.verification import verified
from workers.agent.guard.operation_guard import Permit
from workers.agent.guard.work_admission import AdmittedWork


@dataclass(frozen=True)
class HostMeans:
    """The resources that a host offers its operations; ``Context`` describes each."""

    settings: Settings
    facts: Mapping[str, Any]
    packages: PackageSource
    deployments: DeploymentLog
    fetched: FetchedFiles
    secrets: Secrets
    watched: Watched


class OperationRunner:
    """Runs operations on one host. Thread-safe."""

    def __init__(self, operations: Registry, means: HostMeans, pump: OutputPump, ledger: AgentLedger) -> None:
        self._operations = operations
        self._means = means
        self._pump = pump
        self._ledger = ledger
        #: Settings as operations see them, without credentials.
        nothing: dict[str, Any] = {"redis_url": DEFAULT_REDIS_URL, "broker_url": DEFAULT_REDIS_URL}
        self._plain_settings = replace(means.settings, **(nothing | dict.fromkeys(SECRETS)))

    def start(self, claim: Claim, work: AdmittedWork) -> RunningExecution:
        """Start an execution: its deadline counts from here."""
        timeout = work.document.get("timeout_seconds") or self._means.settings.default_timeout_seconds
        deadline = None if timeout is None else time.monotonic() + timeout
        return RunningExecution(
            claim,
            work.document,
            work.permit,
            work.journal_entry,
            timeout,
            deadline=deadline,
            verification=work.verification,
        )

    def run(self, running: RunningExecution) -> Ending | None:
        """Run the operation to its end; None if this agent must no longer report it."""
        live, write = self._pump.open(running.claim)
        try:
            permit = running.permit or self._unknown(running)
            context = self._context(running, permit, write)
            try:
                with instrumented(running) as span:
                    outcome = run_operation(permit.operation, running.document["data"], context)
                    if outcome.error is not None:
                        tracing.fail(span, outcome.error)
                if outcome.error is None and running.verification is not None:
                    return verified(running, outcome, running.verification, context)
            except OperationCancelled:
                return stopped(running, is_idempotent=permit.is_idempotent)
            return returned(running, outcome)
        except (UnknownOperation, OperationNotSupported) as error:
            return skipped(error)
        except JobQueueError as error:
            return failed(running, error.message, error.details)
        finally:
            self._pump.close(live)

    def _unknown(self, running: RunningExecution) -> Permit:
        """Raises ``UnknownOperation`` with the names of similar operations."""
        return Permit(
            self._operations.requested(running.document["operation"], running.document["data"]).operation, PLAIN
        )

    def _context(self, running: RunningExecution, permit: Permit, write: Callable[[str, bytes], None]) -> Context:
        settings = self._means.settings
        return Context(
            hostname=settings.hostname,
            labels=settings.labels,
            facts=self._means.facts,
            job_id=running.claim.job_id,
            attempt=running.claim.attempt,
            deadline=running.deadline,
            timeout_seconds=running.timeout_seconds,
            cancelled=running.stop,
            output=write,
            report=lambda info: self._ledger.report_progress(running, info),
            packages=self._means.packages,
            deployments=self._means.deployments,
            sender=HostFileSender(self._means.fetched, running.claim, running.stop, settings.max_stored_fetched_bytes),
            settings=self._plain_settings,
            secrets=self._means.secrets,
            watched=self._means.watched,
            python_modules=settings.python_modules,
            max_output_bytes=settings.max_output_bytes,
            **permit.means(),
        )
