"""Submits jobs: checks the request, stores it, and has it published."""

from __future__ import annotations

import hashlib
import json
import logging
import time
import uuid
from dataclasses import replace
from typing import Any

from jobqueue import tracing
from jobqueue.dispatch.sender import Sender
from jobqueue.errors import InvalidTarget, JobQueueError, LedgerUnavailable, NothingToRetry, UnknownOperation
from jobqueue.ledger.executions import Due
from jobqueue.ledger.jobs import Jobs, NewJob, Stored
from jobqueue.model.audit import AuditEntry
from jobqueue.model.job_fields import document_of
from jobqueue.model.submission import Accepted, Submission
from jobqueue.model.target import Target
from jobqueue.model.title import default_title
from jobqueue.operations.registry import Registry
from jobqueue.services.packages import PackageResolver
from jobqueue.trust.secrets.reference import has_secret
from jobqueue.trust.signing.work import WorkSigner

#: The permission for every submission, besides that of its operation.
SUBMIT = "job:write"
#: The additional permission for submissions that name secrets: even an operation that changes nothing, such as a DNS
#: look-up, could leak a secret.
USE_SECRETS = "secret:use"
#: Maximum number of jobs of a batch with an unknown operation for which similar names are suggested: each takes 0.2 ms.
_MOST_COMPARED = 20

logger = logging.getLogger(__name__)


class JobSubmitter:
    """Accepts submissions into the ledger."""

    def __init__(
        self, jobs: Jobs, sender: Sender, operations: Registry, signer: WorkSigner, pinning: PackageResolver
    ) -> None:
        self._jobs = jobs
        self._sender = sender
        self._operations = operations
        self._signer = signer
        self._pinning = pinning

    def one(
        self,
        submission: Submission,
        *,
        only: tuple[str, ...] = (),
        job_id: str | None = None,
        deed: AuditEntry | None = None,
    ) -> Accepted:
        """Accept one job. ``job_id`` is a new UUID, for a caller who must know it beforehand. ``deed`` is written to
        the audit trail together with the job; without one, the caller writes its own entry.

        Raises ``PermissionDenied`` unless its principal may submit jobs and run this operation; ``InvalidInput``
        (operation, data, target), ``NoLiveAgent``, ``IdempotencyConflict``.
        """
        new = self._prepare(submission, only, job_id, deed)
        stored = self._jobs.create(new, self._sender.template)
        self._send([(new, stored)])
        return stored.accepted

    def many(self, submissions: list[Submission]) -> list[Accepted | JobQueueError]:
        """Accept as many jobs as possible in one round trip; answers come in order, refusals as errors."""
        answers: list[Accepted | JobQueueError | None] = []
        new: list[NewJob] = []
        unknown = 0
        for submission in submissions:
            try:
                new.append(self._prepare(submission, compares=unknown < _MOST_COMPARED))
                answers.append(None)
            except JobQueueError as error:
                unknown += isinstance(error, UnknownOperation)
                answers.append(error)
        outcomes = self._jobs.create_many(new, self._sender.template)
        self._send([(job, stored) for job, stored in zip(new, outcomes, strict=True) if isinstance(stored, Stored)])
        results = iter(outcomes)
        for place, answer in enumerate(answers):
            if answer is None:
                outcome = next(results)
                answers[place] = outcome.accepted if isinstance(outcome, Stored) else outcome
        return [answer for answer in answers if answer is not None]

    def _prepare(
        self,
        submission: Submission,
        only: tuple[str, ...] = (),
        job_id: str | None = None,
        deed: AuditEntry | None = None,
        *,
        compares: bool = True,
    ) -> NewJob:
        submission.principal.require(SUBMIT)
        target = _target(submission.target)
        operation = self._operations.get(submission.operation, compares=compares)
        submission.principal.require(operation.permission)
        data = self._operations.validate(submission.operation, dict(submission.data))
        if has_secret(data):
            submission.principal.require(USE_SECRETS)
        if operation.prepare is not None:
            data = operation.prepare(data, self._pinning)
        submission = replace(submission, data=data)
        document = document_of(submission)
        digest = _digest(submission, document) if submission.idempotency_key else ""
        title = default_title(data, operation.positional) if submission.title is None else None
        if title is not None:  # not in the digest: an earlier version may have accepted the same request without it
            submission = replace(submission, title=title)
            document["title"] = title
        carried = tracing.carried()
        if carried:  # not in the digest: the same request may come again under another trace
            document[tracing.MEMBER] = carried
        job_id, hosts = job_id or str(uuid.uuid4()), _within(only, submission.among)
        text = self._signer.sign(
            job_id, document, now=time.time_ns() // 1000, idempotent=operation.idempotent, only=hosts
        )
        who = submission.principal.identity
        return NewJob(job_id, text, submission, target, operation.idempotent, digest, hosts, deed, who)

    def _send(self, stored: list[tuple[NewJob, Stored]]) -> None:
        try:
            self._sender.send(
                Due(new.id, slot, new.submission.priority, 1) for new, outcome in stored for slot in outcome.unsent
            )
        except LedgerUnavailable as error:
            # the jobs are accepted: an error now would make callers submit them twice; maintenance sends them again
            logger.warning("The broker refused the messages of %d jobs, which wait: %s", len(stored), error)


def _target(text: str) -> Target:
    try:
        return Target.parse(text)
    except InvalidTarget as error:  # the field is named as for an unknown target
        raise InvalidTarget(error.message, {"target_hostname": [error.message]}) from error


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
