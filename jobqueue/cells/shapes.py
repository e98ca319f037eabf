"""What a front reads of a cell's answers, checked: a server in place of a cell may answer anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jobqueue.cells.cell import Cell
from jobqueue.cells.job_list import CellPage
from jobqueue.model.states import JobStatus

Document = dict[str, Any]
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_STATUSES = frozenset(status.value for status in JobStatus)


def job(cell: Cell, document: Any) -> Document:
    """A job. Raises ``CellUnavailable`` for anything else."""
    is_job = (
        isinstance(document, dict)
        and is_job_id(document.get("id"))
        and document.get("status") in _STATUSES
        and all(_is_objects(document.get(name, {})) for name in ("responses", "agent_states"))
        and all(_is_list(document.get(name, []), kind) for name, kind in (("timeline", dict), ("expected_agents", str)))
    )
    if not is_job:
        raise cell.unavailable(f"the server at {cell.url} answered with what is not a job")
    found: Document = document
    return found


def jobs(cell: Cell, document: Mapping[str, Any]) -> list[Document]:
    """The jobs of a list. Raises ``CellUnavailable`` for anything else."""
    items = document.get("items")
    if not isinstance(items, list):
        raise cell.unavailable(f"the server at {cell.url} answered with what is not a list of jobs")
    return [job(cell, item) for item in items]


def job_page(cell: Cell, document: Mapping[str, Any]) -> CellPage:
    """A page of jobs with their cursors. Raises ``CellUnavailable`` for anything else."""
    jobs(cell, document)
    try:
        counts = document.get("status_counts", {})
        if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
            raise ValueError("counts that are not numbers")
        if type(document.get("total_items", 0)) is not int:
            raise ValueError("a total that is not a number")
        return CellPage.of(document)
    except ValueError as error:
        raise cell.unavailable(f"the server at {cell.url} answered with {error}") from error


def agents(cell: Cell, document: Mapping[str, Any]) -> tuple[list[Document], int, str | None]:
    """The agents of a page, the number of all, and the cursor of the next page. Raises ``CellUnavailable``."""
    items, total, following = document.get("agents"), document.get("total"), document.get("next_cursor")
    is_page = isinstance(items, list) and all(
        isinstance(item, dict) and isinstance(item.get("hostname"), str) for item in items
    )
    if not is_page or type(total) is not int or not isinstance(following, str | None):
        raise cell.unavailable(f"the server at {cell.url} answered with what is not a list of agents")
    found: list[Document] = items or []
    return found, total, following


def agent(cell: Cell, hostname: str) -> Document:
    """One agent of a cell. Raises ``NotFound``, ``CellUnavailable``."""
    document = cell.get(f"/agent/{hostname}", holding="hostname")
    if document["hostname"] != hostname:
        raise cell.unavailable(f"the server at {cell.url} answered with what is not the agent {hostname}")
    return document


def is_job_id(value: Any) -> bool:
    """Whether this is the id of a job."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def _is_objects(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(isinstance(item, dict) for item in value.values()))


def _is_list(value: Any, kind: type) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, kind) for item in value))
