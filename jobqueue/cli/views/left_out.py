"""The hosts of a target that a job does not run on, for the person who submitted it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from jobqueue.cli.views.text import one_line
from jobqueue.client import ApiError, Client
from jobqueue.errors import InvalidTarget
from jobqueue.model.agent import AgentState
from jobqueue.model.target import ALL, Target, TargetKind, check_hostname

#: Hosts that are named, and that are looked for.
_MOST, _MOST_READ = 5, 100
#: Filters of agents that take no work; no agent passes both.
_NOT_TAKING_WORK = ("offline", "live,Draining,Cordoned")
#: States of agents that do not belong to the fleet: no target means them.
_NO_MEMBERS = (AgentState.PENDING.value, AgentState.REVOKED.value)


def show_left_out(client: Client, job: Mapping[str, Any]) -> None:
    """Print to standard error which hosts of the target were left out: they were offline or drained.

    For hostnames that the target lists, ``_all`` and labels. Of an expression, only the API knows the members.
    """
    if job.get("expires_at") or job.get("needs"):  # such a job waits for offline hosts; the API has chosen one
        return
    text = str(job.get("target_hostname"))
    names = _listed(text)
    if names:
        missing = sorted(names - set(job.get("expected_agents") or ()))
        count = len(missing)
    else:
        labels = _labels(text)
        if labels is None:
            return
        try:
            pages = [
                client.agents(labels=labels, state=state, view="summary", limit=_MOST_READ)
                for state in _NOT_TAKING_WORK
            ]
        except ApiError:  # a caller may not be allowed to see agents; the job is what counts
            return
        agents = [agent for page in pages for agent in page["agents"] if agent["state"] not in _NO_MEMBERS]
        missing = sorted(str(agent["hostname"]) for agent in agents)
        count = len(missing) + sum(max(0, int(page["total"]) - _MOST_READ) for page in pages)
    if count:
        shown = ", ".join(map(one_line, missing[:_MOST]))
        more = f" and {count - _MOST} more" if count > _MOST else ""
        print(f"Left out, as offline or drained: {shown}{more}", file=sys.stderr, flush=True)


def _listed(text: str) -> set[str]:
    """The hostnames, if the target is a list of them; empty if it is anything else."""
    names = [name.strip() for name in text.split(",")]
    if len(names) == 1:
        return set()
    try:
        return {check_hostname(name) for name in names}
    except InvalidTarget:
        return set()


def _labels(text: str) -> list[str] | None:
    """The labels that choose the same agents as the target; None if labels cannot."""
    if text == ALL:
        return []
    try:
        target = Target.parse(text)
    except InvalidTarget:
        return None
    return [text] if target.kind is TargetKind.LABEL and target.is_direct else None
