"""Which agents can take a job that needs more than just any of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobqueue.errors import NoLiveAgent
from jobqueue.model.agent import Agent, AgentState
from jobqueue.model.selector import Selector

#: A label that every agent has by itself: its hostname.
HOSTNAME_LABEL = "jobqueue/hostname"
_NAMED = 5


@dataclass(frozen=True)
class Needs:
    """What a job asks of the host that runs it. ``memory`` is in bytes."""

    selectors: tuple[Selector, ...] = ()
    num_cpus: float = 0.0
    memory: int = 0

    @property
    def are_any(self) -> bool:
        """Whether anything is asked for at all."""
        return bool(self.selectors or self.num_cpus or self.memory)

    def fits(self, agent: Agent) -> bool:
        """Whether the agent's host has what is needed, however busy it is."""
        labels = {HOSTNAME_LABEL: agent.hostname, **agent.labels}
        return (
            all(selector.matches(labels) for selector in self.selectors)
            and self.num_cpus <= cpus(agent)
            and self.memory <= memory(agent)
        )


def candidates(agents: Iterable[Agent], operation: str, needs: Needs) -> tuple[str, ...]:
    """Hostnames of the agents that can run ``operation`` now and have what it ``needs``.

    Raises ``NoLiveAgent`` that says what is missing.
    """
    able = [agent for agent in agents if operation in agent.operations]
    fitting = [agent for agent in able if needs.fits(agent)]
    ready = tuple(agent.hostname for agent in fitting if agent.live and agent.state is AgentState.READY)
    if ready:
        return ready
    if fitting:
        names = ", ".join(agent.hostname for agent in fitting[:_NAMED])
        raise NoLiveAgent(f"The agents that fit ({names}) are offline or draining: start or undrain one.")
    raise NoLiveAgent(f"No agent fits: {_wish(needs, able)}. `jobqueue agent list` shows all agents and their labels.")


def cpus(agent: Agent) -> float:
    """How many CPUs the agent's host has; 0 if it did not tell."""
    return _number(agent.facts.get("cpus"))


def memory(agent: Agent) -> float:
    """How many bytes of memory the agent's host has; 0 if it did not tell."""
    found = agent.facts.get("memory")
    return _number(found.get("total") if isinstance(found, dict) else None)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _wish(needs: Needs, able: list[Agent]) -> str:
    wishes = [f"the label {selector.text}" for selector in needs.selectors]
    if needs.num_cpus:
        most = max(map(cpus, able), default=0.0)
        wishes.append(f"{needs.num_cpus:g} CPUs (the most that an agent has is {most:g})")
    if needs.memory:
        most = max(map(memory, able), default=0.0)
        wishes.append(f"{needs.memory} bytes of memory (the most that an agent has is {most:.0f})")
    return f"the job needs {', '.join(wishes)}"
