"""Filters for lists of agents."""

from __future__ import annotations

from dataclasses import dataclass

from jobqueue.model.agent import Agent, AgentState

DEFAULT_LIMIT = 1000
MAX_LIMIT = 1000


@dataclass(frozen=True)
class AgentFilter:
    """All conditions must hold.

    ``hostname`` may have stars for any characters (``web*.fra1``). ``labels`` are (key, value), each matching as a
    target does: a value matches its dotted prefixes. ``states``: one of them; ``is_live``: with or without recent
    heartbeats. The list begins after the hostname ``after``.
    """

    hostname: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    states: tuple[AgentState, ...] = ()
    is_live: bool | None = None
    limit: int = DEFAULT_LIMIT
    after: str = ""

    @property
    def is_all(self) -> bool:
        """Whether every agent matches."""
        return not self.hostname and not self.labels and not self.states and self.is_live is None


@dataclass(frozen=True)
class AgentPage:
    """One page, by hostname. ``total`` counts the matches; with ``is_least`` there may be more. ``next_after`` is the
    hostname after which the next page begins, None at the end.
    """

    items: tuple[Agent, ...]
    total: int
    is_least: bool = False
    next_after: str | None = None
