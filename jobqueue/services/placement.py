"""Finds the agents that can take a job with needs."""

from __future__ import annotations

from collections.abc import Iterable

from jobqueue.model.agent import Agent, AgentState
from jobqueue.model.needs import Needs


def candidates(agents: Iterable[Agent], operation: str, needs: Needs) -> tuple[str, ...]:
    """Hostnames of the agents that take work, support ``operation`` and meet ``needs``."""
    return tuple(
        agent.hostname
        for agent in agents
        if agent.live and agent.state is AgentState.READY and operation in agent.operations and _fits(agent, needs)
    )


def _fits(agent: Agent, needs: Needs) -> bool:
    memory = agent.facts.get("memory")
    total = memory.get("total") if isinstance(memory, dict) else None
    return needs.fit(agent.hostname, agent.labels, agent.facts.get("cpus"), total)
