"""A job's executions for people: one a row, or equal answers together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobqueue.cli.views.hostnames import fold
from jobqueue.cli.views.output import Column, Screen
from jobqueue.cli.views.text import lines, one_line
from jobqueue.model.answers import rank

_COLUMNS = (
    Column("HOSTNAME", uncut=True),
    Column("STATUS", uncut=True),
    Column("ATTEMPT", uncut=True, right=True),
    Column("DURATION", uncut=True),
    Column("CHANGED", uncut=True),
    Column("ERROR", wrap=True),
)
#: On a terminal, without --full: more groups or lines than this are cut.
_GROUPS = 20
_LINES = 40
#: Different answers that are merged over all pages of groups; those of any more are only counted.
MAX_MERGED = 1000


def show_executions(screen: Screen, executions: Iterable[Mapping[str, Any]]) -> None:
    """A table with one execution a row."""
    names = ("hostname", "status", "attempt", "duration", "changed", "error")
    screen.table(_COLUMNS, [[execution.get(name) for name in names] for execution in executions])


def merged(pages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """All pages of groups as one document: groups with the same key are one.

    ``is_least`` if there are more different answers than ``MAX_MERGED``; the executions of the others are then missing.
    """
    groups: dict[str, dict[str, Any]] = {}
    document: dict[str, Any] = {}
    is_least = False
    for page in pages:
        document = dict(page)
        for group in page["groups"]:
            earlier = groups.get(group["key"])
            if earlier is not None:
                earlier["count"] += group["count"]
                earlier["hostnames"] += group["hostnames"]
                earlier["hostnames_left_out"] += group["hostnames_left_out"]
            elif len(groups) < MAX_MERGED:
                groups[group["key"]] = dict(group)
            else:
                is_least = True
    ordered = sorted(groups.values(), key=lambda group: (rank(group["status"]), -group["count"]))
    return document | {"groups": ordered, "is_least": is_least, "next_cursor": None}


def show_groups(screen: Screen, document: Mapping[str, Any]) -> None:
    """Each different answer once, under the names of those that gave it."""
    groups = document["groups"]
    limit = len(groups) if screen.full else _GROUPS
    for group in groups[:limit]:
        _show_group(screen, group)
    if len(groups) > limit:
        rest = sum(group["count"] for group in groups[limit:])
        screen.line(f"... {len(groups) - limit} more different answers from {rest} agents; --full shows them.", "dim")
    if document["is_least"]:
        screen.line(f"... and answers of other agents: more than {MAX_MERGED} are different.", "dim")


def _show_group(screen: Screen, group: Mapping[str, Any]) -> None:
    count = f" ({group['count']} agents)" if group["count"] > 1 else ""
    more = f" and {group['hostnames_left_out']} more" if group["hostnames_left_out"] else ""
    changed = ", changed" if group.get("changed") else ""
    names = one_line(fold(map(str, group["hostnames"])))
    screen.line(f"{names}{more}{count}: {one_line(group['status'])}{changed}", group["status"])
    if group.get("error"):
        screen.line(f"  {one_line(group['error'])}")
    if group.get("data") is None:
        return
    body = lines(group["data"])
    limit = len(body) if screen.full else _LINES
    for line in body[:limit]:
        screen.line(f"  {line}".rstrip())
    if len(body) > limit:
        screen.line(f"  ... {len(body) - limit} more lines; --full shows them.", "dim")
