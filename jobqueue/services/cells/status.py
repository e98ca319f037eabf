"""How the cells are, and which hosts those concern that do not answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from jobqueue.cells.cells import Answers, Cells
from jobqueue.errors import JobQueueError, NotFound
from jobqueue.ledger.cell_hosts import CellHosts
from jobqueue.ledger.parents import Parents

#: Hostnames of a cell that does not answer in an answer about something else, and pending parts that a cell names.
NAMED = 20

Document = dict[str, Any]


class CellStatus:
    """Sections about cells in the answers of a front."""

    def __init__(self, cells: Cells, hosts: CellHosts, parents: Parents) -> None:
        self._cells = cells
        self._hosts = hosts
        self._parents = parents

    def sections(self, answers: Answers[Any], names: Iterable[str] | None = None) -> list[Document]:
        """For each cell that was asked, by default all, whether it answered; of those that did not, why, and the hosts
        that it had.
        """
        errors = answers.errors
        return [self._section(name, errors.get(name)) for name in (self._cells.names if names is None else names)]

    def all(self) -> list[Document]:
        """All cells: address, state, number of agents as last known, pending parts."""
        answers = self._cells.ask(lambda cell: cell.get("/health", holding="status"))
        agents, pending = self._hosts.counts(self._cells.names), self._parents.pending(self._cells.names, 0)
        return [
            {
                **section,
                "url": self._cells.by_name[section["cell"]].url,
                "agents": agents[section["cell"]],
                "parts_pending": pending[section["cell"]][1],
            }
            for section in self.sections(answers)
        ]

    def one(self, name: str, first: int, limit: int) -> Document:
        """One cell with a page of its hostnames, as it last named them. Raises ``NotFound``."""
        if name not in self._cells.by_name:
            raise NotFound(f"There is no cell {name[:80]!r}; there are {', '.join(self._cells.names)}.")
        answers = self._cells.ask(lambda cell: cell.get("/health", holding="status"), [name])
        hostnames, total = self._hosts.page(name, first, limit)
        following = first + len(hostnames)
        section = self._section(name, answers.errors.get(name))
        return {
            **section,
            "url": self._cells.by_name[name].url,
            "agents": total,
            "parts_pending": self._parents.pending([name], 0)[name][1],
            "hostnames": hostnames,
            "next_cursor": str(following) if hostnames and following < total else None,
        }

    def pending(self) -> list[Document]:
        """The cells that have not confirmed parts: how many, and the newest-known parents of some."""
        pending = self._parents.pending(self._cells.names, NAMED)
        return [
            {"cell": name, "parts": count, "job_ids": parents} for name, (parents, count) in pending.items() if count
        ]

    def _section(self, name: str, error: JobQueueError | None) -> Document:
        if error is None:
            return {"cell": name, "status": "ok", "error": None, "unreachable_hosts": None}
        hostnames, total = self._hosts.page(name, 0, NAMED)
        return {
            "cell": name,
            "status": "unavailable",
            "error": error.message,
            "unreachable_hosts": {"total": total, "hostnames": hostnames},
        }
