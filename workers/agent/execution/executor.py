"""Runs one execution in four steps: claim it, admit it, run its operation, report how it ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from jobqueue import logs
from jobqueue.dispatch.message_parser import Task
from jobqueue.errors import OperationFailed, OperationNotAllowed, WorkRefused
from jobqueue.ledger.executions import AWAY, Claim, Refusal
from jobqueue.model.states import ExecutionState
from workers.agent.execution.agent_ledger import AgentLedger
from workers.agent.execution.ending import Ending, given_up
from workers.agent.execution.operation_runner import OperationRunner
from workers.agent.execution.results import ResultBuffer
from workers.agent.execution.running import RunningExecution, RunningSet
from workers.agent.guard.work_admission import AdmittedWork, WorkAdmission

logger = logging.getLogger(__name__)

#: The outcome, for the log, of an execution whose lease expired before it began.
LATE = "dropped: its lease expired before it began"


class Executor:
    """Runs executions on one host. Thread-safe."""

    def __init__(
        self,
        ledger: AgentLedger,
        gate: WorkAdmission,
        runner: OperationRunner,
        running: RunningSet,
        on_away: Callable[[], None],
    ) -> None:
        """``on_away`` is called when the ledger says that this agent is out of service."""
        self._ledger = ledger
        #: A thread, for the agent to start.
        self.results = ResultBuffer(ledger, running)
        self._gate = gate
        self._runner = runner
        self._running = running
        self._on_away = on_away

    def execute(self, job_id: str, slot: str) -> str:
        """Run the execution if it is still due; returns its outcome, for the log.

        Results are reported only through the ledger. A message for a claimed, final or unknown execution is dropped.
        """
        with self._running.claiming():
            claim = self._ledger.claim(job_id, slot)
            if isinstance(claim, Refusal):
                return self._drop(job_id, claim)
            if _is_late(claim):
                return LATE
            running = self._begin(claim)
            if isinstance(running, Ending):
                return self._ledger.finish(claim, running)
        try:
            ending, outcome = self._run(running)
            return self._ledger.finish(claim, ending, running) if ending else outcome
        finally:
            # held until the report is stored: the lease is renewed even if the ledger is unavailable for a while
            self._running.remove(running)

    def claim(self, tasks: Sequence[Task], *, gives_back: bool = False) -> list[Claim | str]:
        """Claim a few executions at once; returns for each the claim, or the outcome of one that is not to be run.

        ``gives_back``: claim none of them, so that they are due again. The caller has counted them as claims that have
        begun; ``run`` must be called for each claim.
        """
        claims: list[Claim | str] = []
        try:
            for task, answer in zip(tasks, self._ledger.claim_each(tasks, gives_back=gives_back), strict=True):
                with logs.bound(job_id=task.job_id):
                    claims.append(answer if isinstance(answer, Claim) else self._refused(task.job_id, answer))
        finally:
            self._running.claims_ended(len(tasks) - sum(isinstance(claim, Claim) for claim in claims))
        return claims

    def run(self, claim: Claim, ended: Callable[[str], None]) -> None:
        """Run a claimed execution. ``ended`` is called with its outcome once its result is stored: here, or soon
        afterwards in another thread.
        """
        running: RunningExecution | None = None

        def stored(outcome: str) -> None:
            if running is None:
                self._running.claims_ended(1)
            else:
                self._running.remove(running)
            ended(outcome)

        if _is_late(claim):
            stored(LATE)
            return
        ending, outcome = None, "failed"
        try:
            begun = self._begin(claim)
            if isinstance(begun, Ending):
                ending = begun
            else:
                running = begun
                self._running.claims_ended(1)
                ending, outcome = self._run(running)
            report = self._ledger.report_of(claim, ending, running) if ending else None
        except BaseException:
            stored(outcome)
            raise
        if report is None:
            stored(outcome)
        else:
            self.results.put(report, running, stored)

    def _begin(self, claim: Claim) -> RunningExecution | Ending:
        work = self._admit(claim)
        if isinstance(work, Ending):
            return work
        running = self._runner.start(claim, work)
        self._running.add(running)
        return running

    def _run(self, running: RunningExecution) -> tuple[Ending | None, str]:
        """The end to report; None with an outcome for the log if there is none."""
        ending = self._runner.run(running)
        if running.abandoned:
            logger.warning("Job %s ended after it was abandoned; its result is dropped", running.claim.job_id)
            return None, "abandoned"
        running.ended = True
        return ending, "stopped: the lease was lost"

    def _refused(self, job_id: str, answer: Refusal | Exception) -> str:
        if isinstance(answer, Refusal):
            return self._drop(job_id, answer)
        logger.error("Job %s cannot be claimed: %s", job_id, answer)
        return "dropped: it cannot be claimed"

    def _drop(self, job_id: str, refusal: Refusal) -> str:
        logger.info("Dropped a message for job %s: its execution is %s", job_id, refusal.state)
        if refusal.state == AWAY:
            self._on_away()
        return f"dropped: {refusal.state}"

    def _admit(self, claim: Claim) -> AdmittedWork | Ending:
        """The work if it is admitted here, else how it ends."""
        try:
            return self._gate.admit(claim)
        except WorkRefused as refusal:
            self._ledger.alert(claim, refusal)
            return Ending(ExecutionState.FAILED, f"refused by the agent: {refusal.message}")
        except (OperationNotAllowed, OperationFailed) as refusal:
            # failed, not skipped: otherwise the caller would assume that it was done
            return Ending(ExecutionState.FAILED, refusal.message)

    def give_up(self, running: RunningExecution) -> str:
        """Report an execution whose operation ignores its deadline and stop requests.

        Its thread continues until the operation returns; the report says so.
        """
        with logs.bound(job_id=running.claim.job_id):
            running.abandoned = True
            logger.error("Job %s does not stop; its thread is abandoned", running.claim.job_id)
            ending = given_up(running)
            return self._ledger.finish(running.claim, ending, running) if ending else "abandoned"


def _is_late(claim: Claim) -> bool:
    """Whether the lease has expired since the claim, as in a process that was frozen.

    By then the ledger has the execution as lost, or due again.
    """
    is_late = time.monotonic() > claim.expires
    if is_late:
        logger.warning("Job %s does not begin: its lease has expired since it was claimed", claim.job_id)
    return is_late
