"""A job's executions for people: one a row, or equal answers together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobqueue.cli.views.answers import Answer, show_first_groups, show_one_answer
from jobqueue.cli.views.hostnames import fold
from jobqueue.cli.views.output import Column, Screen
from jobqueue.cli.views.text import one_line
from jobqueue.model.answers import rank

_COLUMNS = (
    Column("HOSTNAME", uncut=True),
    Column("STATUS", uncut=True),
    Column("ATTEMPT", uncut=True, right=True),
    Column("DURATION", uncut=True),
    Column("CHANGED", uncut=True),
    Column("ERROR", wrap=True),
)
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
    show_first_groups(screen, document["groups"], _show_group, lambda group: int(group["count"]))
    if document["is_least"]:
        screen.line(f"... and answers of other agents: more than {MAX_MERGED} are different.", "dim")


def _show_group(screen: Screen, group: Mapping[str, Any]) -> None:
    left_out = f" and {group['hostnames_left_out']} more" if group["hostnames_left_out"] else ""
    names = f"{one_line(fold(map(str, group['hostnames'])))}{left_out}"
    answer = Answer(
        names, group["status"], changed=group.get("changed"), error=group.get("error"), data=group.get("data")
    )
    show_one_answer(screen, names, group["count"], answer)
