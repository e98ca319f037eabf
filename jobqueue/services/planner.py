"""Plans: what a submission would do, without doing it; and whether it still would when it is submitted."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from jobqueue.errors import PlanChanged, UnknownTarget
from jobqueue.ledger.plans import Plans
from jobqueue.model.job_fields import document_of
from jobqueue.model.submission import Submission
from jobqueue.model.target import Target, TargetKind
from jobqueue.operations.registry import Registry
from jobqueue.services import submission_permissions, targets
from jobqueue.services.batch_budget import BatchBudget
from jobqueue.services.target_preview import Candidate, TargetPreview, reach
from jobqueue.services.targets import TargetResolver

#: The permission to see which agents there are.
SEE_AGENTS = "agent:read"
#: Stands behind the hostname of an agent that would skip the operation.
_SKIPS = "!"
_SEED_LENGTH = 16
#: What a check costs, in the steps of a batch's budget: by itself, and for each known agent.
_STEPS_OF_A_CHECK, _STEPS_OF_AN_AGENT = 200, 3


@dataclass(frozen=True)
class Plan:
    """``preview`` says which agents would take the job, skip it, or are left out; ``notes`` name terms of the target
    that match nothing. ``permissions``: (permission, whether the principal has it). ``hash`` identifies the request and
    the set of agents; a submission that carries it is refused if either has changed.
    """

    operation: str
    preview: TargetPreview
    notes: tuple[str, ...]
    permissions: tuple[tuple[str, bool], ...]
    hash: str

    @property
    def executions(self) -> int:
        """How many executions the job would have."""
        takes = len(self.preview.takes)
        return min(takes, 1) if self.preview.target.kind is TargetKind.ANY else takes


class Planner:
    """Makes plans, and compares them with the present state."""

    def __init__(self, resolver: TargetResolver, operations: Registry, plans: Plans) -> None:
        self._targets = resolver
        self._operations = operations
        self._plans = plans

    def plan(self, submission: Submission) -> Plan:
        """What the submission would do now. Nothing is run or submitted; the plan is kept for an hour.

        Raises ``InvalidInput`` (operation, data, target), ``PermissionDenied`` without ``agent:read``.
        """
        submission.principal.require(SEE_AGENTS)
        operation = self._operations.get(submission.operation)
        data = self._operations.validate(submission.operation, dict(submission.data))
        permissions = tuple(
            (one, submission.principal.may(one)) for one in submission_permissions.needed(operation.permission, data)
        )
        target = targets.parsed(submission.target)
        seed = secrets.token_hex(_SEED_LENGTH // 2)
        preview, notes = self.preview(target, submission.operation, seed, is_patient=submission.expires_at is not None)
        if not preview.is_known:
            sentence = f"No agent matches the target {target.text[:200]!r}.{self._targets.explain(target)}"
            raise UnknownTarget(sentence, {"target_hostname": [sentence]})
        members = _members(preview)
        plan_hash = _hash(submission, target, seed, members)
        self._plans.keep(plan_hash, members)
        return Plan(submission.operation, preview, notes, permissions, plan_hash)

    def preview(
        self, target: Target, operation: str, seed: str, *, is_patient: bool, batch: BatchBudget | None = None
    ) -> tuple[TargetPreview, tuple[str, ...]]:
        """Where a job with this target would go, and notes on terms of the target that match nothing.

        Raises ``UnknownTarget`` for an expression that names no agent.
        """
        if target.kind is TargetKind.HOSTS:
            resolved = self._targets.resolve(target, seed, is_patient=is_patient, batch=batch)
            among = frozenset(resolved.hosts)
            return reach(resolved.fleet.hosts, operation, target, among, is_patient=is_patient), resolved.notes
        return reach(self._targets.fleet().hosts, operation, target, is_patient=is_patient), ()

    def check(self, submission: Submission, target: Target, batch: BatchBudget | None = None) -> tuple[str, ...]:
        """The hosts of the plan that the submission refers to, if they are still those that the target names.

        Raises ``PlanChanged`` with the difference. A batch is charged for comparing all agents with the target.
        """
        if batch is not None:
            batch.charge(_STEPS_OF_A_CHECK + _STEPS_OF_AN_AGENT * len(self._targets.fleet().hosts))
        planned = submission.plan_hash or ""
        seed = planned[:_SEED_LENGTH]
        takes: tuple[Candidate, ...] = ()
        members: list[str] = []
        with suppress(UnknownTarget):  # no agent any more
            preview, _ = self.preview(
                target, submission.operation, seed, is_patient=submission.expires_at is not None, batch=batch
            )
            takes, members = preview.takes, _members(preview)
        if _hash(submission, target, seed, members) == planned:
            return tuple(agent.hostname for agent in takes)
        raise _changed(self._plans.get(planned), members)


def _members(preview: TargetPreview) -> list[str]:
    """Hostnames of the agents that would take the job, marked if they would skip it."""
    skipping = frozenset(preview.unable)
    return sorted(f"{agent.hostname}{_SKIPS if agent.hostname in skipping else ''}" for agent in preview.takes)


def _hash(submission: Submission, target: Target, seed: str, members: Iterable[str]) -> str:
    """The seed of samples, and a digest of the request and the agents."""
    document = document_of(replace(submission, target=target.text))
    document.pop("submitted_by", None)
    text = json.dumps([document, submission.priority, *members], sort_keys=True)
    return seed + hashlib.sha256(f"{seed}|{text}".encode()).hexdigest()[:32]


def _changed(before: list[str] | None, now: list[str]) -> PlanChanged:
    again = "Plan again, and submit with the new plan_hash."
    if before is None:
        return PlanChanged(f"The plan is not known: it is older than an hour, or plan_hash is wrong. {again}")
    added, removed = sorted(set(now) - set(before)), sorted(set(before) - set(now))
    if not added and not removed:
        return PlanChanged(f"The request differs from the one that was planned. {again}")
    return PlanChanged.of(_plain(added), _plain(removed))


def _plain(members: list[str]) -> list[str]:
    return [f"{name.removesuffix(_SKIPS)} (skips it)" if name.endswith(_SKIPS) else name for name in members]
