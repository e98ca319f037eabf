"""From the model to the JSON of rollouts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobqueue.model.job import Job
from jobqueue.model.rollout_progress import BatchState, RolloutProgress
from jobqueue.model.timestamps import to_iso

if TYPE_CHECKING:
    from jobqueue.services.planner import Plan

_NAMED = 10


def rollout(job: Job) -> dict[str, Any] | None:
    """The rollout of a job, or None."""
    if job.rollout is None:
        return None
    document: dict[str, Any] = {"terms": job.rollout.document()}
    progress = job.rollout_progress
    if progress is None:  # its record was altered
        return {**document, "state": "", "batches": [], "stopped_because": None, "paused": False, "next_opens": None}
    return {
        **document,
        "state": progress.state.value,
        "batches": [
            {
                "number": batch.number,
                "state": batch.state.value,
                "hosts": batch.hosts,
                "first_hosts": list(job.expected_agents[batch.first : batch.first + min(batch.hosts, _NAMED)]),
                "counts": {state.value: count for state, count in batch.counts.items()},
                "opened": _time(batch.opened),
                "ended": _time(batch.ended),
            }
            for batch in progress.batches
        ],
        "stopped_because": progress.stopped_because or None,
        "paused": bool(progress.paused),
        "next_opens": _time(_next_opens(progress)),
    }


def planned_batches(plan: Plan) -> list[dict[str, Any]] | None:
    """The batches that a rollout would have, or None."""
    if plan.batches is None:
        return None
    return [
        {
            "number": number,
            "is_canary": plan.has_canary and number == 1,
            "hosts": len(hostnames),
            "hostnames": list(hostnames),
        }
        for number, hostnames in enumerate(plan.batches, 1)
    ]


def _next_opens(progress: RolloutProgress) -> int:
    """When the next batch opens, if it waits for its time."""
    return progress.opens if any(batch.state is BatchState.WAITING for batch in progress.batches) else 0


def _time(micros: int) -> str | None:
    return to_iso(micros) if micros else None
