"""Previews which agents a job would go to, before it is submitted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobqueue.model.agent import Agent, AgentState
from jobqueue.model.target import Target, TargetKind


@dataclass(frozen=True)
class TargetPreview:
    """``takes``: the agents that would run the job now (for ``_any``: one of them). ``left_out``: hostname -> reason.

    ``unable`` are the agents among ``takes`` that do not support the operation: they would skip it. The ledger decides
    again when the job is submitted; this is its present decision.
    """

    target: Target
    takes: tuple[Agent, ...]
    left_out: dict[str, str]
    unable: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Whether the target matches a known agent."""
        return bool(self.takes or self.left_out)


def reach(agents: Iterable[Agent], operation: str, target: Target) -> TargetPreview:
    """Where a job with this target would go. ``operation`` may be empty: then any agent can run it."""
    takes: list[Agent] = []
    left_out: dict[str, str] = {}
    for agent in agents:
        if not target.includes(agent.hostname, agent.labels):
            continue
        reason = _reason(agent, operation, target)
        if reason:
            left_out[agent.hostname] = reason
        else:
            takes.append(agent)
    unable = tuple(agent.hostname for agent in takes if operation and operation not in agent.operations)
    return TargetPreview(target, tuple(takes), left_out, unable)


def _reason(agent: Agent, operation: str, target: Target) -> str:
    """Why the agent is left out; empty if it is not."""
    if agent.state is not AgentState.READY:
        return f"takes no new work ({agent.state.value})"
    if not agent.live and target.kind is not TargetKind.HOST:
        return "offline"
    if target.kind is TargetKind.ANY and operation and operation not in agent.operations:
        return f"does not support {operation}"
    return ""
