"""The five statuses of Ray's Jobs API, and how a job's own status becomes one of them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from jobqueue.model.job import Execution, Job
from jobqueue.model.states import JobStatus
from jobqueue.operations.builtin import entrypoint

#: The operation that runs what is submitted here, and the phases that it reports.
ENTRYPOINT = entrypoint.run.type
#: The label that Ray gives every node; here a node is an agent, and its id the hostname.
NODE_ID_LABEL = "ray.io/node-id"
WAITING = "waiting"
SETTING_UP = "setting_up"
RUNNING = "running"


class RayStatus(str, Enum):
    """Any other value breaks Ray's client."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    STOPPED = "STOPPED"

    def __str__(self) -> str:
        return self.value


_FINAL: Mapping[JobStatus, RayStatus] = {
    JobStatus.COMPLETED: RayStatus.SUCCEEDED,
    JobStatus.SKIPPED: RayStatus.SUCCEEDED,
    JobStatus.FAILED: RayStatus.FAILED,
    JobStatus.PARTIAL_FAILURE: RayStatus.FAILED,
    JobStatus.CANCELLED: RayStatus.STOPPED,
}

#: Where jobs of a status of Ray's are to be looked for. Those that are processed may be either of two.
SOURCES: Mapping[RayStatus, tuple[JobStatus, ...]] = {
    RayStatus.PENDING: (JobStatus.SUBMITTED, JobStatus.PROCESSING),
    RayStatus.RUNNING: (JobStatus.PROCESSING,),
} | {wanted: tuple(own for own, shown in _FINAL.items() if shown is wanted) for wanted in _FINAL.values()}


def status_of(job: Job) -> RayStatus:
    """The job's status in Ray's terms: it runs as soon as one of its commands does."""
    if job.status.is_final:
        return _FINAL[job.status]
    if all(is_pending(job, execution) for execution in job.executions):
        return RayStatus.PENDING
    return RayStatus.RUNNING


def phase_of(execution: Execution) -> str:
    """The phase that the operation reports; empty if it reports none."""
    phase = execution.info.get("phase")
    return phase if isinstance(phase, str) else ""


def is_pending(job: Job, execution: Execution) -> bool:
    """Whether the execution waits, or prepares what it needs; it may end before it ever runs."""
    if execution.state.is_final:
        return False
    # an entrypoint runs from when it says so: between its claim and its first word it still prepares
    return not execution.started or (job.operation == ENTRYPOINT and phase_of(execution) != RUNNING)
