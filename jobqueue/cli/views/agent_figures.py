"""The figures of an agent in a row of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.cli.views.text import state_of


def agent_figures(agent: Mapping[str, Any]) -> list[Any]:
    """Hostname, status, state, running executions, queue length, and load of the last minute."""
    load = agent.get("load")
    return [
        agent.get("hostname"),
        agent.get("status"),
        state_of(agent),
        agent.get("running"),
        agent.get("queue_length"),
        load[0] if isinstance(load, list) and load else None,
    ]


def conditions(agent: Mapping[str, Any]) -> str:
    """The agent's conditions in one cell."""
    return " ".join(str(name) for name in agent.get("conditions") or ())
