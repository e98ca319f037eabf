"""Jobs that run again: how many hosts that touches, and whether the caller means it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from jobqueue.cli.views.text import one_line
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ANY, HOSTNAME_PATTERN

_ONE_HOST = re.compile(HOSTNAME_PATTERN)


def confirm_again(job: Mapping[str, Any], target: str | None, only: Sequence[str], *, yes: bool) -> None:
    """Ask before a job runs again on several hosts, or where it has completed.

    Without a terminal to ask on, raises ``UsageError`` that names ``--yes``; if the answer is no, ends the command
    with exit code 1.
    """
    reason = None if yes else _reason(job, target, only)
    if reason is None:
        return
    sentence = f"Job {one_line(job.get('id'))} ({one_line((job.get('operation') or {}).get('type'))}) {reason}."
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(f"{sentence} Add --yes to run it again.")
    click.confirm(f"{sentence} Run it again?", abort=True, err=True)


def _reason(job: Mapping[str, Any], target: str | None, only: Sequence[str]) -> str | None:
    """Why the caller is asked; None if only a single host is touched, and the job has not completed there."""
    if target is not None and target != job.get("target_hostname"):
        is_one = target == ANY or _ONE_HOST.fullmatch(target)
        return None if is_one else f"will run on every host of {one_line(target)}"
    states = [str(state.get("status")) for state in (job.get("agent_states") or {}).values()]
    if only:
        count = sum(state in only for state in states)
        return f"will run again on {count} hosts" if count > 1 else None
    completed = states.count(ExecutionState.COMPLETED.value)
    if len(states) > 1:
        done = f", of which {completed} have completed it" if completed else ""
        return f"will run again on {len(states)} hosts{done}"
    return "has completed" if completed else None
