"""Previews which agents a job would go to, before it is submitted."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from jobqueue.model.agent import AgentState
from jobqueue.model.target import Target, TargetKind


class Candidate(Protocol):
    """An agent, as far as a preview needs it."""

    @property
    def hostname(self) -> str: ...
    @property
    def live(self) -> bool: ...
    @property
    def state(self) -> AgentState: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def operations(self) -> Container[str]: ...


@dataclass(frozen=True)
class TargetPreview:
    """``takes``: the agents that would run the job now (for ``_any``: one of them). ``left_out``: hostname -> reason.

    ``unable`` are the agents among ``takes`` that do not support the operation: they would skip it. The ledger decides
    again when the job is submitted; this is its present decision.
    """

    target: Target
    takes: tuple[Candidate, ...]
    left_out: dict[str, str]
    unable: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the target matches a known agent."""
        return bool(self.takes or self.left_out)


def reach(
    agents: Iterable[Candidate],
    operation: str,
    target: Target,
    among: Container[str] | None = None,
    *,
    is_patient: bool = False,
    inner: Sequence[str] = (),
) -> TargetPreview:
    """The agents that a job with this target would reach. ``operation`` may be empty: then any agent can run it.
    ``inner``: the operations within its data, which an agent must support as well.

    ``among`` are the hosts that the target names, if it is an expression. ``is_patient``: the job has a deadline, and
    waits for agents that are offline.
    """
    needed = ([operation] if operation else []) + list(inner)
    takes: list[Candidate] = []
    left_out: dict[str, str] = {}
    for agent in agents:
        if among is not None and agent.hostname not in among:
            continue
        if not target.includes(agent.hostname, agent.labels):
            continue
        reason = _reason(agent, needed, target, is_patient=is_patient)
        if reason:
            left_out[agent.hostname] = reason
        else:
            takes.append(agent)
    if target.kind is TargetKind.ANY and any(agent.live for agent in takes):
        for agent in (agent for agent in takes if not agent.live):  # waited for only if no other can take the job
            left_out[agent.hostname] = "offline"
        takes = [agent for agent in takes if agent.live]
    unable = tuple(agent.hostname for agent in takes if _missing(agent, needed))
    return TargetPreview(target, tuple(takes), left_out, unable)


def _missing(agent: Candidate, operations: Sequence[str]) -> str:
    """The first of these operations that the agent does not support; empty if it supports all."""
    return next((operation for operation in operations if operation not in agent.operations), "")


def _reason(agent: Candidate, operations: Sequence[str], target: Target, *, is_patient: bool) -> str:
    """Why the agent is left out; empty if it is not."""
    if agent.state is not AgentState.READY:
        return f"takes no new work ({agent.state.value})"
    if not agent.live and not is_patient and target.kind is not TargetKind.HOST:
        return "offline"
    if target.kind is TargetKind.ANY and (operation := _missing(agent, operations)):
        return f"does not support {operation}"
    return ""
