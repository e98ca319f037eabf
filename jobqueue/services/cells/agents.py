"""The agents of all cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.cells import list_position, shapes
from jobqueue.cells.cell import Cell
from jobqueue.cells.cells import Cells
from jobqueue.errors import AgentNotFound, InvalidInput
from jobqueue.services.cells.status import CellStatus

Document = dict[str, Any]


class CellAgents:
    """Lists agents cell by cell."""

    def __init__(self, cells: Cells, status: CellStatus) -> None:
        self._cells = cells
        self._status = status

    def page(self, query: Mapping[str, Any], cursor: str | None, limit: int, cell_name: str | None = None) -> Document:
        """One page of agents: cell by cell, in each by hostname. ``query``: the filters, as the cells take them.

        ``cell_name``: only the agents of this cell. Raises ``InvalidInput`` for one that there is not.
        """
        if cell_name is not None and cell_name not in self._cells.by_name:
            names = ", ".join(self._cells.names)
            raise InvalidInput.of("cell", f"There is no cell {cell_name[:80]!r}; there are {names}.")
        asked = self._cells.names if cell_name is None else (cell_name,)
        of = ["agents", *(f"{name}={query[name]}" for name in sorted(query)), *asked]
        positions = list_position.read(cursor, of, asked)

        def ask(cell: Cell) -> tuple[list[Document], int, str | None]:
            position = positions.get(cell.name)
            # a list that has ended is asked for its number of agents
            page_query: Document = {"limit": 1} if position == list_position.END else {"limit": limit}
            if position:
                page_query["cursor"] = position
            return shapes.agents(cell, cell.get("/agent", {**query, **page_query}, holding="agents"))

        answers = self._cells.ask(ask, asked).of_some()
        shown: list[Document] = []
        # a cell that does not answer keeps its position: its agents follow if it answers a later page
        for name, (agents, _, following) in answers.answered.items():
            if positions.get(name) == list_position.END:
                continue
            if shown and len(shown) + len(agents) > limit:
                break
            shown += [{**agent, "cell": name} for agent in agents]
            positions[name] = list_position.END if following is None else following
            if following is not None:
                break
        is_end = all(positions.get(name) == list_position.END for name in answers.answered)
        return {
            "agents": shown,
            "total": sum(total for _, total, _ in answers.answered.values()),
            "is_least": bool(answers.missing),
            "next_cursor": None if is_end else list_position.show(positions, of),
            "partial": bool(answers.missing),
            "cells": self._status.sections(answers, asked),
        }

    def get(self, hostname: str) -> Document:
        """One agent, with its cell; of a hostname that several cells know, the live one.

        Raises ``AgentNotFound``; ``CellUnavailable`` if only a cell that does not answer may know.
        """
        answers = self._cells.ask(lambda cell: shapes.agent(cell, hostname))
        agents = answers.holders(f"No cell that answers knows the agent {hostname!r}")
        live_first = sorted(agents.items(), key=lambda item: item[1].get("status") != "live")
        if live_first:
            return {**live_first[0][1], "cell": live_first[0][0]}
        raise AgentNotFound(f"No cell has an agent {hostname!r}; `jobqueue agent list` shows all.")
