"""The option ``--sort``: the rows of a list by a column."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from jobqueue.cli.views.times import seconds_between
from jobqueue.model.states import FINAL_STATUSES
from jobqueue.sorting import sorted_by

Row = Mapping[str, Any]
_FINAL = frozenset(str(status) for status in FINAL_STATUSES)


def _took(job: Row) -> float | None:
    if job.get("status") not in _FINAL:
        return None
    return seconds_between(job.get("created"), job.get("updated_at"))


def _text(name: str) -> Callable[[Row], str | None]:
    def value(row: Row) -> str | None:
        text = row.get(name)
        return str(text).casefold() if text else None

    return value


JOBS: dict[str, Callable[[Row], Any]] = {
    "created": lambda job: job.get("created"),
    "status": _text("status"),
    "title": lambda job: str(job.get("title") or (job.get("operation") or {}).get("type") or "").casefold(),
    "target": _text("target_hostname"),
    "by": _text("submitted_by"),
    "error": _text("error"),
    "took": _took,
}
AGENTS: dict[str, Callable[[Row], Any]] = {
    "hostname": _text("hostname"),
    "status": _text("status"),
    "state": _text("state"),
    "running": lambda agent: agent.get("running"),
    "queue": lambda agent: agent.get("queue_length"),
    "load": lambda agent: (agent.get("load") or [None])[0],
    "memory": lambda agent: (agent.get("memory") or {}).get("percent"),
    "heartbeat": lambda agent: agent.get("last_heartbeat"),
}


def sort_option(columns: Mapping[str, Any], default: str) -> Callable[[Any], Any]:
    """``--sort COLUMN``, or ``--sort -COLUMN`` for the largest first."""
    return click.option(
        "--sort",
        type=click.Choice([text for name in columns for text in (name, f"-{name}")]),
        metavar="[-]COLUMN",
        help=f"Sort the list by {', '.join(columns)}; -COLUMN: the largest first. Default: {default}.",
    )


def ordered(rows: Iterable[Row], columns: Mapping[str, Callable[[Row], Any]], column: str | None) -> list[Row]:
    """The rows by ``column``, descending after ``-``; rows without a value come last, equal ones stay in order."""
    if column is None:
        return list(rows)
    return sorted_by(rows, columns[column.removeprefix("-")], is_down=column.startswith("-"))
