"""Submits jobs: checks the request, stores it, and has it published."""

from __future__ import annotations

import hashlib
import json
import logging
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobqueue import tracing
from jobqueue.dispatch.sender import Sender
from jobqueue.errors import (
    InvalidTarget,
    JobQueueError,
    LedgerUnavailable,
    LedgerUncertain,
    NothingToRetry,
    PlanChanged,
    UnknownTarget,
)
from jobqueue.ledger.due import Due
from jobqueue.ledger.new_jobs import NewJob, NewJobs, Stored
from jobqueue.ledger.rate_limits import Charge
from jobqueue.model.audit import AuditEntry
from jobqueue.model.job_fields import document_of
from jobqueue.model.submission import Accepted, Submission
from jobqueue.model.target import ANY, Target, TargetKind
from jobqueue.model.title import default_title
from jobqueue.operations.base import Operation
from jobqueue.operations.registry import Registry
from jobqueue.services import concurrency_scope, submission_permissions, targets
from jobqueue.services.batch_budget import BatchBudget
from jobqueue.services.checked_work import CheckedWork, checked_work
from jobqueue.services.packages import PackageResolver
from jobqueue.services.planner import Planner
from jobqueue.services.submission_scope import Restriction
from jobqueue.services.targets import TargetResolver
from jobqueue.trust.signing.work import WorkSigner

#: Maximum number of jobs of a batch with an unknown operation or target for which similar names are suggested.
_MOST_COMPARED = 20

_TARGET_FIELD = "target_hostname"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScheduledJob:
    """A job that a schedule makes at a time, which ``fire`` names (``ledger.schedules.fire_argument``).

    ``id`` is the same whenever the job is submitted for this time.
    """

    submission: Submission
    id: str
    fire: str
    audit_entry: AuditEntry


class JobSubmitter:
    """Accepts submissions into the ledger."""

    def __init__(
        self,
        new_jobs: NewJobs,
        sender: Sender,
        operations: Registry,
        signer: WorkSigner,
        package_digests: PackageResolver,
        resolver: TargetResolver,
        planner: Planner,
    ) -> None:
        self._new_jobs = new_jobs
        self._sender = sender
        self._operations = operations
        self._signer = signer
        self._package_digests = package_digests
        self._targets = resolver
        self._planner = planner
        self._scope = planner.scope

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
        new = self._prepare(submission, only, job_id, audit_entry)
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
                    new.append(self._prepare(submission, explains=budget.explains))
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
            self._scope.refund(self._prepare(submission).charges)
        except UnknownTarget as error:
            logger.debug("No agent matches the target %r yet: %s", submission.target, error)

    def fire(self, jobs: Sequence[ScheduledJob]) -> list[Accepted | JobQueueError]:
        """Accept the jobs of schedules in few round trips; answers come in order, refusals as errors.

        ``LedgerUnavailable`` and ``LedgerUncertain`` as answers: the job is to be submitted again, which never makes
        a second one. ``RecordChanged``: the schedule was changed, or another process has processed this time.
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
            return replace(self._prepare(job.submission, (), job.id, job.audit_entry), fire=job.fire)
        except JobQueueError as error:
            return error

    def _prepare(
        self,
        submission: Submission,
        only: tuple[str, ...] = (),
        job_id: str | None = None,
        audit_entry: AuditEntry | None = None,
        *,
        explains: bool = True,
    ) -> NewJob:
        submission.principal.require_somewhere(submission_permissions.SUBMIT)
        target = parse_target(submission.target)
        if submission.among and target.text != ANY:  # a retry: the hosts are those of the first time
            target = replace(target, kind=TargetKind.HOSTS)
        work = self._checked_work(submission, explains=explains)
        restriction = self._scope.of(submission.principal, work.permissions)
        self._scope.check_jobs(submission.principal, target)
        planned = self._planned(submission, target, restriction) if submission.plan_hash else None
        submission = work.resolved(replace(submission, target=target.text), self._package_digests)
        digest = _digest(submission, document_of(submission)) if submission.idempotency_key else ""
        job_id = job_id or str(uuid.uuid4())
        submission, target, unmatched = self._located(submission, target, job_id, planned, restriction, only)
        charges: tuple[Charge, ...] = ()
        if restriction is not None and unmatched is None:
            _within(only, submission.among)  # raises before the hosts are counted
            submission, target, charges = self._scope.within_radius(restriction, submission, target, only)
        is_patient = submission.expires_at is not None
        submission = _completed(submission, work.operation)
        hosts = _within(only, submission.among)
        # the document lists the hosts of an expression already, as `among`
        terms = only if target.is_listed else hosts
        text = self._signer.sign(
            job_id,
            {**document_of(submission), **_trace()},
            now=time.time_ns() // 1000,
            idempotent=work.operation.idempotent,
            only=terms,
        )
        identity = submission.principal.identity
        return NewJob(
            job_id,
            text,
            submission,
            target,
            work.operation.idempotent,
            digest,
            hosts,
            audit_entry,
            identity,
            unmatched,
            waits_for_offline=is_patient,
            key_scope=concurrency_scope.of(submission.concurrency, restriction),
            charges=charges,
        )

    def _checked_work(self, submission: Submission, *, explains: bool) -> CheckedWork:
        """The work of a submission whose principal has all permissions that it needs on some hosts at least."""
        principal = submission.principal
        operation = self._operations.get(submission.operation, compares=explains)
        principal.require_somewhere(operation.permission)  # before the data is validated
        work = checked_work(submission, operation, self._operations, explains=explains)
        for permission in work.permissions:
            principal.require_somewhere(permission)
        return work

    def _located(
        self,
        submission: Submission,
        target: Target,
        job_id: str,
        planned: tuple[tuple[str, ...], JobQueueError | None] | None,
        restriction: Restriction | None,
        only: tuple[str, ...],
    ) -> tuple[Submission, Target, JobQueueError | None]:
        """The submission with the hosts that the API lists, all of them within the principal's scopes; and the error
        if there are none.

        Raises ``PermissionDenied`` for hosts outside of the scopes.
        """
        if planned is not None:
            if restriction is not None:
                restriction.require(target, planned[0])
            return replace(submission, among=planned[0]), replace(target, kind=TargetKind.PLANNED), planned[1]
        if target.kind is TargetKind.HOSTS and not submission.among:
            try:
                submission, unmatched = self._resolved(submission, target, job_id)
            except UnknownTarget as error:
                if restriction is None or not restriction.scopes:
                    raise
                # the message suggests names of the whole fleet
                raise restriction.unknown(target) from error
            if restriction is not None:
                if unmatched is not None and restriction.scopes:
                    raise restriction.unknown(target)
                restriction.require(target, submission.among)
            return submission, target, unmatched
        if restriction is not None:
            submission, target = self._scope.listed(restriction, submission, target, only)
        return submission, target, None

    def _planned(
        self, submission: Submission, target: Target, restriction: Restriction | None
    ) -> tuple[tuple[str, ...], JobQueueError | None] | None:
        """The hosts of the plan that the submission refers to, for a job on several hosts; None for others.

        Raises ``PlanChanged``; under an idempotency key the error is returned, for the ledger looks at the key first.
        """
        try:
            hosts = self._planner.check(submission, target, restriction)
        except PlanChanged as error:
            # the difference may name hosts that the principal may not see
            refusal = (
                error
                if restriction is None or not restriction.scopes
                else PlanChanged("The set of agents has changed since the plan. Plan again.")
            )
            if submission.idempotency_key:
                return (), refusal
            raise refusal from error
        return (hosts, None) if hosts and target.is_broadcast else None

    def _resolved(self, submission: Submission, target: Target, job_id: str) -> tuple[Submission, UnknownTarget | None]:
        """The submission with the hosts that its expression names.

        Without any, and under an idempotency key, the error: the ledger looks at the key first.
        """
        try:
            resolved = self._targets.resolve(target, job_id, is_patient=submission.expires_at is not None)
        except UnknownTarget as error:
            named = UnknownTarget(error.message, {_TARGET_FIELD: [error.message]})
            if submission.idempotency_key:
                return submission, named
            raise named from error
        return replace(submission, among=resolved.hosts), None

    def _explained(self, job: NewJob, error: UnknownTarget) -> UnknownTarget:
        """The error with what the caller may have meant."""
        hint = "" if "Did you mean" in error.message else self._targets.explain(job.target)
        sentence = f"{error.message}{hint}"
        return UnknownTarget(sentence, {_TARGET_FIELD: [sentence]})

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


def parse_target(text: str) -> Target:
    """The target; raises ``InvalidTarget``, which names the field."""
    try:
        return targets.parsed(text)
    except InvalidTarget as error:  # the field is named as for an unknown target
        raise InvalidTarget(error.message, {_TARGET_FIELD: [error.message]}) from error


def _completed(submission: Submission, operation: Operation) -> Submission:
    """The submission with what it implies: a deadline, a title.

    These are not in the digest: the same request may come again later, and an earlier version may have accepted it
    without a title.
    """
    if submission.rollout is not None and submission.rollout.deadline_seconds is not None:
        submission = replace(submission, expires_at=_deadline(submission, submission.rollout.deadline_seconds))
    if submission.title is None:
        submission = replace(submission, title=default_title(submission.data, operation.positional))
    return submission


def _trace() -> dict[str, Any]:
    """The member of the document that continues a trace; not in the digest, since the request may come in another."""
    carried = tracing.carried()
    return {tracing.MEMBER: carried} if carried else {}


def _deadline(submission: Submission, seconds: float) -> int:
    """The time after which no execution of a rollout starts: the earlier one of its own deadline and the job's."""
    begin = max(time.time_ns() // 1000, submission.not_before or 0)
    own = begin + int(seconds * 1_000_000)
    return own if submission.expires_at is None else min(own, submission.expires_at)


def _digest(submission: Submission, document: dict[str, Any]) -> str:
    """A digest that identifies a request under one idempotency key; the order of keys is irrelevant."""
    text = json.dumps(document, sort_keys=True)
    return hashlib.sha256(f"{submission.priority}|{text}".encode()).hexdigest()


def _within(only: tuple[str, ...], among: tuple[str, ...]) -> tuple[str, ...]:
    """The hosts that both restrictions allow; () without any. Raises ``NothingToRetry`` if none is left."""
    if not only or not among:
        return only or among
    hosts = tuple(host for host in only if host in among)
    if not hosts:
        raise NothingToRetry("The executions that failed are on hosts that the job was not submitted to.")
    return hosts
