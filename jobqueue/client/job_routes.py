"""Routes of jobs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from jobqueue.client.errors import ConnectionFailed, Unavailable
from jobqueue.client.polling import Pacer
from jobqueue.client.routes import Routes, pages_of, path_of, time_text, without_none
from jobqueue.model.concurrency import Concurrency
from jobqueue.model.execution_page import MAX_LIMIT as MAX_EXECUTIONS
from jobqueue.model.filter import MAX_LIMIT
from jobqueue.model.fleet_plan import FleetPlan, fleet_plan
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.rollout import Rollout
from jobqueue.model.states import FINAL_STATUSES
from jobqueue.model.target import ANY

_FINAL = frozenset(status.value for status in FINAL_STATUSES)


class JobRoutes(Routes):
    """Submits, lists and changes jobs."""

    def submit(  # noqa: PLR0913 - one for each field of the request
        self,
        operation: str,
        data: Mapping[str, Any] | None = None,
        target: str = ANY,
        *,
        title: str | None = None,
        description: str | None = None,
        timeout_seconds: float | None = None,
        not_before: datetime | str | None = None,
        expires_at: datetime | str | None = None,
        retries: RetryPolicy | Mapping[str, Any] | None = None,
        rollout: Rollout | Mapping[str, Any] | None = None,
        concurrency: Concurrency | Mapping[str, Any] | None = None,
        priority: int | None = None,
        tags: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        plan_hash: str | None = None,
    ) -> dict[str, Any]:
        """``{"job_id", "status", "revision", "timestamp"}`` of the accepted job.

        ``target`` is ``_any``, ``_all``, a hostname, a label ``key:value`` or an expression (``docs/targets.md``). By
        default, each call generates its own ``idempotency_key``, so that a retry after a broken connection never
        creates a second job. Pass your own key for the same guarantee across several calls: each of them then returns
        the first job. ``plan_hash`` is that of ``plan``: if the set of agents has changed, the job is refused.
        ``rollout``: run on the hosts in batches, ``{"canary": 1, "batch": "10%", "max_failures": 3}``.
        ``concurrency``: limits how many hold the same key at a time, ``{"key": "deploy-web", "limit": 1}``.
        """
        body: dict[str, Any] = {
            "operation": {"type": operation, "data": dict(data or {})},
            "target_hostname": target,
            "title": title,
            "description": description,
            "timeout_seconds": timeout_seconds,
            "not_before": time_text(not_before),
            "expires_at": time_text(expires_at),
            "retries": asdict(retries) if isinstance(retries, RetryPolicy) else retries,
            "rollout": rollout.document() if isinstance(rollout, Rollout) else rollout,
            "concurrency": concurrency.document() if isinstance(concurrency, Concurrency) else concurrency,
            "priority": priority,
            "tags": dict(tags) if tags else None,
            "plan_hash": plan_hash,
            "idempotency_key": uuid.uuid4().hex if idempotency_key is None else idempotency_key,
        }
        return self._object("POST", "/job", body=without_none(body), repeatable=True)

    def plan(
        self, operation: str, data: Mapping[str, Any] | None = None, target: str = ANY, **options: Any
    ) -> dict[str, Any]:
        """What ``submit`` with the same arguments would do; nothing is submitted.

        ``{"hosts": [...], "skips": [...], "left_out": [{"hostname", "reason"}], "batches", "plan_hash", ...}``.
        """
        retries, rollout = options.get("retries"), options.get("rollout")
        concurrency = options.get("concurrency")
        body: dict[str, Any] = {
            "operation": {"type": operation, "data": dict(data or {})},
            "target_hostname": target,
            **options,
            "not_before": time_text(options.get("not_before")),
            "expires_at": time_text(options.get("expires_at")),
            "retries": asdict(retries) if isinstance(retries, RetryPolicy) else retries,
            "tags": options.get("tags") or None,
            "rollout": rollout.document() if isinstance(rollout, Rollout) else rollout,
            "concurrency": concurrency.document() if isinstance(concurrency, Concurrency) else concurrency,
        }
        return self._object("POST", "/job/plan", body=without_none(body), repeatable=True)

    def fleet_plan(self, job_id: str) -> FleetPlan:
        """What a finished job that checked would change on its hosts, and the hash to approve it by.

        Raises ``InvalidInput`` for a job that has checked nothing, or is not finished.
        """
        return fleet_plan(self.job(job_id), self.iter_executions(job_id))

    def apply_plan(self, job_id: str, plan: str, **terms: Any) -> dict[str, Any]:
        """Submit the run that a job has checked, for hosts that still need the change; ``terms`` as for ``submit``.

        Raises ``InvalidInput`` if ``plan`` is not the hash of its plan.
        """
        fleet_plan = self.fleet_plan(job_id)
        fleet_plan.require(plan)
        return self.submit(fleet_plan.operation, fleet_plan.applying, fleet_plan.target, **terms)

    def submit_batch(self, jobs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """``{"accepted": n, "items": [{"job_id", ...} or {"error", ...}]}``, in the order of ``jobs`` (at most 1000).

        Each of ``jobs`` is a body of ``POST /job``: ``{"operation": {"type", "data"}, "target_hostname", ...}``.
        A refused job does not affect the others. Idempotency keys are added as for ``submit``.
        """
        items = [{"idempotency_key": uuid.uuid4().hex, **job} for job in jobs]
        return self._object("POST", "/job/batch", body={"jobs": items}, repeatable=True)

    def job(self, job_id: str) -> dict[str, Any]:
        """The job: ``id``, ``status``, ``result``, ``responses``, ``agent_states``, ``timeline``, ``execution_counts``

        Of a job for more than a thousand agents, the first thousand: ``executions_left_out`` counts the others, which
        ``iter_executions`` reads.
        """
        return self._object("GET", path_of("/job", job_id))

    def executions(
        self,
        job_id: str,
        *,
        state: str | None = None,
        group: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> dict[str, Any]:
        """One page of a job's executions, by hostname: ``{"total", "execution_counts", "items", "next_cursor"}``.

        ``state`` is one state, or several separated by commas. With ``group="answer"``, equal answers come together:
        ``{"groups": [{"key", "status", "count", "hostnames", "data", ...}], "is_least", ...}``, up to ``limit`` groups.
        A page may be short: only a ``next_cursor`` of None ends the list.
        """
        query = {"state": state, "group": group, "limit": limit, "cursor": cursor}
        query = without_none(query)
        return self._object("GET", path_of("/job", job_id, "executions"), query=query)

    def iter_execution_pages(self, job_id: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All pages of ``executions``; ``query`` as there."""
        return pages_of(self.executions, job_id=job_id, **query)

    def iter_executions(self, job_id: str, *, limit: int = MAX_EXECUTIONS, **query: Any) -> Iterator[dict[str, Any]]:
        """Every matching execution, by hostname; ``query`` as for ``executions``, ``limit`` is per request."""
        for page in self.iter_execution_pages(job_id, limit=limit, **query):
            yield from page["items"]

    def jobs(  # noqa: PLR0913 - one for each field of the request
        self,
        *,
        status: str | None = None,
        operation: str | None = None,
        target: str | None = None,
        hostname: str | None = None,
        tag: str | None = None,
        saved: str | None = None,
        q: str | None = None,
        error: str | None = None,
        submitted_by: str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        cursor: str | int | None = None,
        view: str | None = None,
    ) -> dict[str, Any]:
        """One page of jobs, newest first: ``{"total_items", "is_least", "status_counts", "items", "next_cursor"}``.

        All conditions must hold. ``tag`` is ``key:value``; ``saved`` is a saved job's name; ``limit`` 1-100;
        ``cursor`` is a page's ``next_cursor``; ``q`` is a text in title, host, tag, submitter or error; with it,
        ``error`` or ``submitted_by``, a page may be short although ``next_cursor`` continues it. ``view="summary"``
        leaves out responses, agent states and timeline.
        """
        query = {
            "status": status,
            "operation": operation,
            "target": target,
            "hostname": hostname,
            "tag": tag,
            "saved": saved,
            "q": q,
            "error": error,
            "submitted_by": submitted_by,
            "created_after": time_text(created_after),
            "created_before": time_text(created_before),
            "limit": limit,
            "offset": offset,
            "cursor": cursor,
            "view": view,
        }
        return self._object("GET", "/job", query=without_none(query))

    def iter_pages(self, *, limit: int = MAX_LIMIT, **query: Any) -> Iterator[dict[str, Any]]:
        """All pages of ``jobs``, each job once, even if jobs are submitted meanwhile. No ``offset``."""
        return pages_of(self.jobs, limit=limit, **query)

    def iter_jobs(self, *, limit: int = MAX_LIMIT, **query: Any) -> Iterator[dict[str, Any]]:
        """Every matching job, newest first; ``query`` as for ``jobs``, ``limit`` is the number per request."""
        for page in self.iter_pages(limit=limit, **query):
            yield from page["items"]

    def wait(
        self,
        job_id: str,
        timeout: float | None = None,
        *,
        poll_min: float = 0.02,
        poll_max: float = 0.5,
        on_poll: Callable[[dict[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        """The job once it is final. Raises ``WaitTimeout`` (with the last state) after ``timeout`` seconds, if set.

        Polls after ``poll_min`` seconds and then less and less often, up to every ``poll_max`` seconds. ``on_poll``
        receives every answer. An API that becomes unreachable is retried for 30 s.
        """
        pacer = Pacer(job_id, timeout, poll_min, poll_max)
        while True:
            pacer.ask()
            try:
                job = self.job(job_id)
            except (ConnectionFailed, Unavailable) as error:
                pacer.unreachable(error)
            else:
                pacer.answered(job)
                if on_poll is not None:
                    on_poll(job)
                if job.get("status") in _FINAL:
                    return job
            time.sleep(pacer.pause())

    def failures(self, within_seconds: int = 3600) -> dict[str, Any]:
        """Failures of jobs that ended within these seconds, grouped: ``GET /failure``."""
        return self._object("GET", "/failure", query={"within_seconds": within_seconds})

    def cancel(self, job_id: str) -> dict[str, Any]:
        """The job, with ``cancel_requested``; raises ``Conflict`` if it has ended already."""
        return self._object("POST", path_of("/job", job_id, "cancel"))

    def pause(self, job_id: str) -> dict[str, Any]:
        """Pause a rollout, and return the job. Opened executions continue. Raises ``Conflict`` if it cannot be."""
        return self._object("POST", path_of("/job", job_id, "pause"))

    def resume(self, job_id: str) -> dict[str, Any]:
        """Resume a paused rollout, and return the job."""
        return self._object("POST", path_of("/job", job_id, "resume"))

    def approve(self, job_id: str, plan_hash: str | None = None) -> dict[str, Any]:
        """Open the next batch of a rollout with ``between: approve``, and return the job.

        A job that exceeds a limit of its submitter's grants waits for the approval of the ``plan_hash`` in its
        ``approval``, by another principal.
        """
        body = None if plan_hash is None else {"plan_hash": plan_hash}
        return self._object("POST", path_of("/job", job_id, "approve"), body=body)

    def abort(self, job_id: str) -> dict[str, Any]:
        """End a rollout, and return the job: what is held is cancelled, and opened executions continue."""
        return self._object("POST", path_of("/job", job_id, "abort"))

    def retry(
        self, job_id: str, target_hostname: str | None = None, only: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """``{"job_id", ...}`` of the new job. ``only`` (``failed``, ``expired``, ``lost``) picks the agents.

        Not retried after a broken connection, since a repeated request would create a second job.
        """
        body: dict[str, Any] = {}
        if target_hostname is not None:
            body["target_hostname"] = target_hostname
        if only is not None:
            body["only"] = list(only)
        return self._object("POST", path_of("/job", job_id, "retry"), body=body)

    def delete(self, job_id: str) -> None:
        """Delete a finished job; raises ``Conflict`` while it runs."""
        self._http.request("DELETE", path_of("/job", job_id))
