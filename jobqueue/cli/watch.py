"""Wait for a job before a person's eyes: progress on standard error, so that standard output holds the answer only."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

from jobqueue.cli.output import console
from jobqueue.cli.text import one_line
from jobqueue.client import Client
from jobqueue.model.states import FINAL_STATES

_FINAL = frozenset(state.value for state in FINAL_STATES)


def watch(client: Client, job_id: str, timeout: float | None = None) -> dict[str, Any]:
    """The job once it is final; shows meanwhile how many agents are through, by status."""
    if sys.stderr.isatty():
        return _watch_on_terminal(client, job_id, timeout)
    last = ""

    def report(job: dict[str, Any]) -> None:
        nonlocal last
        text = summary(job)
        if text != last:
            last = text
            print(f"Job {one_line(job_id)}: {text}", file=sys.stderr, flush=True)

    return client.wait(job_id, timeout, on_poll=report)


def summary(job: Mapping[str, Any]) -> str:
    """``"processing, 3 of 5 agents done (completed 2, failed 1, started 2)"``."""
    counts, done, total = _progress(job)
    by_status = ", ".join(f"{one_line(status)} {count}" for status, count in sorted(counts.items()))
    agents = f", {done} of {total} agents done ({by_status})" if total > 1 else ""
    return one_line(job.get("status")) + agents


def _progress(job: Mapping[str, Any]) -> tuple[Counter[str], int, int]:
    """Agents by status, how many are final, how many there are."""
    states: Mapping[str, Any] = job.get("agent_states") or {}
    counts = Counter(str((state or {}).get("status")) for state in states.values())
    done = sum(count for status, count in counts.items() if status in _FINAL)
    return counts, done, max(len(states), len(job.get("expected_agents") or ()), 1)


def _watch_on_terminal(client: Client, job_id: str, timeout: float | None) -> dict[str, Any]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(bar_width=24), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)

        def report(job: dict[str, Any]) -> None:
            _, done, total = _progress(job)
            progress.update(task, description=summary(job), completed=done, total=total)

        return client.wait(job_id, timeout, on_poll=report)
