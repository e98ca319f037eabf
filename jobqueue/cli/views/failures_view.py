"""Recent failures on a screen: one row for each group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.cli.views.hostnames import fold
from jobqueue.cli.views.output import Column, Screen

_COLUMNS = (
    Column("FAILED", uncut=True, right=True),
    Column("LAST", uncut=True),
    Column("OPERATION", least=16),
    Column("ERROR", least=20),
    Column("HOSTS", least=12),
    Column("NEWEST JOB", uncut=True),
)


def show_failures(screen: Screen, failures: Mapping[str, Any]) -> None:
    """The groups of ``GET /failure``."""
    groups = failures["items"]
    if not groups:
        screen.line("Nothing failed.")
        return
    screen.table(_COLUMNS, [_row(screen, group) for group in groups])
    if not failures["complete"]:
        screen.line("There are more failures than were examined; choose a shorter time with --within.", "dim")


def _row(screen: Screen, group: Mapping[str, Any]) -> tuple[Any, ...]:
    hosts, unnamed = fold(group["hosts"]), group["host_count"] - len(group["hosts"])
    return (
        group["executions"],
        screen.when(group["last"]),
        group["title"] or group["operation"],
        group["error"],
        f"{hosts} and {unnamed} more" if unnamed > 0 else hosts,
        screen.id(group["job_ids"][0]),
    )
