"""Which cells a target needs."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from jobqueue.cells import shapes
from jobqueue.cells.cell import Cell
from jobqueue.cells.cells import Cells
from jobqueue.errors import InvalidInput, NoLiveAgent, NotFound, UnknownTarget
from jobqueue.ledger.cell_hosts import CellHosts
from jobqueue.model.target import Target, TargetKind
from jobqueue.targets.nodes import JobHosts, Sample, Stored, walk

_FIELD = "target_hostname"
#: Parts of an expression that mean something else in each cell than over all of them.
_OF_ONE_CELL: Mapping[type, str] = {
    Sample: "a sample would be taken in each cell",
    JobHosts: "the hosts of a job are known to its own cell only",
    Stored: "each cell stores targets of its own",
}


class CellLocator:
    """Finds the cells of a target."""

    def __init__(self, cells: Cells, hosts: CellHosts) -> None:
        self._cells = cells
        self._hosts = hosts

    def cells_of(self, target: Target) -> tuple[str, ...]:
        """The cells that need a part of a job for this target.

        Raises ``InvalidInput`` for a target that has no meaning over several cells, and for a hostname that two cells
        know; ``UnknownTarget``, ``NoLiveAgent``; ``CellUnavailable`` if only a cell that does not answer may know.
        """
        if target.kind is TargetKind.HOST:
            return (self._of_host(target.text),)
        if target.kind is TargetKind.ANY:
            return (self._of_any(),)
        if target.kind is TargetKind.HOSTS:
            _check(target)
        return self._cells.names

    def _of_host(self, hostname: str) -> str:
        answers = self._cells.ask(lambda cell: shapes.agent(cell, hostname))
        live = [cell for cell, agent in answers.answered.items() if agent.get("status") == "live"]
        known = live if len(live) == 1 else list(answers.answered)
        if not known:
            for error in answers.refused.values():
                if not isinstance(error, NotFound):
                    raise error
            known = self._hosts.cells_of(hostname, list(answers.missing))
        if len(known) == 1:
            return known[0]
        if known:
            sentence = f"The cells {', '.join(known)} each have an agent {hostname!r}; submit the job in one of them."
            raise InvalidInput.of(_FIELD, sentence)
        if answers.missing:
            raise answers.not_all(f"No cell that answers knows the host {hostname!r}")
        sentence = f"Unknown host {hostname!r}: no cell has such an agent. `jobqueue agent list` shows all agents."
        raise UnknownTarget(sentence, {_FIELD: [sentence]})

    def _of_any(self) -> str:
        """A cell with live agents, by chance: the more it has, the likelier."""
        answers = self._cells.ask(_live_agents).of_some()
        live = {cell: count for cell, count in answers.answered.items() if count}
        if live:
            return random.choices(list(live), list(live.values()))[0]  # noqa: S311 - no secret
        if answers.missing:
            raise answers.not_all("No cell that answers has a live agent")
        raise NoLiveAgent("No cell has a live agent: start or undrain one.")


def _live_agents(cell: Cell) -> int:
    query: dict[str, Any] = {"limit": 1, "state": "live", "view": "summary"}
    return shapes.agents(cell, cell.get("/agent", query, holding="agents"))[1]


def _check(target: Target) -> None:
    from jobqueue.targets import language  # its parser is part of the extra ``api``

    for node, _ in walk(language.tree(target.text)):
        reason = _OF_ONE_CELL.get(type(node))
        if reason is not None:
            sentence = f"Cannot be used over several cells: {reason}. Submit the job in one of them."
            raise InvalidInput.of(_FIELD, sentence)
