"""Submits jobs: checks the request, stores it, and has it published."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from jobqueue.dispatch.sender import Sender
from jobqueue.errors import JobQueueError, LedgerUnavailable, LedgerUncertain, UnknownTarget
from jobqueue.ledger.due import Due
from jobqueue.ledger.new_jobs import NewJob, NewJobs, Stored
from jobqueue.model.audit import AuditEntry
from jobqueue.model.submission import Accepted, Submission
from jobqueue.random_uuid import random_uuid
from jobqueue.services.batch_budget import BatchBudget
from jobqueue.services.preparation import TARGET_FIELD, JobPreparer, Origin
from jobqueue.services.submission_scope import SubmissionScope
from jobqueue.services.targets import TargetResolver

#: Maximum number of jobs of a batch with an unknown operation or target for which similar names are suggested.
_MOST_COMPARED = 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScheduledJob:
    """A job that a schedule makes at a time, or a run of a workflow for a node, which ``fire`` names
    (``ledger.schedules.fire_argument``).

    ``id`` is the same whenever the job is submitted for this time or node.
    """

    submission: Submission
    id: str
    fire: str
    audit_entry: AuditEntry


class Submitter(Protocol):
    """Submits what schedules hold; see ``JobSubmitter``."""

    def check(self, submission: Submission) -> None: ...
    def fire(self, jobs: Sequence[ScheduledJob]) -> list[Accepted | JobQueueError]: ...


class JobSubmitter:
    """Accepts submissions into the ledger."""

    def __init__(
        self,
        new_jobs: NewJobs,
        sender: Sender,
        preparer: JobPreparer,
        targets: TargetResolver,
        scope: SubmissionScope,
    ) -> None:
        self._new_jobs = new_jobs
        self._sender = sender
        self._prepare = preparer.prepare
        self._targets = targets
        self._scope = scope

    def submit(
        self,
        submission: Submission,
        *,
        only: tuple[str, ...] = (),
        job_id: str | None = None,
        audit_entry: AuditEntry | None = None,
    ) -> Accepted:
        """Accept one job. ``job_id`` is a new UUID, for a caller who must know it beforehand. ``audit_entry`` is
        written to the audit trail together with the job; without one, the caller writes its own entry.

        If the ledger does not confirm the job in time, it may be stored: the answer is then not confirmed.

        Raises ``PermissionDenied`` unless its principal may submit jobs and run this operation; ``InvalidInput``
        (operation, data, target), ``NoLiveAgent``, ``IdempotencyConflict``.
        """
        new = self._prepare(submission, Origin(job_id or random_uuid(), only, audit_entry))
        try:
            stored = self._new_jobs.create(new, self._sender.template)
        except LedgerUncertain as error:
            return _unconfirmed(new, error)
        except UnknownTarget as error:
            self._settle([(new, error)])
            raise self._explained(new, error) from error
        except JobQueueError as error:
            self._settle([(new, error)])
            raise
        self._settle([(new, stored)])
        self._send([(new, stored)])
        return stored.accepted

    def submit_many(self, submissions: Iterable[Submission]) -> list[Accepted | JobQueueError]:
        """Accept as many jobs as possible in one round trip; answers come in order, refusals as errors."""
        answers: list[Accepted | JobQueueError | None] = []
        new: list[NewJob] = []
        budget = BatchBudget()
        for submission in submissions:
            try:
                with budget.applied():
                    new.append(self._prepare(submission, Origin(random_uuid())))
                answers.append(None)
            except JobQueueError as error:
                budget.refused()
                answers.append(error)
        outcomes = self._create_many(new)
        results, unknown = iter(zip(new, outcomes, strict=True)), 0
        for index, answer in enumerate(answers):
            if answer is None:
                created, outcome = next(results)
                if isinstance(outcome, UnknownTarget) and unknown < _MOST_COMPARED:
                    outcome, unknown = self._explained(created, outcome), unknown + 1
                answers[index] = outcome.accepted if isinstance(outcome, Stored) else outcome
                if isinstance(outcome, LedgerUncertain):
                    answers[index] = _unconfirmed(created, outcome)
        return [answer for answer in answers if answer is not None]

    def check(self, submission: Submission) -> None:
        """Raise what ``submit`` raises for the operation, its data, the spelling of the target and the permissions.

        Nothing is submitted, and the target need not match an agent yet.
        """
        try:
            self._scope.refund(self._prepare(submission, Origin(random_uuid())).charges)
        except UnknownTarget as error:
            logger.debug("No agent matches the target %r yet: %s", submission.target, error)

    def fire(self, jobs: Sequence[ScheduledJob]) -> list[Accepted | JobQueueError]:
        """Accept the jobs of schedules and workflows in few round trips; answers come in order, refusals as errors.

        ``LedgerUnavailable`` and ``LedgerUncertain`` as answers: the job is to be submitted again, which never makes
        a second one. ``RecordChanged``: the schedule or the run was changed, or another process has processed this.
        """
        prepared = [self._prepared(job) for job in jobs]
        new = [job for job in prepared if isinstance(job, NewJob)]
        outcomes = self._create_many(new)
        by_id = {
            job.id: outcome.accepted if isinstance(outcome, Stored) else outcome
            for job, outcome in zip(new, outcomes, strict=True)
        }
        return [by_id[job.id] if isinstance(job, NewJob) else job for job in prepared]

    def _create_many(self, new: list[NewJob]) -> list[Stored | JobQueueError]:
        """Store jobs and send the messages of those that were stored; returns the ledger's answer for each."""
        outcomes = self._new_jobs.create_many(new, self._sender.template)
        self._settle(zip(new, outcomes, strict=True))
        self._send([(job, stored) for job, stored in zip(new, outcomes, strict=True) if isinstance(stored, Stored)])
        return outcomes

    def _prepared(self, job: ScheduledJob) -> NewJob | JobQueueError:
        try:
            return self._prepare(job.submission, Origin(job.id, audit_entry=job.audit_entry, fire=job.fire))
        except JobQueueError as error:
            return error

    def _explained(self, job: NewJob, error: UnknownTarget) -> UnknownTarget:
        """The error with what the caller may have meant."""
        hint = "" if "Did you mean" in error.message else self._targets.explain(job.target)
        sentence = f"{error.message}{hint}"
        return UnknownTarget(sentence, {TARGET_FIELD: [sentence]})

    def _settle(self, outcomes: Iterable[tuple[NewJob, Stored | JobQueueError]]) -> None:
        """Take back the hosts that were counted for jobs that the ledger has refused, or had accepted before.

        A job whose storing was not confirmed may be stored: its hosts stay counted.
        """
        for new, outcome in outcomes:
            is_new = isinstance(outcome, Stored) and outcome.accepted.job_id == new.id
            if new.charges and not is_new and not isinstance(outcome, LedgerUnavailable):
                self._scope.refund(new.charges)

    def _send(self, stored: list[tuple[NewJob, Stored]]) -> None:
        try:
            self._sender.send(
                Due(new.id, slot, new.submission.priority, 1) for new, outcome in stored for slot in outcome.unsent
            )
        except LedgerUnavailable as error:
            # the jobs are accepted: an error now would make callers submit them twice; maintenance sends them again
            logger.warning("The broker refused the messages of %d jobs, which wait: %s", len(stored), error)


def _unconfirmed(new: NewJob, error: LedgerUncertain) -> Accepted:
    """The answer for a job that may be stored: an error would make the caller submit it a second time."""
    logger.warning("Job %s was submitted, and the ledger has not confirmed it: %s", new.id, error.__cause__ or error)
    return Accepted(new.id, time.time_ns() // 1000, is_confirmed=False)
