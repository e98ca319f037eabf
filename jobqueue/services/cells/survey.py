"""Asks cells for their agents, so that a front can name the hosts of a cell that does not answer."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

from jobqueue.cells import shapes
from jobqueue.cells.cell import Cell
from jobqueue.cells.cells import Cells
from jobqueue.ledger.cell_hosts import STEP, CellHosts
from jobqueue.ledger.parents import Parents

#: Agents of one cell that a front looks at, a bound on what a server in place of a cell can make it store.
_MOST_PAGES = 100
#: Seconds between two surveys, and those after which another process takes over from one that has ended.
SURVEY_SECONDS, LEASE_SECONDS = 30.0, 45.0


class HostSurvey:
    """Notes the hostnames of all cells. Of the processes of a front, one does at a time."""

    def __init__(self, cells: Cells, hosts: CellHosts, parents: Parents) -> None:
        self._cells = cells
        self._hosts = hosts
        self._parents = parents
        self._me = secrets.token_hex(8)

    def turn(self) -> float:
        """Survey the cells, unless another process does; returns the seconds until the next survey."""
        if self._hosts.leads_survey(self._me, LEASE_SECONDS):
            self._survey()
        return SURVEY_SECONDS

    def _survey(self) -> None:
        """Read the agents of all cells that answer; those of the others stay as they were."""
        at = self._parents.time()
        cursors: dict[str, str | None] = dict.fromkeys(self._cells.names)
        for _ in range(_MOST_PAGES):
            # page by page, as a cell has the time limit of one answer for each
            answers = self._cells.ask(partial(_page, cursors), list(cursors))
            following: dict[str, str | None] = {}
            for name, (hostnames, cursor) in answers.answered.items():
                self._hosts.note(name, hostnames, at)
                if cursor is None:
                    self._hosts.drop_before(name, at)
                else:
                    following[name] = cursor
            cursors = following
            # a large fleet takes longer than the lease
            if not cursors or not self._hosts.leads_survey(self._me, LEASE_SECONDS):
                return
        for name in cursors:
            self._hosts.drop_before(name, at)

    def close(self) -> None:
        """Leave the surveys to another process."""
        self._hosts.end_survey(self._me)


def _page(cursors: Mapping[str, str | None], cell: Cell) -> tuple[list[str], str | None]:
    """The hostnames of a cell's page, and the cursor of the next one."""
    cursor = cursors[cell.name]
    query: Mapping[str, Any] = {"view": "summary", "limit": STEP, **({"cursor": cursor} if cursor else {})}
    agents, _, following = shapes.agents(cell, cell.get("/agent", query, holding="agents"))
    return [agent["hostname"] for agent in agents], following
