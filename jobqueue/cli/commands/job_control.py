"""``jobqueue job cancel`` and other commands that change jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from jobqueue.cli.each import for_each
from jobqueue.cli.job_ids import job_id_of
from jobqueue.cli.parameters import job_ids_argument, json_option
from jobqueue.cli.views.text import one_line
from jobqueue.client import Client
from jobqueue.model.states import JobStatus


@click.command()
@job_ids_argument
@json_option
def cancel(job_ids: Sequence[str], as_json: bool) -> None:
    """Cancel queued or running jobs."""

    def stop(client: Client, job_id: str) -> dict[str, Any]:
        return client.cancel(job_id_of(client, job_id))

    for_each(job_ids, stop, lambda job: f"{one_line(job.get('id'))}  {_cancelled(job)}", as_json=as_json)


@click.command()
@job_ids_argument
@json_option
def pause(job_ids: Sequence[str], as_json: bool) -> None:
    """Pause rollouts: no further batch is opened; opened executions continue."""
    _steer(Client.pause, job_ids, as_json=as_json)


@click.command()
@job_ids_argument
@json_option
def resume(job_ids: Sequence[str], as_json: bool) -> None:
    """Resume paused rollouts."""
    _steer(Client.resume, job_ids, as_json=as_json)


@click.command()
@job_ids_argument
@json_option
@click.option("--plan-hash", help="For a job that exceeds its submitter's limits: approval.plan_hash in `job show`.")
def approve(job_ids: Sequence[str], as_json: bool, plan_hash: str | None) -> None:
    """Open the next batch of rollouts that wait for an approval, or a job that exceeds its submitter's limits."""
    _steer(lambda client, job_id: client.approve(job_id, plan_hash), job_ids, as_json=as_json)


@click.command()
@job_ids_argument
@json_option
def abort(job_ids: Sequence[str], as_json: bool) -> None:
    """Abort rollouts: held executions are cancelled; opened ones continue."""
    _steer(Client.abort, job_ids, as_json=as_json)


@click.command()
@job_ids_argument
@json_option
def delete(job_ids: Sequence[str], as_json: bool) -> None:
    """Delete finished jobs with all their data."""

    def forget(client: Client, job_id: str) -> dict[str, Any]:
        job_id = job_id_of(client, job_id)
        client.delete(job_id)
        return {"id": job_id, "deleted": True}

    for_each(job_ids, forget, lambda deleted: f"{one_line(deleted['id'])}  deleted", as_json=as_json)


def _steer(action: Callable[[Client, str], dict[str, Any]], job_ids: Sequence[str], *, as_json: bool) -> None:
    """Do this to the rollout of each job, and print its state."""

    def step(client: Client, job_id: str) -> dict[str, Any]:
        return action(client, job_id_of(client, job_id))

    def line(job: dict[str, Any]) -> str:
        return f"{one_line(job.get('id'))}  {one_line((job.get('rollout') or {}).get('state'))}"

    for_each(job_ids, step, line, as_json=as_json)


def _cancelled(job: dict[str, Any]) -> str:
    status = one_line(job.get("status"))
    return status if status == JobStatus.CANCELLED.value else f"{status}, cancel requested"
