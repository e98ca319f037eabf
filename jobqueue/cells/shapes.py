"""What a front reads of a cell's answers, checked: a server in place of a cell may answer anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jobqueue.cells.cell import Cell
from jobqueue.cells.job_list import CellPage
from jobqueue.model.states import JobStatus
from jobqueue.model.target import HOSTNAME_PATTERN

Document = dict[str, Any]
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HOSTNAME = re.compile(HOSTNAME_PATTERN)
_STATUSES = frozenset(status.value for status in JobStatus)
#: Lists of a job, and of what.
_LISTS = (("timeline", dict), ("expected_agents", str), ("retried_as", str))
#: The largest count: adding those of all cells, or choosing by them, must not overflow a float.
_LARGEST = 2**53


def job(cell: Cell, document: Any, job_id: str = "") -> Document:
    """A job, the one with ``job_id`` if that is given. Raises ``CellUnavailable`` for anything else."""
    is_job = (
        isinstance(document, dict)
        and is_job_id(document.get("id"))
        and job_id in ("", document["id"])
        and is_status(document.get("status"))
        and all(_is_objects(document.get(name, {})) for name in ("responses", "agent_states"))
        and all(_is_list(document.get(name, []), kind) for name, kind in _LISTS)
        and all(_is_count(document.get(name) or 0) for name in ("attempts", "executions_left_out"))
    )
    if not is_job:
        raise cell.unavailable(f"the server at {cell.url} answered with something other than a job")
    checked: Document = document
    return checked


def operation(cell: Cell, job: Document) -> Document:
    """The operation of a job: its type, and its data. Raises ``CellUnavailable`` for anything else."""
    run = job.get("operation")
    if isinstance(run, dict) and isinstance(run.get("type"), str) and isinstance(run.get("data"), dict):
        return run
    raise cell.unavailable(f"the server at {cell.url} answered with a job without an operation")


def jobs(cell: Cell, document: Mapping[str, Any]) -> list[Document]:
    """The jobs of a list. Raises ``CellUnavailable`` for anything else."""
    items = document.get("items")
    if not isinstance(items, list):
        raise cell.unavailable(f"the server at {cell.url} answered with something other than a list of jobs")
    return [job(cell, item) for item in items]


def total(cell: Cell, document: Mapping[str, Any]) -> int:
    """The number of all jobs of a list. Raises ``CellUnavailable`` for anything else."""
    count = document.get("total_items")
    if not isinstance(count, int) or not _is_count(count):
        raise cell.unavailable(f"the server at {cell.url} answered with a total that is not a number")
    return count


def job_page(cell: Cell, document: Mapping[str, Any]) -> CellPage:
    """A page of jobs with their cursors. Raises ``CellUnavailable`` for anything else."""
    jobs(cell, document)
    try:
        counts = document.get("status_counts", {})
        if not isinstance(counts, dict) or not all(map(_is_count, counts.values())):
            raise ValueError("counts that are not numbers")
        if not _is_count(document.get("total_items", 0)):
            raise ValueError("a total that is not a number")
        return CellPage.of(document)
    except ValueError as error:
        raise cell.unavailable(f"the server at {cell.url} answered with {error}") from error


def agents(cell: Cell, document: Mapping[str, Any]) -> tuple[list[Document], int, str | None]:
    """The agents of a page, the number of all, and the cursor of the next page. Raises ``CellUnavailable``."""
    items, total, following = document.get("agents"), document.get("total"), document.get("next_cursor")
    is_page = isinstance(items, list) and all(
        isinstance(item, dict) and _is_hostname(item.get("hostname")) for item in items
    )
    if not is_page or not _is_count(total) or not isinstance(following, str | None):
        raise cell.unavailable(f"the server at {cell.url} answered with something other than a list of agents")
    return items or [], total or 0, following


def agent(cell: Cell, hostname: str) -> Document:
    """One agent of a cell. Raises ``NotFound``, ``CellUnavailable``."""
    document = cell.get(f"/agent/{hostname}", holding="hostname")
    if document["hostname"] != hostname:
        raise cell.unavailable(f"the server at {cell.url} answered with something other than the agent {hostname}")
    return document


def plan(cell: Cell, document: Any) -> Document:
    """A plan. Raises ``CellUnavailable`` for anything else."""
    is_plan = (
        isinstance(document, dict)
        and _is_count(document.get("executions"))
        and all(_is_list(document.get(name), str) for name in ("hosts", "skips", "notes"))
        and _is_list(document.get("left_out"), dict)
    )
    if not is_plan:
        raise cell.unavailable(f"the server at {cell.url} answered with something other than a plan")
    checked: Document = document
    return checked


def is_job_id(value: Any) -> bool:
    """Whether this is the id of a job."""
    return isinstance(value, str) and _UUID.fullmatch(value) is not None


def is_status(value: Any) -> bool:
    """Whether this is the status of a job."""
    return isinstance(value, str) and value in _STATUSES


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST


def _is_hostname(value: Any) -> bool:
    return isinstance(value, str) and _HOSTNAME.fullmatch(value) is not None


def _is_objects(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and all(isinstance(item, dict) for item in value.values()))


def _is_list(value: Any, kind: type) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, kind) for item in value))
