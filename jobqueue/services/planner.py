"""Plans: what a submission would do, without doing it; and whether it still would when it is submitted."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from jobqueue.errors import PlanChanged, UnknownTarget
from jobqueue.ledger.plans import Plans
from jobqueue.model.job_fields import document_of
from jobqueue.model.principal import Principal
from jobqueue.model.rollout_batches import bounds_of, needs_several_hosts
from jobqueue.model.submission import Submission
from jobqueue.model.target import Target, TargetKind
from jobqueue.operations.registry import Registry
from jobqueue.services import batch_budget, step_conditions, targets
from jobqueue.services.checked_work import checked_work
from jobqueue.services.scopes import outside, unknown
from jobqueue.services.submission_scope import Restriction, SubmissionScope
from jobqueue.services.target_preview import Candidate, TargetPreview, reach
from jobqueue.services.targets import TargetResolver

#: The permission to see which agents there are.
SEE_AGENTS = "agent:read"
#: Follows the hostname of an agent that would skip the operation.
_SKIPS = "!"
_SEED_LENGTH = 16
#: What a check costs, in the steps of a batch's budget: by itself, and for each known agent.
_STEPS_OF_A_CHECK, _STEPS_OF_AN_AGENT = 200, 3


@dataclass(frozen=True)
class Plan:
    """``preview`` says which agents would take the job, skip it, or are left out; ``notes`` name terms of the target
    and of conditions of steps that match nothing. ``permissions``: (permission, whether the principal has it).
    ``awaits_approval``: which limit per job it exceeds, so that it would wait for an approval; empty if none. ``hash``
    identifies the request and the set of agents; a submission that carries it is refused if either has changed.
    ``batches``: the hosts of each batch of a rollout, in their order; None for a job without one.
    """

    operation: str
    preview: TargetPreview
    notes: tuple[str, ...]
    permissions: tuple[tuple[str, bool], ...]
    hash: str
    awaits_approval: str = ""
    batches: tuple[tuple[str, ...], ...] | None = None
    has_canary: bool = False

    @property
    def executions(self) -> int:
        """How many executions the job would have."""
        takes = len(self.preview.takes)
        return min(takes, 1) if self.preview.target.kind is TargetKind.ANY else takes


class Planner:
    """Makes plans, and compares them with the present state."""

    def __init__(
        self,
        resolver: TargetResolver,
        operations: Registry,
        plans: Plans,
        scope: SubmissionScope,
        spread: Callable[[Sequence[str], str], list[str]],
    ) -> None:
        """``spread`` orders hosts so that the values of a label or fact take turns."""
        self._targets = resolver
        self._operations = operations
        self._plans = plans
        self._spread = spread
        self.scope = scope

    def plan(self, submission: Submission) -> Plan:
        """The plan of a submission as of now. Nothing is run or submitted; the plan is kept for an hour.

        Raises ``InvalidInput`` (operation, data, target, rollout); ``PermissionDenied`` without ``agent:read`` on the
        hosts that the target names.
        """
        principal = submission.principal
        principal.require_somewhere(SEE_AGENTS)
        work = checked_work(submission, self._operations.get(submission.operation), self._operations)
        submission = work.typed(submission)
        needed = work.permissions
        target = targets.parsed(submission.target)
        restriction = self.scope.of(principal, needed)
        seed = secrets.token_hex(_SEED_LENGTH // 2)
        preview, notes = self.visible_preview(
            principal,
            target,
            submission.operation,
            seed,
            _among(target, restriction),
            is_patient=_is_patient(submission),
            inner=submission.inner_operations,
        )
        if not preview.is_known:
            sentence = f"No agent matches the target {target.text[:200]!r}.{self._targets.explain(target)}"
            raise UnknownTarget(sentence, {"target_hostname": [sentence]})
        if self.scope.visible(principal) is None:  # the notes suggest names of the whole fleet
            notes = (*notes, *step_conditions.notes(work.run, self._targets.fleet()))
        members, order = _members(preview), self._order(submission, target, preview)
        plan_hash = _hash(submission, target, seed, members, order)
        self._plans.keep(plan_hash, members)
        hosts = [*(agent.hostname for agent in preview.takes), *preview.left_out]
        scopes = {scope.permission: scope for scope in restriction.scopes} if restriction is not None else {}
        permissions = tuple(
            (
                permission,
                principal.may_somewhere(permission)
                and (permission not in scopes or scopes[permission].hosts.issuperset(hosts)),
            )
            for permission in needed
        )
        because = self.scope.excess(restriction, target, hosts) if restriction is not None else ""
        return Plan(
            submission.operation,
            preview,
            notes,
            permissions,
            plan_hash,
            because,
            batches=_batches(submission, order),
            has_canary=submission.rollout is not None and submission.rollout.canary > 0,
        )

    def visible_preview(
        self,
        principal: Principal,
        target: Target,
        operation: str,
        seed: str,
        among: frozenset[str] | None = None,
        *,
        is_patient: bool = False,
        inner: Sequence[str] = (),
    ) -> tuple[TargetPreview, tuple[str, ...]]:
        """As ``preview``; ``_any`` stands for the hosts ``among``, if they are given.

        Raises ``PermissionDenied`` if the principal may not see a host that the target names, or if none is known.
        """
        self.scope.check_jobs(principal, target)
        visible = self.scope.visible(principal)
        if visible is None:
            return self.preview(target, operation, seed, among, is_patient=is_patient, inner=inner)
        if target.kind is TargetKind.ANY:
            among = visible.hosts if among is None else among & visible.hosts
        try:
            preview, _ = self.preview(target, operation, seed, among, is_patient=is_patient, inner=inner)
        except UnknownTarget as error:
            raise unknown(principal, visible, target.text) from error
        hosts = [*(agent.hostname for agent in preview.takes), *preview.left_out]
        if not hosts or (target.kind is TargetKind.HOST and target.text not in visible):
            raise unknown(principal, visible, target.text)
        if any(host not in visible for host in hosts):
            raise outside(principal, visible, hosts, visible)
        return preview, ()  # the notes suggest names of the whole fleet

    def preview(
        self,
        target: Target,
        operation: str,
        seed: str,
        among: frozenset[str] | None = None,
        *,
        is_patient: bool,
        inner: Sequence[str] = (),
    ) -> tuple[TargetPreview, tuple[str, ...]]:
        """The agents that a job with this target would reach, and notes on terms of the target that match nothing.

        ``among``: the hosts that ``_any`` stands for. Raises ``UnknownTarget`` for an expression that names no agent.
        """
        if target.kind is TargetKind.HOSTS:
            resolved = self._targets.resolve(target, seed, is_patient=is_patient)
            named = frozenset(resolved.hosts)
            hosts = resolved.fleet.hosts
            return reach(hosts, operation, target, named, is_patient=is_patient, inner=inner), resolved.notes
        hosts = self._targets.fleet().hosts
        return reach(hosts, operation, target, among, is_patient=is_patient, inner=inner), ()

    def check(self, submission: Submission, target: Target, restriction: Restriction | None = None) -> tuple[str, ...]:
        """The hosts of the plan that the submission refers to, if they are still those that the target names.

        The registry may have been read a moment ago, by another process than the one that planned. So it is read again
        before a plan is refused. ``restriction``: what the submission must keep to. Raises ``PlanChanged`` with the
        difference.
        """
        takes, members, is_same = self._compared(submission, target, restriction)
        if is_same:
            return takes
        planned = self._plans.get(submission.plan_hash or "")
        if planned is not None:
            self._targets.read_again()
            takes, members, is_same = self._compared(submission, target, restriction)
            if is_same:
                return takes
        raise _changed(planned, members)

    def _compared(
        self, submission: Submission, target: Target, restriction: Restriction | None
    ) -> tuple[tuple[str, ...], list[str], bool]:
        """The hosts that take the job now, all members of its plan, and whether that is the one that was given."""
        if (batch := batch_budget.current()) is not None:
            batch.charge(_STEPS_OF_A_CHECK + _STEPS_OF_AN_AGENT * len(self._targets.fleet().hosts))
        planned = submission.plan_hash or ""
        seed = planned[:_SEED_LENGTH]
        takes: tuple[Candidate, ...] = ()
        members: list[str] = []
        order: list[str] = []
        with suppress(UnknownTarget):  # no agent any more
            among = _among(target, restriction)
            visible = self.scope.visible(submission.principal) if target.kind is TargetKind.ANY else None
            if visible is not None:
                among = visible.hosts if among is None else among & visible.hosts
            preview, _ = self.preview(
                target,
                submission.operation,
                seed,
                among,
                is_patient=_is_patient(submission),
                inner=submission.inner_operations,
            )
            takes, members = preview.takes, _members(preview)
            order = self._order(submission, target, preview)
        is_same = _hash(submission, target, seed, members, order) == planned
        return tuple(agent.hostname for agent in takes), members, is_same

    def _order(self, submission: Submission, target: Target, preview: TargetPreview) -> list[str]:
        """The hosts of a rollout in the order of its batches; none for a job without one.

        Raises ``InvalidInput`` for the target of one host.
        """
        rollout = submission.rollout
        if rollout is None:
            return []
        if not target.is_broadcast:
            raise needs_several_hosts(target.text)
        hosts = [agent.hostname for agent in preview.takes]
        return self._spread(hosts, rollout.spread) if rollout.spread is not None else hosts


def _is_patient(submission: Submission) -> bool:
    return submission.expires_at is not None


def _among(target: Target, restriction: Restriction | None) -> frozenset[str] | None:
    """The hosts that ``_any`` stands for."""
    return restriction.hosts if restriction is not None and target.kind is TargetKind.ANY else None


def _members(preview: TargetPreview) -> list[str]:
    """Hostnames of the agents that would take the job, marked if they would skip it."""
    skipping = frozenset(preview.unable)
    return sorted(f"{agent.hostname}{_SKIPS if agent.hostname in skipping else ''}" for agent in preview.takes)


def _batches(submission: Submission, order: Sequence[str]) -> tuple[tuple[str, ...], ...] | None:
    """The hosts of each batch. Raises ``InvalidInput`` for terms that do not fit their number."""
    if submission.rollout is None:
        return None
    if not order:
        return ()
    return tuple(tuple(order[first:end]) for first, end in bounds_of(submission.rollout, len(order)))


def _hash(submission: Submission, target: Target, seed: str, members: Iterable[str], order: Sequence[str] = ()) -> str:
    """The seed of samples, and a digest of the request, the agents and the order of a rollout's hosts."""
    document = document_of(replace(submission, target=target.text))
    document.pop("submitted_by", None)
    text = json.dumps([document, submission.priority, *members, *([list(order)] if order else [])], sort_keys=True)
    return seed + hashlib.sha256(f"{seed}|{text}".encode()).hexdigest()[:32]


def _changed(before: list[str] | None, now: list[str]) -> PlanChanged:
    again = "Plan again, and submit with the new plan_hash."
    if before is None:
        return PlanChanged(f"Unknown plan: it is older than an hour, or plan_hash is wrong. {again}")
    added, removed = sorted(set(now) - set(before)), sorted(set(before) - set(now))
    if not added and not removed:
        return PlanChanged(
            f"The request differs from the one that was planned, or the order of its hosts does. {again}"
        )
    return PlanChanged.of(_plain(added), _plain(removed))


def _plain(members: list[str]) -> list[str]:
    return [f"{name.removesuffix(_SKIPS)} (skips it)" if name.endswith(_SKIPS) else name for name in members]
