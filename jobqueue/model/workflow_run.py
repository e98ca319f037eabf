"""Runs of workflows: the progress of each node, and the rules by which nodes start and are skipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from jobqueue.model.states import JobStatus
from jobqueue.model.workflow import ALWAYS, FAILURE, RUN_GROUP, SUCCESS, Node, Workflow, layers

#: Events of earlier attempts that a run keeps.
_KEPT_EVENTS = 500


class NodeState(str, Enum):
    """State of a node of a run."""

    WAITING = "waiting"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"

    def __str__(self) -> str:
        return self.value

    @property
    def has_ended(self) -> bool:
        return self not in (NodeState.WAITING, NodeState.RUNNING)


#: The state of a node by the status of its job.
STATE_OF: Mapping[JobStatus, NodeState] = {
    JobStatus.COMPLETED: NodeState.COMPLETED,
    JobStatus.FAILED: NodeState.FAILED,
    JobStatus.PARTIAL_FAILURE: NodeState.FAILED,
    JobStatus.CANCELLED: NodeState.CANCELLED,
    JobStatus.SKIPPED: NodeState.SKIPPED,
}
#: The statuses of a run that has ended.
FINAL = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.SKIPPED)
_BAD = (NodeState.FAILED, NodeState.CANCELLED)


@dataclass(frozen=True)
class NodeProgress:
    """The progress of a node. ``job_id`` is that of the present attempt, ``earlier`` are those of attempts before.

    ``reason`` says why it failed without a job, or why it was skipped. Times are in microseconds.
    """

    state: NodeState = NodeState.WAITING
    attempt: int = 1
    job_id: str = ""
    started: int | None = None
    ended: int | None = None
    reason: str = ""
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True)
class Runner:
    """The principal of a run, whose permissions its jobs have. ``kind`` is that of its credentials, ``id`` the name of
    their record. ``permissions``, ``roles`` and ``makers`` are only of one whose permissions cannot be looked up later;
    they hold ``until`` then.
    """

    kind: str
    id: str
    name: str
    permissions: tuple[str, ...] | None = None
    roles: tuple[str, ...] = ()
    makers: tuple[str, ...] = ()
    until: int | None = None

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Runner:
        """From JSON."""
        lists = {name: tuple(document[name] or ()) for name in ("roles", "makers")}
        permissions = document["permissions"]
        return cls(**{**document, **lists, "permissions": None if permissions is None else tuple(permissions)})


@dataclass(frozen=True)
class RunEvent:
    """A step of a run's timeline; ``node`` is empty for one of the whole run."""

    at: int
    event: str
    node: str = ""
    note: str = ""


@dataclass(frozen=True)
class RunSummary:
    """A run in a list. Times are microseconds; ``ended`` is None while it has not."""

    id: str
    workflow: str
    version: int
    status: JobStatus
    created: int
    started_by: str
    ended: int | None = None


@dataclass(frozen=True)
class WorkflowRun:
    """One run of a version of a workflow, with the ``values`` of its parameters.

    ``serial`` changes with each change but the start of a node. ``cancelled_by`` is empty unless the run was cancelled,
    at ``cancelled_at``. ``history``: the events of attempts before the last retry.
    """

    id: str
    workflow: Workflow
    values: Mapping[str, Any]
    runner: Runner
    created: int = 0
    serial: int = 0
    nodes: Mapping[str, NodeProgress] = field(default_factory=dict)
    cancelled_by: str = ""
    cancelled_at: int | None = None
    history: tuple[RunEvent, ...] = ()

    @property
    def group(self) -> str:
        """The list of its jobs (``JobFields.groups``)."""
        return group_of_run(self.id)

    @property
    def has_ended(self) -> bool:
        return all(progress.state.has_ended for progress in self.nodes.values())

    @property
    def ended(self) -> int | None:
        """When its last node ended; None before that."""
        return max((progress.ended or 0 for progress in self.nodes.values()), default=0) if self.has_ended else None

    @property
    def status(self) -> JobStatus:
        """The status, in the words of jobs. A failure that a node ignores does not count."""
        if not self.has_ended:
            begun = any(progress.state is not NodeState.WAITING for progress in self.nodes.values())
            return JobStatus.PROCESSING if begun else JobStatus.SUBMITTED
        states = {self.nodes[node.name].state for node in self.workflow.nodes if not self._is_ignored(node)}
        if NodeState.FAILED in states:
            return JobStatus.FAILED
        if NodeState.CANCELLED in states:
            return JobStatus.CANCELLED
        skipped = all(progress.state is NodeState.SKIPPED for progress in self.nodes.values())
        return JobStatus.SKIPPED if skipped else JobStatus.COMPLETED

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the nodes whose jobs have not ended, as far as the run knows."""
        return tuple(name for name, progress in self.nodes.items() if progress.state is NodeState.RUNNING)

    def ready(self) -> list[Node]:
        """The nodes that are to start now, in the order of their declaration."""
        if self.cancelled_by:
            return []
        waiting = [node for node in self.workflow.nodes if self.nodes[node.name].state is NodeState.WAITING]
        return [node for node in waiting if self._may_decide(node) and self._fits(node)]

    def with_ends(self, ends: Mapping[str, NodeProgress], at: int) -> WorkflowRun:
        """With nodes that have ended, and with those that will not start because of that, or of a cancellation."""
        run = replace(self, nodes={**self.nodes, **ends})
        for layer in layers(self.workflow.nodes):
            over: dict[str, NodeProgress] = {}
            for node in layer:
                progress = run.nodes[node.name]
                if progress.state is not NodeState.WAITING:
                    continue
                if run.cancelled_by:
                    over[node.name] = replace(progress, state=NodeState.CANCELLED, ended=at)
                elif run._may_decide(node) and not run._fits(node):
                    over[node.name] = replace(progress, state=NodeState.SKIPPED, ended=at, reason=run._misfit(node))
            if over:
                run = replace(run, nodes={**run.nodes, **over})
        return run

    def cancelled(self, by: str, at: int) -> WorkflowRun:
        """With nothing left to start."""
        return replace(self, cancelled_by=by, cancelled_at=at).with_ends({}, at)

    def retried(self, runner: Runner, at: int) -> WorkflowRun:
        """The run again from the nodes that have failed or were cancelled, and those that come after them.

        None of them is left if nothing has failed.
        """
        again = self._again()
        nodes = {
            name: NodeProgress(
                attempt=progress.attempt + 1,
                earlier=(*progress.earlier, progress.job_id) if progress.job_id else progress.earlier,
            )
            if name in again
            else progress
            for name, progress in self.nodes.items()
        }
        events = [*self.events(), RunEvent(at, "retried", note=f"by {runner.name}")]
        kept = [event for event in events if event.event != "ended"]
        return replace(
            self,
            nodes=nodes,
            runner=runner,
            cancelled_by="",
            cancelled_at=None,
            history=tuple(kept[-_KEPT_EVENTS:]),
        )

    def events(self) -> list[RunEvent]:
        """The timeline, oldest first."""
        current = [event for event in self._current() if event not in self.history]
        return sorted([*self.history, *current], key=lambda event: event.at)

    def _current(self) -> Iterator[RunEvent]:
        yield RunEvent(self.created, "submitted", note=f"by {self.runner.name}" if not self.history else "")
        for name, progress in self.nodes.items():
            if progress.started is not None:
                yield RunEvent(progress.started, "started", name, progress.job_id)
            if progress.ended is not None:
                yield RunEvent(progress.ended, str(progress.state), name, progress.reason)
        if self.cancelled_at is not None:
            yield RunEvent(self.cancelled_at, "cancelled", note=f"by {self.cancelled_by}")
        if self.ended is not None:
            yield RunEvent(self.ended, "ended", note=str(self.status))

    def _again(self) -> set[str]:
        """Names of the nodes that a retry runs again."""
        again: set[str] = set()
        for layer in layers(self.workflow.nodes):
            for node in layer:
                is_bad = self.nodes[node.name].state in _BAD and not self._is_ignored(node)
                if is_bad or not again.isdisjoint(node.needs):
                    again.add(node.name)
        return again

    def _may_decide(self, node: Node) -> bool:
        return all(self.nodes[name].state.has_ended for name in node.needs)

    def _fits(self, node: Node) -> bool:
        """Whether the nodes that a node needs have ended as it wants."""
        if node.when == ALWAYS:
            return True
        return bool(self._failed(node)) if node.when == FAILURE else not self._unsuccessful(node)

    def _misfit(self, node: Node) -> str:
        if node.when == SUCCESS:
            return f"{_listed(self._unsuccessful(node))} did not complete"
        return "none of the nodes that it needs has failed"

    def _failed(self, node: Node) -> list[str]:
        by_name = self._by_name
        return [name for name in node.needs if self.nodes[name].state in _BAD and not self._is_ignored(by_name[name])]

    def _unsuccessful(self, node: Node) -> list[str]:
        by_name = self._by_name
        return [
            name
            for name in node.needs
            if self.nodes[name].state is not NodeState.COMPLETED and not self._is_ignored(by_name[name])
        ]

    def _is_ignored(self, node: Node) -> bool:
        """Whether a node has failed, and that does not count."""
        return node.ignore_failure and self.nodes[node.name].state in _BAD

    @property
    def _by_name(self) -> Mapping[str, Node]:
        return {node.name: node for node in self.workflow.nodes}

    def progress_document(self) -> dict[str, Any]:
        """What changes in the course of the run, as JSON, without the present jobs: the ledger has noted those."""
        nodes = {
            name: {key: value for key, value in asdict(progress).items() if key not in ("job_id", "started")}
            for name, progress in self.nodes.items()
        }
        return {"nodes": nodes, "history": [asdict(event) for event in self.history]}

    def record_document(self) -> dict[str, Any]:
        """What does not change, as JSON."""
        return {
            "id": self.id,
            "workflow": {"name": self.workflow.name, "version": self.workflow.version, **self.workflow.content},
            "values": dict(self.values),
            "runner": asdict(self.runner),
        }


def group_of_run(run_id: str) -> str:
    """The list of the jobs of one run."""
    return f"{RUN_GROUP}{run_id}"


def new_run(run_id: str, workflow: Workflow, values: Mapping[str, Any], runner: Runner) -> WorkflowRun:
    """A run of which nothing has started."""
    nodes = {node.name: NodeProgress() for node in workflow.nodes}
    return WorkflowRun(run_id, workflow, values, runner, nodes=nodes)


def progress_of(document: Mapping[str, Any], job_id: str, started: int | None) -> NodeProgress:
    """The progress of one node from JSON, with the job of its present attempt, if it has one."""
    state = NodeState(document["state"])
    if job_id and state is NodeState.WAITING:
        state = NodeState.RUNNING
    fields = {**document, "state": state, "earlier": tuple(document["earlier"])}
    return NodeProgress(**fields, job_id=job_id, started=started)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
