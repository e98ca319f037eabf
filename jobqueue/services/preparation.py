"""From a submission to the job that the ledger stores, in steps: checked, its hosts listed, limited, signed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jobqueue import tracing
from jobqueue.errors import InvalidTarget, JobQueueError, NothingToRetry, PlanChanged, UnknownTarget
from jobqueue.ledger.new_jobs import NewJob
from jobqueue.ledger.rate_limits import Charge
from jobqueue.model.audit import AuditEntry
from jobqueue.model.job_fields import document_of
from jobqueue.model.submission import Submission
from jobqueue.model.target import ANY, Target, TargetKind
from jobqueue.model.title import default_title
from jobqueue.operations.base import Operation
from jobqueue.operations.registry import Registry
from jobqueue.services import batch_budget, concurrency_scope, submission_permissions, targets
from jobqueue.services.checked_work import CheckedWork, checked_work
from jobqueue.services.packages import PackageResolver
from jobqueue.services.planner import Planner
from jobqueue.services.submission_scope import Restriction
from jobqueue.services.targets import TargetResolver
from jobqueue.trust.signing.work import WorkSigner

TARGET_FIELD = "target_hostname"


@dataclass(frozen=True, slots=True)
class Origin:
    """What the caller of ``JobPreparer`` gives beside the submission, and becomes part of the job.

    ``job_id`` is a UUID, the same whenever the same job is submitted. ``only``: hosts to keep to, such as those of a
    retry. ``audit_entry`` is stored together with the job. ``fire``: the time of a schedule that the job is for
    (``ledger.schedules.fire_argument``).
    """

    job_id: str
    only: tuple[str, ...] = ()
    audit_entry: AuditEntry | None = None
    fire: str = ""


@dataclass(slots=True)
class Draft:
    """A job that is being prepared: each step of ``JobPreparer`` completes it further.

    ``restriction``: what its principal must keep to, if its permissions have limits. ``planned``: the hosts of the plan
    that the submission refers to. ``digest`` identifies the request under its idempotency key. ``unmatched``: why no
    host is listed, for the ledger to answer unless the key has a job already. ``charges``: what was counted for it
    against hourly limits. ``is_patient``: hosts that are offline take part, too.
    """

    submission: Submission
    origin: Origin
    target: Target
    work: CheckedWork
    restriction: Restriction | None
    planned: tuple[str, ...] | None = None
    digest: str = ""
    unmatched: JobQueueError | None = None
    charges: tuple[Charge, ...] = ()
    is_patient: bool = False

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that the job is kept to; () without any. Raises ``NothingToRetry`` if none is left."""
        only, among = self.origin.only, self.submission.among
        if not only or not among:
            return only or among
        hosts = tuple(host for host in only if host in among)
        if not hosts:
            raise NothingToRetry("The executions that failed are on hosts that the job was not submitted to.")
        return hosts

    @property
    def is_scoped(self) -> bool:
        """Whether its principal may use some hosts only: errors then name no others."""
        return self.restriction is not None and bool(self.restriction.scopes)

    def refuse(self, refusal: JobQueueError, cause: JobQueueError) -> None:
        """Note that no host is listed. Raises the refusal, unless the ledger must look at an idempotency key first."""
        if not self.submission.idempotency_key:
            raise refusal from cause
        self.unmatched = refusal


class JobPreparer:
    """Prepares submissions for the ledger."""

    def __init__(
        self,
        operations: Registry,
        signer: WorkSigner,
        package_resolver: PackageResolver,
        resolver: TargetResolver,
        planner: Planner,
    ) -> None:
        self._operations = operations
        self._signer = signer
        self._package_resolver = package_resolver
        self._targets = resolver
        self._planner = planner
        self._scope = planner.scope

    def prepare(self, submission: Submission, origin: Origin) -> NewJob:
        """The job, ready to be stored.

        What it counts against hourly limits (``NewJob.charges``) is to be taken back if the ledger refuses the job.
        Raises ``PermissionDenied``, ``InvalidInput``, ``UnknownTarget``, ``NoLiveAgent``, ``PlanChanged``,
        ``NothingToRetry``.
        """
        draft = self._checked(submission, origin)
        if submission.plan_hash:
            self._look_up_plan(draft)
        self._pin_contents(draft)
        self._list_hosts(draft)
        if draft.restriction is not None and draft.unmatched is None:
            self._keep_within_limits(draft, draft.restriction)
        _complete(draft)
        return self._signed(draft)

    def _checked(self, submission: Submission, origin: Origin) -> Draft:
        """The operation, its data and the target are valid, and the principal has all permissions somewhere."""
        principal = submission.principal
        principal.require_somewhere(submission_permissions.SUBMIT)
        target = parse_target(submission.target)
        if submission.among and target.text != ANY:  # a retry: the hosts are those of the first time
            target = replace(target, kind=TargetKind.HOSTS)
        batch = batch_budget.current()
        explains = batch is None or batch.explains
        operation = self._operations.get(submission.operation, compares=explains)
        principal.require_somewhere(operation.permission)  # before the data is validated
        work = checked_work(submission, operation, self._operations, explains=explains)
        permissions = work.permissions
        for permission in permissions:
            principal.require_somewhere(permission)
        restriction = self._scope.of(principal, permissions)
        self._scope.check_jobs(principal, target)
        return Draft(work.typed(submission), origin, target, work, restriction)

    def _look_up_plan(self, draft: Draft) -> None:
        """The hosts of the plan that the submission refers to are known, for a job on several hosts."""
        try:
            hosts = self._planner.check(draft.submission, draft.target, draft.restriction)
        except PlanChanged as error:
            # the difference may name hosts that the principal may not see
            hidden = PlanChanged("The set of agents has changed since the plan. Plan again.")
            draft.refuse(hidden if draft.is_scoped else error, error)
            draft.planned = ()
        else:
            draft.planned = hosts if hosts and draft.target.is_broadcast else None

    def _pin_contents(self, draft: Draft) -> None:
        """The names of packages and objects are replaced by digests; the request is complete, and has its digest."""
        submission, target = draft.submission, draft.target.text
        if submission.target != target:
            submission = replace(submission, target=target)
        draft.submission = submission = draft.work.resolved(submission, self._package_resolver)
        if submission.idempotency_key:
            draft.digest = _digest(submission)

    def _list_hosts(self, draft: Draft) -> None:
        """The hosts are listed where the API finds them, and not the ledger; all are within the principal's scopes."""
        target, restriction = draft.target, draft.restriction
        if draft.planned is not None:
            if restriction is not None:
                restriction.require(target, draft.planned)
            draft.submission = replace(draft.submission, among=draft.planned)
            draft.target = replace(target, kind=TargetKind.PLANNED)
        elif target.kind is TargetKind.HOSTS and not draft.submission.among:
            self._evaluate(draft)
            if restriction is not None:
                restriction.require(target, draft.submission.among)
        elif restriction is not None:
            only = draft.origin.only
            draft.submission, draft.target = self._scope.listed(restriction, draft.submission, target, only)

    def _evaluate(self, draft: Draft) -> None:
        """The hosts that an expression names are listed."""
        is_patient = draft.submission.expires_at is not None
        try:
            resolved = self._targets.resolve(draft.target, draft.origin.job_id, is_patient=is_patient)
        except UnknownTarget as error:
            if draft.restriction is not None and draft.restriction.scopes:
                # the message suggests names of the whole fleet
                raise draft.restriction.unknown(draft.target) from error
            draft.refuse(UnknownTarget(error.message, {TARGET_FIELD: [error.message]}), error)
        else:
            draft.submission = replace(draft.submission, among=resolved.hosts)

    def _keep_within_limits(self, draft: Draft, restriction: Restriction) -> None:
        """The hosts are counted; a job on too many of them waits for an approval."""
        _ = draft.hosts  # raises before they are counted
        draft.submission, draft.target, draft.charges = self._scope.within_radius(
            restriction, draft.submission, draft.target, draft.origin.only
        )

    def _signed(self, draft: Draft) -> NewJob:
        """The job with its signed document."""
        submission, origin, target, hosts = draft.submission, draft.origin, draft.target, draft.hosts
        is_idempotent = draft.work.run.is_idempotent
        document = self._signer.sign(
            origin.job_id,
            {**document_of(submission), **_trace()},
            now=time.time_ns() // 1000,
            idempotent=is_idempotent,
            # the document lists the hosts of an expression already, as `among`
            only=origin.only if target.is_listed else hosts,
        )
        return NewJob(
            origin.job_id,
            document,
            submission,
            target,
            is_idempotent,
            draft.digest,
            hosts,
            origin.audit_entry,
            submission.principal.identity,
            draft.unmatched,
            waits_for_offline=draft.is_patient,
            fire=origin.fire,
            key_scope=concurrency_scope.of(submission.concurrency, draft.restriction),
            charges=draft.charges,
        )


def parse_target(text: str) -> Target:
    """The target; raises ``InvalidTarget``, which names the field."""
    try:
        return targets.parsed(text)
    except InvalidTarget as error:  # the field is named as for an unknown target
        raise InvalidTarget(error.message, {TARGET_FIELD: [error.message]}) from error


def _complete(draft: Draft) -> None:
    """The submission has what it implies: a deadline, a title.

    These are not in the digest: the same request may be repeated later, and an earlier version may have accepted it
    without a title.
    """
    submission = draft.submission
    draft.is_patient = submission.expires_at is not None
    if submission.rollout is not None and submission.rollout.deadline_seconds is not None:
        submission = replace(submission, expires_at=_deadline(submission, submission.rollout.deadline_seconds))
    if submission.title is None:
        title = _title(draft.work.run.operation, submission.data)
        submission = submission if title is None else replace(submission, title=title)
    draft.submission = submission


def _title(operation: Operation, data: Mapping[str, Any]) -> str | None:
    own = operation.title(data) if operation.title is not None else None
    return own or default_title(data, operation.positional)


def _deadline(submission: Submission, seconds: float) -> int:
    """The time after which no execution of a rollout starts: the earlier one of its own deadline and the job's."""
    begin = max(time.time_ns() // 1000, submission.not_before or 0)
    own = begin + int(seconds * 1_000_000)
    return own if submission.expires_at is None else min(own, submission.expires_at)


def _trace() -> dict[str, Any]:
    """The member of the document that continues a trace; not in the digest, since the request may come in another."""
    carried = tracing.carried()
    return {tracing.MEMBER: carried} if carried else {}


def _digest(submission: Submission) -> str:
    """A digest that identifies a request under one idempotency key; the order of keys is irrelevant."""
    text = json.dumps(document_of(submission), sort_keys=True)
    return hashlib.sha256(f"{submission.priority}|{text}".encode()).hexdigest()
