"""Submits jobs to cells: the parent is stored first, then each cell gets its part."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from jobqueue.errors import (
    Conflict,
    IdempotencyConflict,
    InvalidInput,
    JobNotFinal,
    JobQueueError,
    NoLiveAgent,
    NothingToRetry,
    RecordChanged,
)
from jobqueue.ledger.parents import Parents
from jobqueue.model.job_fields import REQUESTED, JobField, Kind
from jobqueue.model.parent import PARENT_TAG, PART_TAG, RETRY_OF, SAVED, Parent, Part, PartState
from jobqueue.model.principal import Principal
from jobqueue.model.submission import Submission
from jobqueue.model.timestamps import to_iso
from jobqueue.operations.registry import Registry
from jobqueue.services import submission_permissions
from jobqueue.services.cells.locating import CellLocator
from jobqueue.services.cells.parts import FIRST_SECONDS, PartRunner
from jobqueue.services.preparation import parse_target

#: Seconds for which a part waits for a cell that does not answer, if the job does not expire earlier. Half of the time
#: for which a cell remembers an idempotency key: a part must not be sent after that, or it could run twice.
PENDING_SECONDS = 43_200
_MOST_TAGS = 62
#: Times in a request, which have passed when it is retried.
_OF_ONE_TIME = frozenset({"not_before", "expires_at"})
#: Jobs of a batch that are sent at the same time: half of the requests that one process may send to a cell.
_AT_A_TIME = 8
_COUNTED = "counts over one cell only"
#: Fields of a request that a front refuses, and why.
_REFUSED: Mapping[str, str] = {
    "rollout": f"A rollout {_COUNTED}; submit the job in a cell.",
    "concurrency": f"A concurrency key {_COUNTED}; submit the job in a cell.",
    "plan_hash": "The plans of a front have no hash; leave it out, or submit the job in a cell.",
}


class ParentSubmitter:
    """Accepts jobs for several cells."""

    def __init__(self, parents: Parents, registry: Registry, locator: CellLocator, runner: PartRunner) -> None:
        self._parents = parents
        self._registry = registry
        self._locator = locator
        self._runner = runner

    def submit_many(self, requests: Sequence[tuple[Submission, Mapping[str, Any]]]) -> list[Parent | JobQueueError]:
        """For each submission with its request the parent, or why it was refused; several at a time."""

        def outcome(request: tuple[Submission, Mapping[str, Any]]) -> Parent | JobQueueError:
            try:
                return self.submit(*request, nullcontext())[0]
            except JobQueueError as error:
                return error

        with ThreadPoolExecutor(_AT_A_TIME, thread_name_prefix="batch") as pool:
            return list(pool.map(outcome, requests))

    def submit(
        self, submission: Submission, body: Mapping[str, Any], recorded: AbstractContextManager[Any]
    ) -> tuple[Parent, bool]:
        """The parent, and whether it is an earlier one of the same idempotency key.

        ``body`` is the request as it was sent. The parent is stored inside ``recorded``, together with its audit entry.
        Raises ``PermissionDenied``, ``InvalidInput``, ``IdempotencyConflict``, ``CellUnavailable``; ``Conflict`` if
        every cell has refused its part.
        """
        self.check(submission, body)
        submission.principal.require(self._registry.get(submission.operation).permission)
        for permission in self.permissions(submission):
            submission.principal.require(permission)
        target = parse_target(submission.target)
        request = {name: value for name, value in body.items() if name not in ("idempotency_key", "target")}
        request["target_hostname"] = target.text
        key = f"{submission.principal.identity} {submission.idempotency_key}" if submission.idempotency_key else ""
        earlier = self._parents.of_key(key) if key else None
        if earlier is None:
            new = Parent(
                id=str(uuid.uuid4()),
                created=(now := self._parents.time()),
                until=min(
                    submission.expires_at or now + PENDING_SECONDS * 1_000_000, now + PENDING_SECONDS * 1_000_000
                ),
                request=request,
                submitted_by=submission.principal.name,
                is_broadcast=target.is_broadcast,
                parts=tuple(Part(cell) for cell in self._locator.cells_of(target)),
                key=key,
            )
            with recorded:
                earlier = self._parents.add(new, FIRST_SECONDS)
            if earlier is new:
                return self._sent(new), False
        if earlier.request != request:
            raise IdempotencyConflict(
                f"The idempotency key {submission.idempotency_key!r} belongs to job {earlier.id}, whose request "
                "differs. Use a new key for a new request.",
                {"job_id": earlier.id},
            )
        return earlier, True

    def retry(
        self, parent: Parent, only: Sequence[str] | None, principal: Principal, recorded: AbstractContextManager[Any]
    ) -> Parent:
        """A new parent that runs the request of an ended one again: in all its cells, or only on the hosts whose
        executions ended in one of the states ``only``.

        A part that its cell never had counts as failed or expired, and is sent as it was. Raises ``JobNotFinal``,
        ``NothingToRetry``, and as ``submit``.
        """
        if parent.is_open:
            raise JobNotFinal(f"Job {parent.id} has not ended; cancel it first, or wait for it.")
        operation = parent.request["operation"]
        run = self._registry.requested(operation["type"], operation.get("data") or {})
        for permission in submission_permissions.needed(run):
            principal.require(permission)
        parts = [part for part in (_again(part, only) for part in parent.parts) if part is not None]
        if not parts:
            raise NothingToRetry(f"Job {parent.id} has no execution that is {', '.join(only or ())}.")
        request = {name: value for name, value in parent.request.items() if name not in _OF_ONE_TIME}
        now = self._parents.time()
        new = Parent(
            id=str(uuid.uuid4()),
            created=now,
            until=now + PENDING_SECONDS * 1_000_000,
            request={**request, RETRY_OF: parent.id},
            submitted_by=principal.name,
            is_broadcast=parent.is_broadcast,
            parts=tuple(parts),
        )
        with recorded:
            self._parents.add(new, FIRST_SECONDS)
        return self._sent(new)

    def _sent(self, parent: Parent) -> Parent:
        """The parent after its first step. Raises ``Conflict`` if every cell has refused its part."""
        sent = self._runner.advance(parent.id) or parent
        if not sent.is_refused:
            return sent
        present, before = self._parents.find(parent.id)
        if present is not None and not present.is_refused:  # another process has moved it
            return present
        try:
            self._parents.remove(sent, before, frees_key=True)
        except RecordChanged:  # another process has moved it: it may have a part after all
            return self._parents.get(parent.id)
        raise _refusal(sent)

    def permissions(self, submission: Submission) -> tuple[str, ...]:
        """The permissions that a submission needs. Raises ``InvalidInput`` for its operation and its data."""
        data = self._registry.validate(submission.operation, dict(submission.data))
        return submission_permissions.needed(self._registry.requested(submission.operation, data))

    def check(self, submission: Submission, body: Mapping[str, Any]) -> None:
        """Raise ``InvalidInput`` for what only a submission in one cell may have."""
        for name, sentence in _REFUSED.items():
            if body.get(name) is not None:
                raise InvalidInput.of(name, sentence)
        if not submission.tags.keys().isdisjoint((PARENT_TAG, PART_TAG)) or len(submission.tags) > _MOST_TAGS:
            sentence = f"A front adds the tags {PARENT_TAG} and {PART_TAG}: give at most {_MOST_TAGS} others."
            raise InvalidInput.of("tags", sentence)


def _again(part: Part, only: Sequence[str] | None) -> Part | None:
    """The part of a retry in the same cell; None if there is nothing to retry."""
    if only is None:
        return None if part.state is PartState.EMPTY else Part(part.cell, target=part.target)
    states = [state.value for state, count in part.counted.items() if count and state.value in only]
    if not states or part.state is PartState.DELETED:
        return None
    hosts = " or ".join(f"job:{part.job_id}.{state}" for state in states) if part.job_id else part.target
    return Part(part.cell, target=hosts)


def request_of(submission: Submission) -> dict[str, Any]:
    """The body of a request for a submission that came in another form, with the saved job that it was made from."""
    fields = {field.shown_as: _written(field, getattr(submission, field.name)) for field in REQUESTED}
    return {
        "operation": {"type": submission.operation, "data": dict(submission.data)},
        "target_hostname": submission.target,
        **{name: value for name, value in fields.items() if value not in (None, {}, [])},
        **({SAVED: dict(submission.saved)} if submission.saved else {}),
    }


def _written(field: JobField, value: Any) -> Any:
    return to_iso(value) if field.kind is Kind.TIME and value else field.document_value(value)


def _refusal(parent: Parent) -> JobQueueError:
    reasons = "; ".join(f"{part.cell}: {part.error.rstrip('.')}" for part in parent.parts)
    details = {"cells": {part.cell: part.error for part in parent.parts}}
    if all(part.state is PartState.EMPTY for part in parent.parts):
        return NoLiveAgent(f"No cell has an agent for the job. {reasons}.", details)
    return Conflict(f"Every cell refused the job. {reasons}.", details)
