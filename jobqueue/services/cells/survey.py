"""Asks cells for their agents, so that a front can name the hosts of a cell that does not answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.cells import shapes
from jobqueue.cells.cell import Cell
from jobqueue.cells.cells import Cells
from jobqueue.ledger.cell_hosts import STEP, CellHosts
from jobqueue.ledger.parents import Parents

#: Agents of one cell that a front looks at, a bound on what a server in place of a cell can make it store.
_MOST_PAGES = 100


class HostSurvey:
    """Notes the hostnames of all cells."""

    def __init__(self, cells: Cells, hosts: CellHosts, parents: Parents) -> None:
        self._cells = cells
        self._hosts = hosts
        self._parents = parents

    def turn(self) -> None:
        """Read the agents of all cells that answer; those of the others stay as they were."""
        at = self._parents.time()
        answers = self._cells.ask(_hostnames)
        for name, hostnames in answers.given.items():
            self._hosts.note(name, hostnames, at)
            self._hosts.drop_before(name, at)


def _hostnames(cell: Cell) -> list[str]:
    hostnames: list[str] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        query: Mapping[str, Any] = {"view": "summary", "limit": STEP, **({"cursor": cursor} if cursor else {})}
        agents, _, cursor = shapes.agents(cell, cell.get("/agent", query, holding="agents"))
        hostnames += [agent["hostname"] for agent in agents]
        if cursor is None:
            break
    return hostnames
