"""The host owner's policy for an agent: enforced on the host, also for signed work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from jobqueue.errors import OperationFailed, OperationNotAllowed
from jobqueue.operations.base import Operation
from jobqueue.operations.context import Context, anything
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.parts import Part, PermittedPart
from jobqueue.operations.process.confinement import Confinement, ResourceLimits
from jobqueue.operations.references import STEP, Lookup, filled, has_reference
from jobqueue.operations.registry import Registry
from jobqueue.operations.requested_run import RequestedRun
from jobqueue.operations.runner import run_operation
from jobqueue.settings import Settings
from workers.agent.guard.policy import Policy


@dataclass(frozen=True)
class Permit:
    """An allowed run: the ``operation`` to run, and the confinement of its processes.

    ``allows(changed)``: whether the run would be allowed with these fields of its data changed. ``parts``: those of the
    operations within its data. ``decide(steps)``: the decision about a step whose data has values of earlier ones; it
    is open until these are known.
    """

    operation: Operation
    confinement: Confinement
    allows: Callable[[Mapping[str, Any]], bool] = field(default=anything, compare=False)
    parts: tuple[Permit, ...] = ()
    decide: Callable[[Lookup], Permit] | None = field(default=None, compare=False)

    @property
    def is_idempotent(self) -> bool:
        """Whether it may be run again where the agent died in the middle."""
        return self.operation.idempotent and all(part.is_idempotent for part in self.parts)

    def means(self) -> dict[str, Any]:
        """The fields of a run's context that depend on the permit."""
        parts = tuple(PermittedPart(part.operation, part._run) for part in self.parts)
        return {"confinement": self.confinement, "allows": self.allows, "parts": parts}

    def _run(self, data: Mapping[str, Any], context: Context) -> Outcome:
        if self.decide is not None:
            if context.steps is None:
                raise OperationNotAllowed("The values of earlier steps are not known here.")
            return self.decide(context.steps)._run(data, context)
        return run_operation(self.operation, data, replace(context, **self.means()))


class OperationGuard:
    """Decides about operations and their data."""

    def __init__(self, policy: Policy, limits: ResourceLimits, environment: tuple[str, ...]) -> None:
        self._policy = policy
        self._limits = limits
        self._environment = environment
        #: The default, used if no rule specifies another.
        self._plain = Confinement("", limits, environment)

    @classmethod
    def open(cls, settings: Settings) -> OperationGuard:
        """The guard of one agent. Raises ``InvalidSettings`` for a policy that cannot be used."""
        limits = ResourceLimits(
            settings.limit_memory_bytes,
            settings.limit_cpu_seconds,
            settings.limit_open_files,
            settings.limit_processes,
        )
        return cls(Policy.load(settings.allow, settings.policy), limits, settings.pass_environment)

    def offered(self, operations: Registry) -> Registry:
        """The operations that this agent may be allowed to run."""
        allowed = (operation for operation in operations if self._policy.may_allow(operation))
        return Registry(allowed, absent=operations.absent)

    def check(
        self, operation: Operation, data: Mapping[str, Any], facts: Mapping[str, Any], steps: Lookup | None = None
    ) -> Permit:
        """Check a run. Raises ``OperationNotAllowed``, and ``OperationFailed`` for unknown facts.

        Arguments are checked as the operation will see them, so references are resolved first: those to facts, and to
        the values of earlier ``steps``.
        """
        arguments = filled(operation, data, facts, steps) if self._policy.rules else data
        allowed, rule = self._policy.decide(operation, arguments)
        if not allowed:
            raise self._not_allowed(operation, by_rule=rule is not None)
        allows = partial(self._allows, operation, arguments)
        if rule is None:
            return Permit(operation, self._plain, allows)
        user = rule.run_as
        limits = rule.limits or ResourceLimits()
        both = {name: value for name, value in vars(limits).items() if value is not None}
        confinement = Confinement(user, replace(self._limits, **both), self._environment)
        if user and operation.needs_agent_user:
            raise OperationNotAllowed(
                f"not allowed on this host: its policy requires {operation.type} to run as {user}, but it can only run "
                "as the agent's own user; run an agent as that user"
            )
        if user and not operation.only_starts_processes:
            # work outside its child processes must run as that user, too
            operation = replace(operation, isolated=True)
        return Permit(operation, confinement, allows)

    def check_run(self, run: RequestedRun, facts: Mapping[str, Any]) -> Permit:
        """Check a run with all of its parts, each as if it came alone; raises as ``check``."""
        permit = self.check(run.operation, run.data, facts)
        parts = []
        for part, operation in run.parts:
            try:
                parts.append(self._check_part(part, operation, facts))
            except (OperationNotAllowed, OperationFailed) as error:
                raise type(error)(f"{part.label}: {error.message}; no step was run") from error
        return replace(permit, parts=tuple(parts)) if parts else permit

    def _check_part(self, part: Part, operation: Operation, facts: Mapping[str, Any]) -> Permit:
        """As ``check``. Data with values of earlier steps is checked with these values, right before it is run."""
        if not self._policy.rules or not has_reference(part.data, (STEP,)):
            return self.check(operation, part.data, facts)
        if not self._policy.may_allow(operation):
            raise self._not_allowed(operation, by_rule=False)
        return Permit(operation, self._plain, decide=partial(self.check, operation, part.data, facts))

    def _not_allowed(self, operation: Operation, *, by_rule: bool) -> OperationNotAllowed:
        subject = f"{operation.type} is denied by its policy" if by_rule else f"{operation.type} with this data"
        if not by_rule and not self._policy.may_allow(operation):
            subject = f"{operation.type} is not in JOBQUEUE_ALLOW"
        return OperationNotAllowed(f"not allowed on this host: {subject}")

    def _allows(self, operation: Operation, data: Mapping[str, Any], changed: Mapping[str, Any]) -> bool:
        return self._policy.decide(operation, {**data, **changed})[0]
