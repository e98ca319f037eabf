"""Workflows and their runs on a screen."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from jobqueue.cli.views.output import Column, Screen
from jobqueue.cli.views.text import one_line

NODE_COLUMNS = (
    Column("NODE", uncut=True),
    Column("RUNS", wrap=True),
    Column("TARGET", wrap=True),
    Column("NEEDS", wrap=True),
    Column("WHEN", uncut=True),
)
RUN_COLUMNS = (
    Column("RUN", uncut=True),
    Column("WORKFLOW"),
    Column("VERSION", right=True),
    Column("STATUS", uncut=True),
    Column("CREATED", uncut=True),
    Column("STARTED BY"),
)
_STATE_COLUMNS = (
    Column("NODE", uncut=True),
    Column("STATE", uncut=True),
    Column("JOB", uncut=True),
    Column("STARTED", uncut=True),
    Column("ENDED", uncut=True),
    Column("NEEDS", wrap=True),
    Column("REASON", wrap=True),
)


def node_row(node: Mapping[str, Any]) -> list[Any]:
    """A node of a definition."""
    saved, operation = node.get("saved"), node.get("operation") or {}
    return [
        node.get("name"),
        f"@{saved}" if saved else operation.get("type"),
        node.get("target_hostname"),
        ", ".join(map(one_line, node.get("needs") or ())),
        node.get("when"),
    ]


def run_row(out: Screen, run: Mapping[str, Any]) -> list[Any]:
    """A run in a list."""
    return [
        out.id(run.get("id")),
        run.get("workflow"),
        run.get("version"),
        run.get("status"),
        out.when(run.get("created")),
        run.get("started_by"),
    ]


def show_run(out: Screen, run: Mapping[str, Any]) -> None:
    """A run and the state of each node, those that have begun first in the order in which they did."""
    out.fields(
        [
            ("Run", run.get("id")),
            ("Workflow", f"{one_line(run.get('workflow'))}, version {one_line(run.get('version'))}"),
            ("Status", run.get("status")),
            ("Created", f"{out.when(run.get('created'))} by {one_line(run.get('started_by'))}"),
            ("Ended", out.when(run.get("ended")) if run.get("ended") else None),
            ("Cancelled by", run.get("cancelled_by") or None),
        ]
    )
    out.table(
        _STATE_COLUMNS,
        [
            [
                node.get("name"),
                node.get("state"),
                out.id(node.get("job_id")),
                out.when(node.get("started")),
                out.when(node.get("ended")),
                _needs(node),
                node.get("reason"),
            ]
            for node in run.get("nodes") or ()
        ],
    )


class NodeNews:
    """Prints a line on standard error for each node whose state has changed."""

    def __init__(self) -> None:
        self._states: dict[str, tuple[Any, Any]] = {}

    def __call__(self, run: Mapping[str, Any]) -> None:
        for node in run.get("nodes") or ():
            name = one_line(node.get("name"))
            state = (node.get("state"), node.get("attempt"))
            if state == self._states.get(name) or (name not in self._states and node.get("state") == "waiting"):
                continue
            self._states[name] = state
            job = f"  job {one_line(node['job_id'])}" if node.get("job_id") else ""
            reason = f"  {one_line(node['reason'])}" if node.get("reason") else ""
            print(f"{name}  {one_line(node.get('state'))}{job}{reason}", file=sys.stderr, flush=True)


def _needs(node: Mapping[str, Any]) -> str:
    names = ", ".join(map(one_line, node.get("needs") or ()))
    when = node.get("when")
    return f"{names} ({one_line(when)})" if names and when != "success" else names
