"""Pauses of operations, tags, hosts or everything: nothing new, or only so much, starts there."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from jobqueue.errors import InvalidInput, UnknownTarget
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.job import Job
from jobqueue.model.pause import MAX_HOSTS, Pause, PauseKind, check_pause_id
from jobqueue.model.principal import Principal
from jobqueue.model.rate import RATE_RULE, Rate
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ALL, ANY, Target, TargetKind
from jobqueue.operations.registry import Registry
from jobqueue.services.targets import TargetResolver, parsed

_FAMILY = ".*"
#: Hosts of a job that are compared with those of a pause.
_MOST_COMPARED = 1000


@dataclass(frozen=True)
class PauseRequest:
    """A pause to begin; ``until`` is in microseconds, ``rate`` as ``50/s``."""

    kind: PauseKind
    value: str
    reason: str
    until: int | None = None
    rate: str | None = None


@dataclass(frozen=True)
class ActivePause:
    """A pause, and the number of executions that it has kept from starting so far."""

    pause: Pause
    held_back: int


class PauseManager:
    """Begins, lists and ends pauses."""

    def __init__(self, ledger: Ledger, targets: TargetResolver, registry: Registry) -> None:
        self._ledger = ledger
        self._targets = targets
        self._registry = registry

    def all(self) -> list[ActivePause]:
        """The pauses that have not ended, the oldest first."""
        pauses = self.active()
        return [ActivePause(*pair) for pair in zip(pauses, self._ledger.pauses.held_back(pauses), strict=True)]

    def active(self) -> list[Pause]:
        """The same without counts."""
        pauses = self._ledger.pauses.all()
        if not pauses:
            return []
        now = self._ledger.time()
        return [pause for pause in pauses if pause.until is None or pause.until > now]

    def add(self, request: PauseRequest, principal: Principal) -> Pause:
        """Begin a pause; see ``prepared`` for what is refused. Raises ``Conflict`` if there are too many pauses."""
        pause, hosts = self.prepared(request, principal)
        self._ledger.pauses.add(pause, hosts)
        return pause

    def prepared(self, request: PauseRequest, principal: Principal) -> tuple[Pause, tuple[str, ...]]:
        """The pause that is wanted, and its hosts if it is one of a target. It has not begun.

        The hosts of a target are fixed now. Raises ``InvalidInput`` (also ``UnknownTarget``, ``UnknownOperation``).
        """
        reason = request.reason.strip()
        if not reason:
            raise InvalidInput.of("reason", "Give a reason; users whose jobs wait see it.")
        now = self._ledger.time()
        if request.until is not None and request.until <= now:
            raise InvalidInput.of("until", "Must be in the future; leave it out for a pause without an end.")
        rate = None if request.rate is None else Rate.parse(request.rate)
        if request.rate is not None and rate is None:
            raise InvalidInput.of("rate", RATE_RULE)
        kind, value = request.kind, request.value
        hosts: tuple[str, ...] = ()
        if kind is PauseKind.OPERATION:
            self._check_operation(value)
        elif kind is PauseKind.TARGET:
            target = self._target(value)
            value = target.text
            if target.kind is TargetKind.ALL:
                kind, value = PauseKind.EVERYTHING, ""
            else:
                hosts = self._hosts(target)
        return (
            Pause(secrets.token_hex(4), kind, value, reason, request.until, now, principal.name, len(hosts), rate),
            hosts,
        )

    def end(self, pause_id: str) -> None:
        """End a pause: what it held back starts, in its former order. Raises ``PauseNotFound``."""
        self._ledger.pauses.end(check_pause_id(pause_id))

    def of_job(self, job: Job) -> list[Pause]:
        """The pauses that keep executions of this job from starting."""
        waiting = [execution for execution in job.executions if execution.state is ExecutionState.SUBMITTED]
        if job.status.is_final or not (waiting or job.left_out):
            return []
        tags = frozenset(f"{key}:{value}" for key, value in job.tags.items())
        hosts = [x.slot for x in waiting[:_MOST_COMPARED] if x.slot != ANY]
        active = self.active()
        of_hosts = self._ledger.pauses.of_hosts([pause for pause in active if pause.kind is PauseKind.TARGET], hosts)
        return [
            pause for pause in active if pause.id in of_hosts or pause.holds(job.operation, tags, job.inner_operations)
        ]

    def _check_operation(self, name: str) -> None:
        if not name.endswith(_FAMILY):
            self._registry.get(name)
        elif not any(type_.startswith(name[:-1]) for type_ in self._registry.types()):
            raise InvalidInput.of(
                "operation", f"No operation begins with {name[:-1]!r}; see `jobqueue operation list`."
            )

    def _target(self, text: str) -> Target:
        target = parsed(text)
        if target.kind is TargetKind.ANY:
            raise InvalidInput.of("target", f"{ANY} names no hosts; pause {ALL}, hosts, labels or an expression.")
        return target

    def _hosts(self, target: Target) -> tuple[str, ...]:
        hosts = self._targets.resolve(Target(TargetKind.HOSTS, target.text), target.text, is_patient=True).hosts
        if not hosts:
            raise UnknownTarget(f"No agent matches the target {target.text[:200]!r}.")
        if len(hosts) > MAX_HOSTS:
            raise InvalidInput.of(
                "target", f"Names {len(hosts)} hosts; at most {MAX_HOSTS} are allowed. Pause everything instead."
            )
        return hosts
