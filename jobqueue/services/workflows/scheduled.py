"""What schedules submit: jobs, and runs of workflows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobqueue.errors import JobNotFound, JobQueueError, WorkflowRunNotFound
from jobqueue.model.principal import Principal
from jobqueue.model.schedule import Schedule
from jobqueue.model.submission import Accepted, Submission
from jobqueue.services.job_canceller import JobCanceller
from jobqueue.services.submission import JobSubmitter, ScheduledJob
from jobqueue.services.submission_permissions import SUBMIT
from jobqueue.services.workflows.runs import WorkflowRunManager

#: The field of a schedule's content that names a workflow. In the audit trail, in place of the type of an operation.
WORKFLOW = "workflow"


@dataclass(frozen=True)
class WorkflowSubmission(Submission):
    """A run of a workflow in place of a job. ``target`` is the workflow's name; ``parameters`` are the values."""

    parameters: Mapping[str, Any] = field(default_factory=dict)


def is_workflow(schedule: Schedule) -> bool:
    """Whether a schedule runs a workflow."""
    return WORKFLOW in schedule.content


class ScheduledSubmitter:
    """Submits the jobs of schedules, and starts the runs of those that run a workflow."""

    def __init__(self, submitter: JobSubmitter, canceller: JobCanceller, runs: WorkflowRunManager) -> None:
        self._submitter = submitter
        self._canceller = canceller
        self._runs = runs

    def check(self, submission: Submission) -> None:
        """Raise what submitting it would raise, as far as that is known before."""
        if isinstance(submission, WorkflowSubmission):
            self._runs.check_start(submission.target, submission.parameters, submission.principal)
        else:
            self._submitter.check(submission)

    def fire(self, jobs: Sequence[ScheduledJob]) -> list[Accepted | JobQueueError]:
        """Accept jobs and runs, as ``JobSubmitter.fire``."""
        ordinary = [job for job in jobs if not isinstance(job.submission, WorkflowSubmission)]
        outcomes = dict(
            zip((job.id for job in ordinary), self._submitter.fire(ordinary) if ordinary else (), strict=True)
        )
        return [outcomes[job.id] if job.id in outcomes else self._started(job) for job in jobs]

    def cancel(self, principal: Principal, job_id: str, reason: str) -> None:
        """Cancel a job or a run. Raises ``JobNotFound``, ``JobFinal``, ``PermissionDenied``."""
        try:
            self._canceller.cancel(principal, job_id, reason)
        except JobNotFound as error:
            principal.require(SUBMIT)
            try:
                self._runs.cancel(job_id, principal)
            except WorkflowRunNotFound:
                raise error from None

    def _started(self, job: ScheduledJob) -> Accepted | JobQueueError:
        submission = job.submission
        if not isinstance(submission, WorkflowSubmission):
            raise TypeError("The job was not submitted.")
        try:
            run = self._runs.start_scheduled(submission.target, submission.parameters, job)
        except JobQueueError as error:
            return error
        return Accepted(run.id, run.created, is_audited=True)
