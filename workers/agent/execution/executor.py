"""Runs one execution: claim it, run its operation, report how it ended."""

from __future__ import annotations

import json
import logging
import random
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from jobqueue import logs
from jobqueue.entrypoints.source import PackageSource
from jobqueue.errors import (
    JobQueueError,
    LedgerUnavailable,
    OperationCancelled,
    OperationFailed,
    OperationNotAllowed,
    OperationNotNeeded,
    OperationNotSupported,
    UnknownOperation,
    WorkRefused,
)
from jobqueue.ledger.executions import AWAY, Executions, Finished, Grant, Refusal
from jobqueue.model.alert import WORK_REFUSED
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState
from jobqueue.model.timestamps import duration_text
from jobqueue.operations.context import IDLE_PHASES, Context
from jobqueue.operations.process.confinement import PLAIN
from jobqueue.operations.process.run import unwatched
from jobqueue.operations.registry import Registry
from jobqueue.operations.result import checked
from jobqueue.operations.runner import run_operation
from jobqueue.settings import DEFAULT_REDIS_URL, SECRETS, Settings
from jobqueue.trust.secrets.source import Secrets
from jobqueue.trust.signing.certificate import result_bytes
from workers.agent.execution.instrumentation import instrumented
from workers.agent.execution.ledger_retry import retry_until_available
from workers.agent.execution.orphans import Orphans
from workers.agent.execution.output import OutputPump
from workers.agent.execution.running import RunningExecution, RunningSet
from workers.agent.guard.identity import Identity
from workers.agent.guard.work_admission import WorkAdmission

logger = logging.getLogger(__name__)

#: Longer errors are cut: a note is for a person, and every listing carries it.
_LONGEST_NOTE = 2000
#: Bytes, as JSON, of what an operation may tell of its run, and of how it failed.
_LARGEST_INFO = 16 * 1024
_LARGEST_FAILURE = 64 * 1024


class Executor:
    """Takes executions up on one host. Called from many threads at a time."""

    def __init__(
        self,
        executions: Executions,
        operations: Registry,
        held: RunningSet,
        settings: Settings,
        facts: Mapping[str, Any],
        closing: threading.Event,
        on_away: Callable[[], None],
        pump: OutputPump,
        gate: WorkAdmission,
        identity: Identity | None = None,
        packages: PackageSource | None = None,
        secrets: Secrets | None = None,
        remains: Orphans | None = None,
    ) -> None:
        self._executions = executions
        self._operations = operations
        self._held = held
        self._settings = settings
        self.facts = facts
        self._closing = closing
        self._on_away = on_away
        self._pump = pump
        self._gate = gate
        self._identity = identity
        self._packages = packages
        self._secrets = secrets
        self._remains = remains
        #: For operations, which have no business with credentials.
        nothing: dict[str, Any] = {"redis_url": DEFAULT_REDIS_URL, "broker_url": DEFAULT_REDIS_URL}
        self._plain_settings = replace(settings, **(nothing | dict.fromkeys(SECRETS)))
        self._draw = random.Random().random  # noqa: S311 - jitter, not a secret

    def execute(self, job_id: str, slot: str) -> str:
        """Run the execution if it is still due; returns what became of it, for the log.

        Nothing is reported back but through the ledger: a message for an execution that is claimed, final or unknown
        is dropped here.
        """
        token = secrets.token_hex(8)
        hostname = self._settings.hostname
        with self._held.claiming():
            claim = retry_until_available(
                lambda: self._executions.claim(job_id, slot, hostname, token), f"claim job {job_id}", self._closing
            )
            if isinstance(claim, Refusal):
                logger.info("Dropped a message for job %s: its execution is %s", job_id, claim.state)
                if claim.state == AWAY:
                    self._on_away()
                return f"dropped: {claim.state}"
            try:
                admitted = self._gate.admit(claim)
            except WorkRefused as refusal:
                return self._refuse(claim, refusal)
            except (OperationNotAllowed, OperationFailed) as refusal:
                # failed, not skipped: who sent it believes that it was done otherwise
                return self._finish(claim, ExecutionState.FAILED, note=refusal.message)
            document = admitted.document
            timeout = document.get("timeout_seconds") or self._settings.default_timeout_seconds
            deadline = None if timeout is None else time.monotonic() + timeout
            running = RunningExecution(claim, document, admitted.permit, admitted.admission, deadline=deadline)
            self._held.add(running)
        live, write = self._pump.open(claim)
        try:
            try:
                report = self._run(running, self._context(running, timeout, write))
            finally:
                self._pump.close(live)
            if running.abandoned:
                logger.warning("Job %s ended after it had been given up; its result is dropped", job_id)
                return "abandoned"
            # held until the report is in: the lease is renewed while the ledger is away and comes back
            running.ended = True
            return report()
        finally:
            self._held.remove(running)

    def _refuse(self, grant: Grant, refusal: WorkRefused) -> str:
        """Report work that the gate did not let through: nobody but the API may give work, so somebody should look."""
        logger.error("ALERT: refused job %s: %s", grant.job_id, refusal.message)
        try:
            retry_until_available(
                lambda: self._executions.note(WORK_REFUSED, grant.job_id, grant.hostname, refusal.message),
                f"raise the alert about job {grant.job_id}",
                self._closing,
            )
        except LedgerUnavailable as error:
            logger.warning("The ledger did not take the alert: %s", error)
        return self._finish(grant, ExecutionState.FAILED, note=f"refused by the agent: {refusal.message}")

    def give_up(self, running: RunningExecution) -> str:
        """Report an execution whose operation neither obeys its deadline nor a request to stop.

        Its thread goes on until the operation returns; that is said in the report.
        """
        with logs.bound(job_id=running.grant.job_id):
            return self._give_up(running)

    def _give_up(self, running: RunningExecution) -> str:
        running.abandoned = True
        logger.error("Job %s does not stop; its thread is given up", running.grant.job_id)
        still = "the operation did not stop and may still run in the agent"
        if running.reason == "stale":
            return "abandoned"
        if running.reason == "cancel":
            return self._end(running, ExecutionState.CANCELLED, note=still)
        what = "the agent shut down" if running.reason == "shutdown" else "timed out"
        return self._failed(running, f"{what}; {still}")

    def _run(self, running: RunningExecution, context: Context) -> Callable[[], str]:
        """Run the operation; returns what reports its end."""
        document = running.document
        try:
            # raises for one that is not known
            operation = running.permit.operation if running.permit else self._operations.get(document["operation"])
            with instrumented(running):
                outcome = run_operation(operation, document["data"], context)
        except (UnknownOperation, OperationNotSupported) as error:
            note = error.message if isinstance(error, OperationNotNeeded) else f"not supported: {error.message}"
            return lambda: self._end(running, ExecutionState.SKIPPED, note=note)
        except OperationCancelled:
            return lambda: self._stopped(running)
        except JobQueueError as error:
            message, failure = error.message, error.details
            return lambda: self._failed(running, message, failure)
        out = _out(running, data=outcome.data, changed=bool(outcome.changed))
        return lambda: self._end(running, ExecutionState.COMPLETED, out=out)

    def _context(
        self, running: RunningExecution, timeout: float | None, write: Callable[[str, bytes], None]
    ) -> Context:
        settings = self._settings
        return Context(
            hostname=settings.hostname,
            labels=settings.labels,
            facts=self.facts,
            job_id=running.grant.job_id,
            attempt=running.grant.attempt,
            deadline=running.deadline,
            timeout_seconds=timeout,
            cancelled=running.stop,
            output=write,
            report=lambda info: self._report(running, info),
            packages=self._packages,
            settings=self._plain_settings,
            secrets=self._secrets,
            watched=self._remains.watched if self._remains else unwatched,
            confinement=running.permit.confinement if running.permit else PLAIN,
            python_modules=settings.python_modules,
            max_output_bytes=settings.max_output_bytes,
        )

    def _stopped(self, running: RunningExecution) -> str:
        """The operation obeyed a request to stop; what that means depends on who asked."""
        if running.reason == "stale":
            return "stopped: the lease was lost"
        if running.reason == "shutdown":
            note = f"agent {running.grant.hostname} shut down during the run"
            retries = running.document.get("retries")
            may_again = retries is None or running.grant.attempt < retries["max_attempts"]
            is_idempotent = self._operations.get(running.document["operation"]).idempotent
            if running.is_idle or (may_again and is_idempotent):
                return self._end(running, ExecutionState.FAILED, note=note, retry_in=0.0, retry_note=note)
            return self._failed(running, note)
        return self._end(running, ExecutionState.CANCELLED, note="on request")

    def _report(self, running: RunningExecution, info: Mapping[str, Any]) -> None:
        """Show what the operation tells of its run; a ledger that is away is no error, with one exception.

        The ledger gives a run that has begun nothing to others when this agent dies. Before one begins it has to know.
        """
        told = _told(running, info, _LARGEST_INFO)
        if told is None:
            return
        running.info = told
        is_idle = told.get("phase") in IDLE_PHASES
        if running.is_idle and not is_idle:
            self._begin(running)
            return
        try:
            self._executions.report(running.grant, _out(running), is_idle=is_idle)
        except LedgerUnavailable as error:
            logger.info("What job %s reports of itself is shown later: %s", running.grant.job_id, error)
            return
        running.is_idle = is_idle

    def _begin(self, running: RunningExecution) -> None:
        grant = running.grant
        try:
            is_ours = retry_until_available(
                lambda: self._executions.report(grant, _out(running)), f"begin job {grant.job_id}", self._closing
            )
        except LedgerUnavailable:
            running.ask_to_stop("shutdown")
            raise OperationCancelled from None
        if not is_ours:
            running.ask_to_stop("stale")
            raise OperationCancelled
        running.is_idle = False

    def _failed(self, running: RunningExecution, error: str, failure: Mapping[str, Any] | None = None) -> str:
        grant, document = running.grant, running.document
        policy = RetryPolicy(**document["retries"]) if "retries" in document else RetryPolicy()
        error = error[:_LONGEST_NOTE]
        if grant.attempt >= policy.max_attempts:
            told = _told(running, failure, _LARGEST_FAILURE) if failure else None
            out = "" if told is None else _out(running, failure=told)
            return self._end(running, ExecutionState.FAILED, note=error, out=out)
        delay = policy.delay_seconds(grant.attempt, self._draw())
        wait = duration_text(int(delay * 1e6))
        again = f"attempt {grant.attempt} of {policy.max_attempts} failed, next in {wait}: {error}"
        return self._end(running, ExecutionState.FAILED, note=error, retry_in=delay, retry_note=again)

    def _end(self, running: RunningExecution, state: ExecutionState, *, out: str = "", **more: Any) -> str:
        """Report how a run ended, with what it told of itself: our signature covers all that is kept of it."""
        told = out or (_out(running) if running.info else "")
        return self._finish(running.grant, state, out=told, running=running, **more)

    def _finish(
        self,
        grant: Grant,
        state: ExecutionState,
        *,
        out: str = "",
        note: str = "",
        retry_in: float | None = None,
        retry_note: str = "",
        running: RunningExecution | None = None,
    ) -> str:
        signature = self._sign(grant, state, note, out)
        try:
            finished = retry_until_available(
                lambda: self._executions.finish(
                    grant,
                    state,
                    out=out,
                    note=note,
                    retry_in=retry_in,
                    retry_note=retry_note,
                    signature=signature,
                ),
                f"report job {grant.job_id}",
                self._closing,
            )
        except LedgerUnavailable:
            logger.error(
                "The result of job %s could not be stored before the shutdown; its lease will run out", grant.job_id
            )
            return "unreported"
        if finished in (Finished.STALE, Finished.UNKNOWN):
            logger.warning("The result of job %s was refused: %s", grant.job_id, finished.value)
        elif running is not None:
            _note_end(running, finished)
        return finished.value if finished is not Finished.FINISHED else state.value

    def _sign(self, grant: Grant, state: ExecutionState, note: str, out: str) -> str:
        """Our signature of a result: of all that is shown of it."""
        if self._identity is None:
            return ""
        return self._identity.sign(result_bytes(grant.job_id, grant.hostname, grant.attempt, state.value, note, out))


def _note_end(running: RunningExecution, finished: Finished) -> None:
    """Tell the journal what became of a run whose report the ledger has taken."""
    if running.admission is None:
        return
    if finished in (Finished.FINISHED, Finished.REPEATED):
        running.admission.ended()
    elif running.reason == "shutdown":  # handed back; a failure that is tried again is one of the signed runs
        running.admission.given_back()


def _told(running: RunningExecution, told: Mapping[str, Any], largest: int) -> dict[str, Any] | None:
    """What an operation tells beside its answer, as JSON; None for what cannot be kept."""
    try:
        found: dict[str, Any] = checked(dict(told), largest)
    except OperationFailed as error:
        logger.warning("Something that job %s tells of itself is dropped: %s", running.grant.job_id, error)
        return None
    return found


def _out(running: RunningExecution, **answer: Any) -> str:
    """What the ledger keeps of a run besides its state: the answer, and what the operation told of itself."""
    document = {**answer, "info": running.info} if running.info else answer
    # not escaped to ASCII: what an operation may return is bounded in UTF-8
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
