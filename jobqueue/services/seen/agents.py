"""Agents with permissions on some hosts only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jobqueue.errors import AgentNotFound
from jobqueue.ledger.agents import Agents
from jobqueue.model.agent import Agent, AgentState
from jobqueue.model.agent_filter import AgentFilter, AgentPage
from jobqueue.model.fleet import AgentRow, FleetSummary, summarize
from jobqueue.services.fleet import FleetReader
from jobqueue.services.seen.access import Access
from jobqueue.targets.fleet import Fleet

READ, WRITE = "agent:read", "agent:write"
#: Hostnames that one step of a list compares.
_STEP = 500


class SeenAgents(Agents):
    """The agents on visible hosts. What changes one needs ``agent:write`` on its host; what reads all is refused."""

    def __init__(self, agents: Agents, access: Access) -> None:
        # the same repository, with other methods to read: it holds no state of its own besides its parts
        self.__dict__.update(vars(agents))
        self._access = access

    def page(self, agent_filter: AgentFilter) -> AgentPage:
        """One page of the visible agents, by hostname; ``total`` counts them."""
        if self._access.scope(READ) is None:
            return super().page(agent_filter)
        names = sorted(self._access.hosts(READ))
        matching = [
            host
            for first in range(0, len(names), _STEP)
            for host in self._matching(names[first : first + _STEP], agent_filter)
        ]
        return self._page([host for host in matching if host > agent_filter.after], agent_filter.limit, len(matching))

    def among(self, hostnames: list[str], agent_filter: AgentFilter) -> AgentPage:
        """One page of the visible ones of these hostnames."""
        visible = self._access.scope(READ)
        return super().among(
            hostnames if visible is None else [host for host in hostnames if host in visible], agent_filter
        )

    def get(self, hostname: str) -> Agent:
        """One visible agent; raises ``AgentNotFound``."""
        visible = self._access.scope(READ)
        if visible is not None and hostname not in visible:
            raise AgentNotFound(f"No agent has the hostname {hostname!r}; `jobqueue agent list` shows all.")
        return super().get(hostname)

    def drain(self, hostname: str, reason: str = "") -> AgentState:
        """Drain an agent."""
        self._check(hostname)
        return super().drain(hostname, reason)

    def undrain(self, hostname: str) -> AgentState:
        """Undrain an agent."""
        self._check(hostname)
        return super().undrain(hostname)

    def forget(self, hostname: str) -> None:
        """Forget an agent that is offline."""
        self._check(hostname)
        super().forget(hostname)

    def all(self) -> list[Agent]:
        """All agents, for principals that may read all of them; else refused."""
        if self._access.scope(READ) is None:
            return super().all()
        raise self._access.closed("The list of all agents", READ)

    def _check(self, hostname: str) -> None:
        self.get(hostname)
        self._access.require(WRITE, [hostname])


class SeenFleet(FleetReader):
    """A summary of the visible agents: their number by state."""

    def __init__(self, fleet: Callable[[], Fleet], access: Access, now: Callable[[], int]) -> None:
        self._hosts = fleet
        self._access = access
        self._now = now

    def summary(self) -> FleetSummary:
        """The summary. Work that runs or waits is not counted."""
        visible = self._access.hosts(READ)
        rows = (
            AgentRow(host.hostname, host.live, host.state.value, 0, 0, 0, 0, 0, host.conditions)
            for host in self._hosts().hosts
            if host.hostname in visible
        )
        return replace(summarize(rows, self._now()), backlogs=(), pulses=())
