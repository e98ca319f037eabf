"""Differences between two documents as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from jobqueue.cli.views.output import Screen
from jobqueue.cli.views.text import visible
from jobqueue.model.changes import Change

#: By the first sign of a line: the status whose colour it has.
_STYLES = {"-": "failed", "+": "completed"}


def show_changes(out: Screen, changes: Iterable[Mapping[str, Any]]) -> None:
    """Print the fields that differ, as the API lists them."""
    for change in changes:
        for line in Change(str(change["field"]), change["before"], change["after"]).lines():
            out.line(f"  {visible(line)}", _STYLES.get(line.lstrip(" ")[:1], ""))
