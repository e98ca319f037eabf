"""Reads, lists, cancels and deletes jobs over several cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from jobqueue.cells import job_list, job_merge, list_position, log_stream, shapes
from jobqueue.cells.cell import Cell
from jobqueue.cells.cells import Answers, Cells
from jobqueue.cells.job_list import CellPage
from jobqueue.errors import (
    AgentNotFound,
    Conflict,
    InvalidInput,
    JobFinal,
    JobNotFinal,
    JobNotFound,
    NotFound,
    NotServedByFront,
)
from jobqueue.ledger.parents import Parents
from jobqueue.model.parent import Parent, PartState
from jobqueue.model.principal import Principal
from jobqueue.operations.registry import Registry
from jobqueue.services import submission_permissions
from jobqueue.services.cells.parts import PartRunner, listed
from jobqueue.services.cells.status import CellStatus
from jobqueue.services.jobs import DELETE

Document = dict[str, Any]
#: The parameter of a list that asks for the cursor of each job.
_CURSORS = "cursors"


class CellJobs:
    """The jobs of all cells: parents, their parts, and the jobs that were submitted in a cell itself."""

    def __init__(
        self, parents: Parents, cells: Cells, registry: Registry, runner: PartRunner, status: CellStatus
    ) -> None:
        self._parents = parents
        self._cells = cells
        self._registry = registry
        self._runner = runner
        self._status = status

    def get(self, job_id: str) -> Document:
        """A parent, merged from its parts; or the job of a cell, with the cell's name.

        Raises ``JobNotFound``; ``CellUnavailable`` if only a cell that does not answer may know.
        """
        parent, _ = self._parents.find(job_id)
        if parent is None:
            cell, document = self.locate(job_id)
            return job_list.shown(cell, document)
        answers = self._documents(parent)
        document = job_merge.job_document(parent, answers.answered)
        errors = answers.errors
        for section in document["cells"]:
            if section["cell"] in errors:
                section["error"] = errors[section["cell"]].message
        return document

    def page(self, query: Mapping[str, Any], cursor: str | None, limit: int) -> Document:
        """One page of the jobs of all cells, newest first. ``query``: the filters, as the cells take them."""
        of = [f"{name}={query[name]}" for name in sorted(query)]
        before = list_position.read(cursor, of, self._cells.names)

        def ask(cell: Cell) -> tuple[CellPage, Document]:
            position = before.get(cell.name)
            # a list that has ended is asked for its counts
            page_query = {"limit": 1} if position == list_position.END else {"limit": limit, "cursor": position}
            sent = {
                name: value for name, value in {**query, **page_query, _CURSORS: "true"}.items() if value is not None
            }
            try:
                document = cell.get("/job", sent, holding="items")
            except InvalidInput as error:
                if _CURSORS in (error.details or {}):  # which no caller gives
                    raise cell.unavailable(f"the jobqueue at {cell.url} is too old for a front; upgrade it") from error
                raise
            return shapes.job_page(cell, document), document

        answers = self._cells.ask(ask).of_some()
        pages = {name: page for name, (page, _) in answers.answered.items() if before.get(name) != list_position.END}
        merged = job_list.merge(pages, before, limit)
        return {
            **job_list.totals({name: document for name, (_, document) in answers.answered.items()}),
            "items": list(merged.items),
            "next_cursor": None if merged.positions is None else list_position.show(merged.positions, of),
            "partial": bool(answers.missing),
            "cells": self._status.sections(answers),
            "pending": self._status.pending(),
        }

    def executions(self, job_id: str, query: Mapping[str, Any], cursor: str | None) -> Document:
        """One page of executions: cell by cell, in each by hostname. Raises as ``get``."""
        parent, _ = self._parents.find(job_id)
        if parent is None:
            cell, _ = self.locate(job_id)
            sent = {**query, **({"cursor": cursor} if cursor else {})}
            return self._cells.by_name[cell].get(f"/job/{job_id}/executions", sent, holding="next_cursor")
        parts = {part.cell: part for part in parent.parts if part.job_id and part.cell in self._cells.by_name}
        if "group" in query and len(parts) > 1:
            raise NotServedByFront("A front does not group the executions of several cells; leave out group.")
        of = [job_id, *(f"{name}={query[name]}" for name in sorted(query))]
        positions = list_position.read(cursor, of, parts)
        documents = self._summaries(parent)
        unfinished = [cell for cell in sorted(parts) if positions.get(cell) != list_position.END]
        page: Document = {"items": [], "next_cursor": None}
        if unfinished:
            cell, position = unfinished[0], positions.get(unfinished[0])
            sent = {**query, **({"cursor": position} if position else {})}
            path = f"/job/{parts[cell].job_id}/executions"
            page = self._cells.by_name[cell].get(path, sent, holding="next_cursor")
            following = page["next_cursor"]
            positions[cell] = list_position.END if following is None else str(following)
            if following is not None or len(unfinished) > 1:
                page["next_cursor"] = list_position.show(positions, of)
        counts = job_merge.execution_counts(parent, documents)
        return {
            **page,
            "job_id": parent.id,
            "status": job_merge.status(parent, documents),
            "execution_counts": counts,
            "total": _total(counts, query.get("state")),
            "partial": job_merge.is_partial(parent, documents),
        }

    def cancel(self, job_id: str, by: str) -> Document:
        """Cancel a parent in all its cells, or the job of a cell; the job as it is then.

        A part whose cell does not answer is cancelled when it does. Raises ``JobFinal``, and as ``get``.
        """
        parent, _ = self._parents.find(job_id)
        if parent is None:
            cell, _ = self.locate(job_id)
            return {**_object(self._cells.by_name[cell], f"/job/{job_id}/cancel"), "cell": cell}
        if not parent.is_open:
            raise JobFinal
        self._runner.change(job_id, lambda present: replace(present, cancelled_by=present.cancelled_by or by))
        self._runner.advance(job_id)
        return self.get(job_id)

    def delete(self, job_id: str, principal: Principal) -> None:
        """Delete a parent that has ended with its parts, or the job of a cell.

        Raises ``PermissionDenied`` unless the principal submitted the parent or may delete the jobs of others: a cell
        knows the front only. Raises ``JobNotFinal``, and as ``get``; if a cell does not answer, the parent stays.
        """
        parent, _ = self._parents.find(job_id)
        if parent is None or parent.submitted_by != principal.name:
            principal.require(DELETE)
        if parent is None:
            cell, _ = self.locate(job_id)
            self._cells.by_name[cell].request("DELETE", f"/job/{job_id}")
            return
        self._runner.advance(job_id)
        parent, before = self._parents.find(job_id)
        if parent is None:
            raise JobNotFound.of(job_id)
        if parent.is_open:
            raise JobNotFinal
        jobs = self._created(parent)
        answers = self._cells.ask(lambda cell: _delete(cell, jobs[cell.name]), jobs)
        for error in [*answers.refused.values(), *answers.missing.values()]:
            raise error
        self._parents.remove(parent, before)

    def logs(self, job_id: str, query: Mapping[str, Any]) -> Any:
        """The output of a job with one part, or of one of its hosts, as its cell answers.

        Raises as ``retry``, besides the permissions.
        """
        cell, path = self._part_with_output(job_id, query)
        return cell.request("GET", path, query=_in_cell(query))

    def follow_logs(self, job_id: str, query: Mapping[str, Any], last_id: str) -> Iterator[log_stream.Passed | None]:
        """The output of a job with one part, or of one of its hosts, as it comes. Raises as ``logs``."""
        cell, path = self._part_with_output(job_id, query)
        return log_stream.follow(cell, path, _in_cell(query), last_id)

    def retry(self, job_id: str, body: Any, principal: Principal) -> Any:
        """Submit a job with one part again, in its cell; its cell's answer.

        Raises ``PermissionDenied`` unless the principal might submit the job: its cell knows the front only.
        ``NotServedByFront`` for a rollout; else as ``get``. For a job of several cells see ``ParentSubmitter.retry``.
        """
        cell, path = self._only_part(job_id, "/retry")
        job = shapes.job(cell, cell.get(path.removesuffix("/retry"), holding="operation"))
        if job.get("rollout") is not None:  # its verification has permissions of its own
            raise NotServedByFront(f"A front does not retry rollouts; send the request to the cell: {cell.url}{path}")
        operation = shapes.operation(cell, job)
        for permission in submission_permissions.needed(self._registry.requested(operation["type"], operation["data"])):
            principal.require(permission)
        return cell.request("POST", path, body=body)

    def parent_of_several(self, job_id: str) -> Parent | None:
        """The parent with this id, if it has several parts, as it is now."""
        parent, _ = self._parents.find(job_id)
        if parent is None or len(parent.parts) < 2:
            return None
        return (self._runner.advance(job_id) or parent) if parent.is_open else parent

    def _part_with_output(self, job_id: str, query: Mapping[str, Any]) -> tuple[Cell, str]:
        """The one cell that has a job, or the host that ``query`` names, and the path to its output there."""
        parent, _ = self._parents.find(job_id)
        hostname, _, named = str(query.get("hostname") or "").partition(job_merge.AT)
        if parent is None or len(parent.parts) == 1 or not hostname:
            return self._only_part(job_id, "/logs")
        jobs = self._created(parent)
        cells = [cell for cell in jobs if named in ("", cell)]
        # the page of one host begins with its state, which tells whether it is there
        sought = {"hostname": hostname, "offset": query.get("offset", 0)}
        answers = self._cells.ask(lambda cell: cell.get(f"/job/{jobs[cell.name]}/logs", sought), cells)
        for name in answers.holders(f"No cell that answers has output of {hostname!r}"):
            return self._cells.by_name[name], f"/job/{jobs[name]}/logs"
        raise AgentNotFound(f"Job {job_id} has no execution on {hostname!r}, or it has not been opened yet.")

    def _only_part(self, job_id: str, path: str) -> tuple[Cell, str]:
        """The one cell that has a job, or its only part, and the path there. Raises as ``retry``."""
        parent, _ = self._parents.find(job_id)
        if parent is None:
            cell, _ = self.locate(job_id)
            return self._cells.by_name[cell], f"/job/{job_id}{path}"
        parts = [part for part in parent.parts if part.job_id and part.cell in self._cells.by_name]
        if len(parent.parts) == 1 and parts:
            return self._cells.by_name[parts[0].cell], f"/job/{parts[0].job_id}{path}"
        if not parts:
            raise Conflict(f"No cell has a part of job {job_id} yet; `cells` in GET /job/{job_id} shows why.")
        addresses = ", ".join(f"{self._cells.by_name[part.cell].url}/job/{part.job_id}{path}" for part in parts[:10])
        raise NotServedByFront(f"The job has parts in several cells; send the request to each: {addresses}")

    def locate(self, job_id: str) -> tuple[str, Document]:
        """The cell that has a job, and the job. Raises as ``get``."""
        answers = self._cells.ask(lambda cell: _job(cell, job_id))
        for name, document in answers.holders(f"No cell that answers has the job {job_id}").items():
            return name, document
        raise JobNotFound.of(job_id)

    def _documents(self, parent: Parent) -> Answers[Document]:
        """The jobs of the parts, of the cells that answer."""
        jobs = self._created(parent)
        return self._cells.ask(lambda cell: _job(cell, jobs[cell.name]), jobs)

    def _summaries(self, parent: Parent) -> dict[str, Document]:
        """The jobs of the parts without their executions, of the cells that answer."""
        jobs = self._created(parent)
        answers = self._cells.ask(lambda cell: listed(cell, parent, jobs[cell.name]), jobs)
        return {name: document for name, document in answers.answered.items() if document is not None}

    def _created(self, parent: Parent) -> dict[str, str]:
        """The ids of the jobs of created parts, by cell."""
        return {
            part.cell: part.job_id
            for part in parent.parts
            if part.job_id and part.state is PartState.CREATED and part.cell in self._cells.by_name
        }


def _in_cell(query: Mapping[str, Any]) -> dict[str, Any]:
    """A query for output as the cell takes it, to which a hostname is its own."""
    hostname = query.get("hostname")
    return {**query, **({"hostname": str(hostname).partition(job_merge.AT)[0]} if hostname else {})}


def _job(cell: Cell, job_id: str) -> Document:
    return shapes.job(cell, cell.get(f"/job/{job_id}", holding="id"), job_id)


def _object(cell: Cell, path: str) -> Document:
    return shapes.job(cell, cell.request("POST", path))


def _delete(cell: Cell, job_id: str) -> bool:
    """Whether the cell had the job: an earlier attempt, or another caller, may have deleted it."""
    try:
        cell.request("DELETE", f"/job/{job_id}")
    except NotFound:
        return False
    return True


def _total(counts: Mapping[str, int], states: str | None) -> int:
    names = None if states is None else {name.strip() for name in states.split(",")}
    return sum(count for state, count in counts.items() if names is None or state in names)
