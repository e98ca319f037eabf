"""Submits jobs to cells: the parent is stored first, then each cell gets its part."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from jobqueue.errors import (
    Conflict,
    IdempotencyConflict,
    InvalidInput,
    JobQueueError,
    NoLiveAgent,
    RecordChanged,
)
from jobqueue.ledger.parents import Parents
from jobqueue.model.parent import PARENT_TAG, PART_TAG, Parent, Part, PartState
from jobqueue.model.submission import Submission
from jobqueue.operations.registry import Registry
from jobqueue.services import submission_permissions
from jobqueue.services.cells.locating import CellLocator
from jobqueue.services.cells.parts import FIRST_SECONDS, PartRunner
from jobqueue.services.preparation import parse_target

#: Seconds for which a part waits for a cell that does not answer, if the job does not expire earlier. Half of the time
#: for which a cell remembers an idempotency key: a part must not be sent after that, or it could run twice.
PENDING_SECONDS = 43_200
_MOST_TAGS = 62
_COUNTED = "counts over one cell only"
#: Fields of a request that a front refuses, and why.
_REFUSED: Mapping[str, str] = {
    "rollout": f"A rollout {_COUNTED}; submit the job in a cell.",
    "concurrency": f"A concurrency key {_COUNTED}; submit the job in a cell.",
    "plan_hash": "A front makes no plans; leave it out, or submit the job in a cell.",
}


class ParentSubmitter:
    """Accepts jobs for several cells."""

    def __init__(self, parents: Parents, registry: Registry, locator: CellLocator, runner: PartRunner) -> None:
        self._parents = parents
        self._registry = registry
        self._locator = locator
        self._runner = runner

    def submit(
        self, submission: Submission, body: Mapping[str, Any], recorded: AbstractContextManager[Any]
    ) -> tuple[Parent, bool]:
        """The parent, and whether it is an earlier one of the same idempotency key.

        ``body`` is the request as it was sent. The parent is stored inside ``recorded``, together with its audit entry.
        Raises ``PermissionDenied``, ``InvalidInput``, ``IdempotencyConflict``, ``CellUnavailable``; ``Conflict`` if
        every cell has refused its part.
        """
        self._check(submission, body)
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

    def _check(self, submission: Submission, body: Mapping[str, Any]) -> None:
        """Raise what a submission in one cell would raise for the operation, its data and the permissions."""
        for name, sentence in _REFUSED.items():
            if body.get(name) is not None:
                raise InvalidInput.of(name, sentence)
        if not submission.tags.keys().isdisjoint((PARENT_TAG, PART_TAG)) or len(submission.tags) > _MOST_TAGS:
            sentence = f"A front adds the tags {PARENT_TAG} and {PART_TAG}: give at most {_MOST_TAGS} others."
            raise InvalidInput.of("tags", sentence)
        operation = self._registry.get(submission.operation)
        submission.principal.require(operation.permission)
        data = self._registry.validate(submission.operation, dict(submission.data))
        for permission in submission_permissions.needed(self._registry.requested(operation.type, data)):
            submission.principal.require(permission)


def _refusal(parent: Parent) -> JobQueueError:
    reasons = "; ".join(f"{part.cell}: {part.error.rstrip('.')}" for part in parent.parts)
    details = {"cells": {part.cell: part.error for part in parent.parts}}
    if all(part.state is PartState.EMPTY for part in parent.parts):
        return NoLiveAgent(f"No cell has an agent for the job. {reasons}.", details)
    return Conflict(f"Every cell refused the job. {reasons}.", details)
