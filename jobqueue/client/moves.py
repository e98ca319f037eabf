"""Drains and undrains several agents, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from jobqueue.client.errors import ApiError, Conflict, Unauthorized, Unavailable
from jobqueue.errors import InvalidInput, InvalidTarget
from jobqueue.model.agent import AgentState
from jobqueue.model.target import ALL, ANY, Target, TargetKind

if TYPE_CHECKING:
    from jobqueue.client.client import Client

#: Hosts that one call drains or undrains.
MAX_HOSTS = 1000
DRAINED, UNDRAINED, UNCHANGED, FAILED = "drained", "undrained", "unchanged", "failed"
#: Any operation serves to plan a job that is not submitted: a plan names every host of a target, whatever its state.
_PLANNED = "node.hostname.get"
_REACHED = {
    DRAINED: frozenset({AgentState.DRAINING.value, AgentState.CORDONED.value}),
    UNDRAINED: frozenset({AgentState.READY.value}),
}


@dataclass(frozen=True)
class Move:
    """What became of one agent: ``outcome`` is drained, undrained, unchanged (it was in that state already) or failed.

    ``state`` is that of the agent, ``error`` the reason of a failure; each is empty otherwise.
    """

    hostname: str
    outcome: str
    state: str = ""
    error: str = ""

    @property
    def ok(self) -> bool:
        return self.outcome != FAILED


def target_hosts(client: Client, target: str) -> list[str]:
    """The hosts that a target names now, whatever their states, sorted.

    Raises ``InvalidInput`` for ``_any``, which names no host before a job is submitted.
    """
    if target == ANY:
        raise InvalidInput(
            f"{ANY} names no host before a job is submitted; use {ALL}, a hostname, label or expression."
        )
    try:
        parsed = Target.parse(target)
    except InvalidTarget:
        parsed = Target(TargetKind.HOSTS, target)
    if parsed.kind is TargetKind.HOST:
        return [target]
    if parsed.is_direct:
        labels = [] if parsed.kind is TargetKind.ALL else [target]
        return sorted(agent["hostname"] for agent in client.iter_agents(labels=labels, view="summary"))
    plan = client.plan(_PLANNED, {}, target)
    return sorted({*plan["hosts"], *(agent["hostname"] for agent in plan["left_out"])})


def move_each(client: Client, hostnames: Iterable[str], outcome: str, reason: str = "") -> Iterator[Move]:
    """Drain (for a ``reason``) or undrain (``outcome``) each agent; a refusal by the API is a ``Move`` that failed.

    Raises ``InvalidInput`` for too many hosts, before any is changed; and what means that the following hosts would
    fail as well: ``Unauthorized``, ``Unavailable``, ``ConnectionFailed``.
    """
    names = list(dict.fromkeys(hostnames))
    if len(names) > MAX_HOSTS:
        raise InvalidInput(f"These are {len(names):,} hosts; at most {MAX_HOSTS:,} are {outcome} at once.")
    act = partial(client.drain, reason=reason) if outcome == DRAINED else client.undrain
    return (_move(client, act, name, outcome) for name in names)


def _move(client: Client, act: Callable[[str], dict[str, Any]], hostname: str, outcome: str) -> Move:
    try:
        try:
            return Move(hostname, outcome, str(act(hostname).get("state") or ""))
        except Conflict as error:
            state = str(client.agent(hostname).get("state") or "")
            if state in _REACHED[outcome]:
                return Move(hostname, UNCHANGED, state)
            return Move(hostname, FAILED, state, str(error))
    except (Unauthorized, Unavailable):
        raise
    except ApiError as error:
        return Move(hostname, FAILED, error=str(error))
