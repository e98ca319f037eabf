"""Starts, shows, cancels and retries runs of workflows."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any

from jobqueue.errors import Conflict, IdempotencyConflict, JobFinal, NothingToRetry, RecordChanged
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.principal import Principal
from jobqueue.model.workflow_run import NodeState, RunSummary, WorkflowRun, new_run
from jobqueue.services.saved.parameters import values_of
from jobqueue.services.submission import JobSubmitter, ScheduledJob
from jobqueue.services.workflows.engine import SHORTEST, WorkflowEngine
from jobqueue.services.workflows.manager import WorkflowManager
from jobqueue.services.workflows.node_jobs import NodeJobs, of_node
from jobqueue.services.workflows.runners import runner_of

#: Distinguishes the ids of runs that are made from an idempotency key.
_NAMESPACE = uuid.UUID("6f2b6a0e-6a5b-4b7f-9a0f-2f1f6c1d8e57")
_TRIES = 5


class WorkflowRunManager:
    """The runs of workflows. A run has the permissions of the principal that starts it, no others."""

    def __init__(
        self,
        ledger: Ledger,
        workflows: WorkflowManager,
        node_jobs: NodeJobs,
        submitter: JobSubmitter,
        engine: WorkflowEngine,
    ) -> None:
        self._runs = ledger.workflow_runs
        self._workflows = workflows
        self._node_jobs = node_jobs
        self._submitter = submitter
        self._engine = engine

    def get(self, run_id: str) -> WorkflowRun:
        """One run. Raises ``WorkflowRunNotFound``, ``RecordAltered``."""
        return self._runs.get(run_id)

    def page(self, workflow: str, limit: int, before: int | None) -> tuple[list[RunSummary], int, int | None]:
        """Runs of a workflow ('': of all), newest first; how many there are; and the time to continue before."""
        return self._runs.page(workflow, limit, before)

    def start(
        self,
        name: str,
        parameters: Mapping[str, Any],
        principal: Principal,
        *,
        version: int | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[WorkflowRun, bool]:
        """Start a run; returns it, and whether it is an earlier one with the same idempotency key.

        Raises ``WorkflowNotFound``; ``PermissionDenied`` unless the principal may run the workflow and submit the job
        of each node; ``InvalidInput`` for a parameter or a node; ``RecordChanged`` for another version.
        """
        key = f"{principal.identity} {idempotency_key}"
        run_id = str(uuid.uuid5(_NAMESPACE, key) if idempotency_key else uuid.uuid4())
        run = self._checked_run(name, parameters, principal, run_id, version)
        if self._runs.add(run, SHORTEST):
            return self._engine.advance(run.id) or run, False
        earlier = self.get(run.id)
        if idempotency_key and (earlier.workflow.name, earlier.values) != (name, run.values):
            raise IdempotencyConflict(
                f"The idempotency key {idempotency_key!r} belongs to the run {run.id} of {earlier.workflow.name}, "
                "whose request differs. Use a new key for a new request.",
                {"run_id": run.id},
            )
        return earlier, True

    def start_scheduled(self, name: str, parameters: Mapping[str, Any], job: ScheduledJob) -> WorkflowRun:
        """Start the run of a schedule, in place of a job: once for each id. Raises as ``start``, and ``RecordChanged``
        if the schedule was changed, or another process has processed this time.
        """
        run = self._checked_run(name, parameters, job.submission.principal, job.id, None)
        if self._runs.add(run, SHORTEST, job.fire, job.audit_entry):
            return self._engine.advance(run.id) or run
        return self.get(run.id)

    def check_start(self, name: str, parameters: Mapping[str, Any], principal: Principal) -> None:
        """Raise what ``start`` raises; nothing is started."""
        self._checked_run(name, parameters, principal, str(uuid.uuid4()), None)

    def _checked_run(
        self, name: str, parameters: Mapping[str, Any], principal: Principal, run_id: str, version: int | None
    ) -> WorkflowRun:
        workflow = self._workflows.get(name)
        if not workflow.may_run(principal):
            raise self._workflows.denied(principal, workflow, "run")
        self._workflows.check_version(workflow, name, version)
        values = values_of(workflow.parameters, parameters)
        run = new_run(run_id, workflow, values, runner_of(principal, self._runs.time()))
        self.check(run, principal)
        return run

    def check(self, run: WorkflowRun, principal: Principal) -> None:
        """Raise what submitting the jobs of a run's nodes would raise, as far as that is known before it starts."""
        now = self._runs.time()
        for number, node in enumerate(run.workflow.nodes):
            made = of_node(number, partial(self._node_jobs.submission, run, node, principal, now))
            of_node(number, partial(self._submitter.check, made))

    def cancel(self, run_id: str, principal: Principal) -> WorkflowRun:
        """Cancel a run: nothing of it starts any more, and its jobs are cancelled.

        Raises ``WorkflowRunNotFound``, ``JobFinal`` if it has ended.
        """
        for _ in range(_TRIES):
            run = self.get(run_id)
            if run.has_ended:
                raise JobFinal(f"The run {run_id} has already ended; it cannot be cancelled.")
            if run.cancelled_by:
                break
            now = self._runs.time()
            try:
                self._runs.store(run.cancelled(principal.name or "unknown", now), SHORTEST)
            except RecordChanged:
                continue
            break
        else:
            raise RecordChanged
        return self._engine.advance(run_id) or self.get(run_id)

    def retry(self, run_id: str, principal: Principal) -> WorkflowRun:
        """Run an ended run again from the nodes that have failed or were cancelled, for the principal.

        Raises ``WorkflowRunNotFound``, ``Conflict`` if it has not ended, ``NothingToRetry``, and as ``start``.
        """
        run = self.get(run_id)
        if not run.has_ended:
            raise Conflict(f"The run {run_id} has not ended; wait for its end, or cancel it.")
        if not run.workflow.may_run(principal):
            raise self._workflows.denied(principal, run.workflow, "run")
        now = self._runs.time()
        again = run.retried(runner_of(principal, now), now)
        names = [name for name, progress in again.nodes.items() if progress.state is NodeState.WAITING]
        if not names:
            raise NothingToRetry(f"No node of the run {run_id} has failed.")
        self.check(again, principal)
        self._runs.begin_again(again, names, SHORTEST)
        return self._engine.advance(run_id) or again
