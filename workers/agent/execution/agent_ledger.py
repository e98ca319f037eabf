"""The ledger as an agent's executor uses it: calls are retried until it responds, and every report is signed."""

from __future__ import annotations

import json
import logging
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from jobqueue.dispatch.message_parser import Task
from jobqueue.errors import LedgerUnavailable, OperationCancelled, WorkRefused
from jobqueue.ledger.executions import Claim, Executions, Finished, Refusal, Report
from jobqueue.model.alert import WORK_REFUSED
from jobqueue.operations.context import IDLE_PHASES
from jobqueue.trust.signing.certificate import result_bytes
from workers.agent.execution.ending import Ending, bounded
from workers.agent.execution.ledger_retry import retry_until_available
from workers.agent.execution.running import RunningExecution
from workers.agent.guard.identity import Identity

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: Bytes of JSON that an operation may report of its run.
_LARGEST_INFO = 16 * 1024


class AgentLedger:
    """Claims executions for one host and reports on them. Thread-safe."""

    def __init__(self, executions: Executions, identity: Identity, hostname: str, closing: threading.Event) -> None:
        """``closing``: once set, an unavailable ledger is no longer retried."""
        self._executions = executions
        self.identity = identity
        self.hostname = hostname
        self._closing = closing

    def claim(self, job_id: str, slot: str) -> Claim | Refusal:
        """Claim an execution for this host. The token is the same in every try, so a lost answer costs no attempt."""
        token = secrets.token_hex(8)
        return self._patiently(
            lambda: self._executions.claim(job_id, slot, self.hostname, token), f"claim job {job_id}"
        )

    def claim_each(self, tasks: Sequence[Task], *, gives_back: bool = False) -> list[Claim | Refusal | Exception]:
        """Claim a few executions in one round trip; a claim that meets a damaged record has the error as its answer.

        ``gives_back``: refuse all of them, as for an agent that drains, so that they are due again.
        """
        wanted = [(task.job_id, task.slot, secrets.token_hex(8)) for task in tasks]
        return self._patiently(
            lambda: list(self._executions.claim_each(self.hostname, wanted, gives_back=gives_back)),
            f"claim {len(wanted)} jobs",
        )

    def alert(self, claim: Claim, refusal: WorkRefused) -> None:
        """Raise an alert about work without a valid signature for this agent and time: it may be an attack."""
        logger.error("ALERT: refused job %s: %s", claim.job_id, refusal.message)
        try:
            self._patiently(
                lambda: self._executions.note_alert(WORK_REFUSED, claim.job_id, claim.hostname, refusal.message),
                f"raise the alert about job {claim.job_id}",
            )
        except LedgerUnavailable as error:
            logger.warning("The ledger did not store the alert: %s", error)

    def report_progress(self, running: RunningExecution, info: Mapping[str, Any]) -> None:
        """Publish the operation's progress report; an unavailable ledger is not an error, with one exception.

        If this agent dies, the ledger reassigns a run that is still idle, so it must know before the run begins.
        Raises ``OperationCancelled`` for a run that must not begin.
        """
        bounded_info = bounded(running, info, _LARGEST_INFO)
        if bounded_info is None:
            return
        running.info = bounded_info
        is_idle = bounded_info.get("phase") in IDLE_PHASES
        if running.is_idle and not is_idle:
            self._begin(running)
            return
        try:
            self._executions.report_progress(running.claim, _text({"info": bounded_info}), is_idle=is_idle)
        except LedgerUnavailable as error:
            logger.info("The progress report of job %s is delayed: %s", running.claim.job_id, error)
            return
        running.is_idle = is_idle

    def _begin(self, running: RunningExecution) -> None:
        claim, text = running.claim, _text({"info": running.info})
        try:
            is_ours = self._patiently(
                lambda: self._executions.report_progress(claim, text), f"begin job {claim.job_id}"
            )
        except LedgerUnavailable:
            running.ask_to_stop("shutdown")
            raise OperationCancelled from None
        if not is_ours:
            running.ask_to_stop("stale")
            raise OperationCancelled
        running.is_idle = False

    def finish(self, claim: Claim, ending: Ending, running: RunningExecution | None = None) -> str:
        """Report an end; ``running`` is the run, if any. Returns the ledger's response, for the log."""
        report = self.report_of(claim, ending, running)
        try:
            finished = self._patiently(lambda: self._executions.report(report), f"report job {claim.job_id}")
        except LedgerUnavailable:
            logger.error(
                "The result of job %s could not be stored before the shutdown; its lease will expire", claim.job_id
            )
            return "unreported"
        return _settled(report, running, finished)

    def report_of(self, claim: Claim, ending: Ending, running: RunningExecution | None = None) -> Report:
        """The signed report of an end."""
        answer = {**ending.answer, "info": running.info} if running and running.info else ending.answer
        out = _text(answer) if answer else ""
        signed = result_bytes(claim.job_id, claim.hostname, claim.attempt, ending.state.value, ending.note, out)
        signature = self.identity.sign(signed)
        return Report(claim, ending.state, out, ending.note, ending.retry_in, ending.retry_note, signature)

    def store(self, results: Sequence[tuple[Report, RunningExecution | None]]) -> list[str]:
        """Store a few reports in one round trip; returns the ledger's responses, for the log.

        Raises ``LedgerUnavailable`` only once this agent closes.
        """
        reports = [report for report, _ in results]
        answers = self._patiently(lambda: self._executions.report_each(reports), f"report {len(reports)} jobs")
        outcomes = []
        for (report, running), answer in zip(results, answers, strict=True):
            if isinstance(answer, Finished):
                outcomes.append(_settled(report, running, answer))
            else:
                logger.error("The result of job %s could not be stored: %s", report.claim.job_id, answer)
                outcomes.append("unreported")
        return outcomes

    def _patiently(self, call: Callable[[], T], purpose: str) -> T:
        return retry_until_available(call, purpose, self._closing)


def _settled(report: Report, running: RunningExecution | None, finished: Finished) -> str:
    if finished in (Finished.STALE, Finished.UNKNOWN):
        logger.warning("The result of job %s was refused: %s", report.claim.job_id, finished.value)
    elif running is not None:
        _count(running, finished)
    return finished.value if finished is not Finished.FINISHED else report.state.value


def _count(running: RunningExecution, finished: Finished) -> None:
    """Record in the journal the outcome of a run whose report the ledger has accepted."""
    if finished in (Finished.FINISHED, Finished.REPEATED):
        running.journal_entry.ended()
    elif running.reason == "shutdown":  # handed back; a retried failure counts as one of the signed runs
        running.journal_entry.given_back()


def _text(document: Mapping[str, Any]) -> str:
    # not escaped to ASCII: what an operation may return is bounded in UTF-8
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
