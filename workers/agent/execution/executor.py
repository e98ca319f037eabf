"""Runs one execution in four steps: claim it, admit it, run its operation, report how it ended."""

from __future__ import annotations

import logging
from collections.abc import Callable

from jobqueue import logs
from jobqueue.errors import OperationFailed, OperationNotAllowed, WorkRefused
from jobqueue.ledger.executions import AWAY, Claim, Refusal
from jobqueue.model.states import ExecutionState
from workers.agent.execution.agent_ledger import AgentLedger
from workers.agent.execution.ending import Ending, given_up
from workers.agent.execution.operation_runner import OperationRunner
from workers.agent.execution.running import RunningExecution, RunningSet
from workers.agent.guard.work_admission import AdmittedWork, WorkAdmission

logger = logging.getLogger(__name__)


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
            work = self._admit(claim)
            if isinstance(work, Ending):
                return self._ledger.finish(claim, work)
            running = self._runner.start(claim, work)
            self._running.add(running)
        try:
            return self._report(running, self._runner.run(running))
        finally:
            # held until the report is stored: the lease is renewed even if the ledger is unavailable for a while
            self._running.remove(running)

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

    def _report(self, running: RunningExecution, ending: Ending | None) -> str:
        if running.abandoned:
            logger.warning("Job %s ended after it was abandoned; its result is dropped", running.claim.job_id)
            return "abandoned"
        running.ended = True
        return self._ledger.finish(running.claim, ending, running) if ending else "stopped: the lease was lost"

    def give_up(self, running: RunningExecution) -> str:
        """Report an execution whose operation ignores its deadline and stop requests.

        Its thread continues until the operation returns; the report says so.
        """
        with logs.bound(job_id=running.claim.job_id):
            running.abandoned = True
            logger.error("Job %s does not stop; its thread is abandoned", running.claim.job_id)
            ending = given_up(running)
            return self._ledger.finish(running.claim, ending, running) if ending else "abandoned"
