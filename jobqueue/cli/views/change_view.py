"""Differences between two documents as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobqueue.cli.views.output import Screen, screen
from jobqueue.cli.views.text import one_line, visible
from jobqueue.model.changes import Change

#: By the first sign of a line: the status whose colour it has.
_STYLES = {"-": "failed", "+": "completed"}


def show_stored(label: str, done: Mapping[str, Any], record: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the changes by storing a record with versions, real or planned. ``label`` is its name as users write it."""
    out = screen()
    if as_json:
        out.json(done)
        return
    note = " (dry run; nothing was stored)" if done.get("dry_run") else ""
    out.line(f"{one_line(label)}  {one_line(done['change'])}, version {record['version']}{note}")
    show_changes(out, done["changes"])


def show_changes(out: Screen, changes: Iterable[Mapping[str, Any]]) -> None:
    """Print the fields that differ, as the API lists them."""
    for change in changes:
        for line in Change(str(change["field"]), change["before"], change["after"]).lines():
            out.line(f"  {visible(line)}", _STYLES.get(line.lstrip(" ")[:1], ""))
