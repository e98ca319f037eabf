"""A front's answer says which cells it lacks; so do the commands that show it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.cli.views.output import complain

#: Hosts of a cell that a line names.
_NAMED = 5


def complain_of_missing_cells(answer: Mapping[str, Any]) -> None:
    """A line on standard error for each cell that did not answer; nothing for the answer of any other API."""
    if not answer.get("partial"):
        return
    for cell in answer.get("cells") or ():
        if cell.get("status") == "unavailable" or cell.get("answered") is False:
            hosts = cell.get("unreachable_hosts") or {}
            names = ", ".join(hosts.get("hostnames", [])[:_NAMED])
            more = ", ..." if hosts.get("total", 0) > _NAMED else ""
            concerned = f" Hosts: {hosts['total']} ({names}{more})." if names else ""
            reason = cell.get("error") or f"Cell {cell.get('cell')} has not answered."
            complain(f"Not complete: {reason}{concerned}")
