"""Moves runs of workflows on: sees which jobs have ended, starts the nodes that may start, and settles the others.

The ledger stores the job of a node and notes it in the run in one step, and only if the run is as the engine read it
and has no job for this node. So each attempt of a node makes one job, however many processes there are, and whenever
one of them dies. The ends of jobs come with the events that the schedules which follow jobs read; a run whose event was
lost is examined again after a while.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from jobqueue.errors import (
    JobFinal,
    JobNotFound,
    JobQueueError,
    LedgerUnavailable,
    RecordAltered,
    RecordChanged,
    WorkflowRunNotFound,
)
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.audit import AuditEntry
from jobqueue.model.job_summary import JobSummary
from jobqueue.model.principal import Principal
from jobqueue.model.states import FAILURES
from jobqueue.model.submission import Accepted
from jobqueue.model.workflow import MAX_NODES, RUN_GROUP, Node
from jobqueue.model.workflow_run import STATE_OF, NodeProgress, NodeState, WorkflowRun
from jobqueue.services.firing import result_reason
from jobqueue.services.submission import JobSubmitter, ScheduledJob
from jobqueue.services.workflows.node_jobs import NodeJobs
from jobqueue.services.workflows.runners import RunnerReader

logger = logging.getLogger(__name__)

#: Runs of one turn.
BATCH = 100
#: Seconds after which a run is examined again though no event asks for it: a tenth of its age, within these bounds.
SHORTEST, LONGEST = 2.0, 60.0
#: Seconds after which a run is examined again that cannot be moved on.
_STUCK_SECONDS = 60.0
#: The same for one whose record was altered.
_ALTERED_SECONDS = 3600.0
#: Steps of one run in a row: each node may be refused, and a step may meet another process.
_MOST_STEPS = 2 * MAX_NODES + 10


@dataclass(frozen=True)
class _Started:
    """What came of starting nodes. ``ends``: those that were refused; ``is_decided``: none is to be tried again."""

    ends: Mapping[str, NodeProgress]
    is_decided: bool = True


class WorkflowEngine:
    """Moves the runs of one ledger on."""

    def __init__(self, ledger: Ledger, submitter: JobSubmitter, node_jobs: NodeJobs, runners: RunnerReader) -> None:
        self._ledger = ledger
        self._runs = ledger.workflow_runs
        self._submitter = submitter
        self._node_jobs = node_jobs
        self._runners = runners

    def turn(self) -> bool:
        """Examine the runs that are due; whether there may be more at once. Raises ``LedgerUnavailable``."""
        ids = self._runs.due(BATCH)
        for run_id in ids:
            self.examine(run_id)
        return len(ids) == BATCH

    def examine(self, run_id: str) -> None:
        """Move a run on, whatever it is: it must not hold up the others. Raises ``LedgerUnavailable``."""
        try:
            self.advance(run_id)
        except RecordAltered:  # the alarm has been raised
            self._runs.postpone(run_id, _ALTERED_SECONDS)
        except LedgerUnavailable:
            raise
        except Exception:
            logger.exception("The run %s of a workflow cannot be moved on; it is tried again", run_id)
            self._runs.postpone(run_id, _STUCK_SECONDS)

    def advance(self, run_id: str) -> WorkflowRun | None:
        """Take all steps of a run that can be taken now; the run as it is then, None without such a run.

        Raises ``LedgerUnavailable``, ``RecordAltered``.
        """
        run = None
        for _ in range(_MOST_STEPS):
            try:
                run = self._runs.get(run_id)
            except WorkflowRunNotFound:
                self._runs.forget(run_id)
                return None
            if run.has_ended:
                return run
            if run.cancelled_by:
                self._cancel_jobs(run)
            now = self._runs.time()
            started = _Started(self._ends(run, now))
            if not started.ends:
                ready = run.ready()
                if not ready:
                    break
                started = self._start(run, ready, now)
                if not started.is_decided:
                    break
            if started.ends:
                self._store(run.with_ends(started.ends, now))
        if run is not None:
            self._runs.postpone(run_id, pause_of(run, self._runs.time()))
        return run

    def _store(self, run: WorkflowRun) -> None:
        try:
            self._runs.store(run, pause_of(run, self._runs.time()))
        except (RecordChanged, WorkflowRunNotFound):
            logger.debug("Another process has moved the run %s on", run.id)

    def _ends(self, run: WorkflowRun, now: int) -> dict[str, NodeProgress]:
        """The nodes whose jobs have ended."""
        running = {name: run.nodes[name] for name in run.running}
        jobs = {job.id: job for job in self._ledger.jobs.summaries_of([one.job_id for one in running.values()])}
        ends: dict[str, NodeProgress] = {}
        for name, progress in running.items():
            job = jobs.get(progress.job_id)
            if job is None:
                reason = "its job was deleted before its end was seen"
                ends[name] = replace(progress, state=NodeState.FAILED, ended=now, reason=reason)
            elif job.is_readable and job.status.is_final:
                ends[name] = replace(progress, state=STATE_OF[job.status], ended=job.updated, reason=_failures(job))
        return ends

    def _start(self, run: WorkflowRun, nodes: Sequence[Node], now: int) -> _Started:
        """Start nodes with the permissions that the runner has now."""
        principal = self._runners.principal(run.runner, now)
        if principal is None:
            reason = f"{run.runner.name}, for whom the workflow runs, no longer has access"
            return _Started({node.name: _refused(run, node, now, reason) for node in nodes})
        refused: dict[str, NodeProgress] = {}
        jobs: list[ScheduledJob] = []
        names: list[str] = []
        for node in nodes:
            try:
                jobs.append(self._job(run, node, principal, now))
                names.append(node.name)
            except LedgerUnavailable:
                raise
            except Exception as error:  # the other nodes start
                if not isinstance(error, JobQueueError):
                    logger.exception("The node %s of the run %s made no job", node.name, run.id)
                refused[node.name] = _refused(run, node, now, result_reason(error))
        is_decided = True
        for name, outcome in zip(names, self._submitter.fire(jobs) if jobs else (), strict=True):
            if isinstance(outcome, LedgerUnavailable):
                logger.warning("The node %s of the run %s is started again soon: %s", name, run.id, outcome)
                is_decided = False
            elif not isinstance(outcome, (Accepted, RecordChanged)):
                logger.info("The node %s of the run %s made no job: %s", name, run.id, outcome)
                node = next(node for node in nodes if node.name == name)
                refused[name] = _refused(run, node, now, outcome.message)
        return _Started(refused, is_decided)

    def _job(self, run: WorkflowRun, node: Node, principal: Principal, now: int) -> ScheduledJob:
        submission = self._node_jobs.submission(run, node, principal, now)
        details = {
            "workflow": run.workflow.name,
            "node": node.name,
            "operation": submission.operation,
            "target": submission.target[:200],
        }
        if submission.saved:
            details |= {"saved": submission.saved["name"], "version": submission.saved["version"]}
        path = f"/workflow-run/{run.id}"
        entry = AuditEntry(principal.name, principal.kind, "", "", path, 201, "done", "", principal.id, details)
        fire = f"node|{run.id}|{node.name}|{run.serial}||"
        return ScheduledJob(submission, job_id_of(run, node), fire, entry)

    def _cancel_jobs(self, run: WorkflowRun) -> None:
        for name in run.running:
            try:
                self._ledger.jobs.cancel(run.nodes[name].job_id, f"with the run of its workflow, by {run.cancelled_by}")
            except (JobFinal, JobNotFound):
                logger.debug("The job of the node %s of the run %s has ended", name, run.id)


def pause_of(run: WorkflowRun, now: int) -> float:
    """Seconds after which a run is examined again if no event asks for it."""
    return min(LONGEST, max(SHORTEST, (now - run.created) / 1e6 / 10))


def job_id_of(run: WorkflowRun, node: Node) -> str:
    """The id of the job of a node's present attempt, always the same."""
    return str(uuid.uuid5(uuid.UUID(run.id), f"{node.name}|{run.nodes[node.name].attempt}"))


def run_of_group(name: str) -> str | None:
    """The id of the run whose jobs are on a list; None for another list."""
    return name.removeprefix(RUN_GROUP) if name.startswith(RUN_GROUP) else None


def _failures(job: JobSummary) -> str:
    """How the executions of an ended job failed: ``failed on web1``, or ``2 failed, 1 lost of 5 hosts``."""
    counts = {state: count for state, count in job.counts.items() if count and state in FAILURES}
    if not counts:
        return ""
    if job.agents == 1:
        return f"{next(iter(counts))} on {job.hostname}" if job.hostname else str(next(iter(counts)))
    return f"{', '.join(f'{count} {state}' for state, count in counts.items())} of {job.agents} hosts"


def _refused(run: WorkflowRun, node: Node, now: int, reason: str) -> NodeProgress:
    return replace(run.nodes[node.name], state=NodeState.FAILED, ended=now, reason=" ".join(reason.split())[:500])
