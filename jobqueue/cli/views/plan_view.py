"""A plan as text: who would take a job, and who would not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.cli.views.missing_cells import complain_of_missing_cells
from jobqueue.cli.views.output import Screen
from jobqueue.cli.views.text import one_line
from jobqueue.model.target import ANY

#: Hosts that are named without ``--full``.
_MOST = 20
#: Batches that are shown without ``--full``, and hosts of each of them.
_MOST_BATCHES, _MOST_OF_A_BATCH = 10, 5


def show_plan(out: Screen, plan: Mapping[str, Any], *, as_json: bool) -> None:
    """Print an answer of ``POST /job/plan``."""
    if as_json:
        out.json(plan)
        return
    hosts, skips = plan.get("hosts") or [], plan.get("skips") or []
    target = one_line(plan.get("target_hostname"))
    hosts_text = f"one of {len(hosts)} agents" if target == ANY else f"{len(hosts)} agents"
    out.line(f"{one_line(plan.get('operation'))} on {target}: {hosts_text}; nothing was submitted")
    _names(out, "takes it", hosts)
    _names(out, "skips it (operation not supported)", skips)
    left_out = plan.get("left_out") or []
    for host in left_out if out.full else left_out[:_MOST]:
        out.line(f"  left out: {one_line(host.get('hostname'))}, {one_line(host.get('reason'))}")
    if len(left_out) > _MOST and not out.full:
        out.line(f"  left out: {len(left_out) - _MOST} more (--full)")
    _batches(out, plan.get("batches") or [])
    for note in plan.get("notes") or ():
        out.line(f"  note: {one_line(note)}")
    for permission in plan.get("permissions") or ():
        if not permission.get("granted"):
            out.line(f"  refused: you lack the permission {one_line(permission.get('permission'))}")
    if plan.get("awaits_approval"):
        out.line(f"  would wait for an approval: {one_line(plan['awaits_approval'])}")
    complain_of_missing_cells(plan)
    for cell in plan.get("cells") or ():
        if cell.get("status") == "refused":
            out.line(f"  refused: {one_line(cell.get('error'))}")
    if plan.get("plan_hash"):
        out.line(f"  plan hash: {one_line(plan['plan_hash'])}")


def _batches(out: Screen, batches: list[Mapping[str, Any]]) -> None:
    shown = batches if out.full else batches[:_MOST_BATCHES]
    for batch in shown:
        names = list(map(one_line, batch.get("hostnames") or ()))
        named = names if out.full else names[:_MOST_OF_A_BATCH]
        more = f" and {len(names) - len(named)} more" if len(names) > len(named) else ""
        kind = " (canary)" if batch.get("is_canary") else ""
        size = batch.get("hosts")
        hosts = "1 host" if size == 1 else f"{size} hosts"
        out.line(f"  batch {batch.get('number')}{kind}: {hosts}: {', '.join(named)}{more}")
    if len(batches) > len(shown):
        out.line(f"  {len(batches) - len(shown)} more batches (--full)")


def _names(out: Screen, word: str, hosts: list[Any]) -> None:
    shown = hosts if out.full else hosts[:_MOST]
    if shown:
        more = f" and {len(hosts) - len(shown)} more (--full)" if len(hosts) > len(shown) else ""
        out.line(f"  {word}: {', '.join(map(one_line, shown))}{more}")
