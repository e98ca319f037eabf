"""Why a job does not start yet, for a person who waits for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from jobqueue.cli.views.text import one_line
from jobqueue.client import ApiError, Client
from jobqueue.model.states import JobStatus

#: The status of an agent without a recent heartbeat.
_OFFLINE = "offline"


def show_waiting(client: Client, job: Mapping[str, Any]) -> None:
    """Print to standard error why the job waits: pauses, an approval, a host that is offline."""
    if job.get("status") != JobStatus.SUBMITTED.value:
        return
    for reason in [*map(pause_text, job.get("paused_by") or ()), *_approval(job), *_offline(client, job)]:
        print(f"Job {one_line(job.get('id'))} waits: {reason}", file=sys.stderr, flush=True)


def pause_text(pause: Mapping[str, Any]) -> str:
    """A pause that keeps a job from starting, with its author and reason."""
    author = one_line(pause.get("created_by"))
    return f"{one_line(pause.get('what'))} is paused by {author}: {one_line(pause.get('reason'))}"


def _approval(job: Mapping[str, Any]) -> Iterator[str]:
    approval = job.get("approval")
    if approval:
        yield one_line(approval.get("because"))


def _offline(client: Client, job: Mapping[str, Any]) -> Iterator[str]:
    hosts = list(job.get("expected_agents") or ())
    if len(hosts) != 1:
        return
    try:
        status = client.agent(hosts[0]).get("status")
    except ApiError:  # a caller may not be allowed to see agents; the job is what counts
        return
    if status == _OFFLINE:
        yield f"{one_line(hosts[0])} is offline; the job starts once it is back."
