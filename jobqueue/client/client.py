"""The client: every route of the native API as a method. Answers are the API's own JSON, as dicts and lists."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from types import TracebackType
from typing import Any
from urllib.parse import quote

from jobqueue.client import events, moves
from jobqueue.client.address import resolve
from jobqueue.client.errors import ClientError, ConnectionFailed, InvalidAnswer, Unavailable
from jobqueue.client.files import Files
from jobqueue.client.notifications import Notifications
from jobqueue.client.object_methods import ObjectMethods
from jobqueue.client.polling import PATIENCE_SECONDS, Pacer
from jobqueue.client.saved import SavedJobs
from jobqueue.client.sse import ServerEvent
from jobqueue.client.transport import Transport
from jobqueue.errors import InvalidInput
from jobqueue.model.concurrency import Concurrency
from jobqueue.model.execution_page import MAX_LIMIT as MAX_EXECUTIONS
from jobqueue.model.filter import MAX_LIMIT
from jobqueue.model.fleet_plan import FleetPlan, fleet_plan
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.rollout import Rollout
from jobqueue.model.states import FINAL_STATUSES
from jobqueue.model.target import ANY
from jobqueue.model.timestamps import to_iso, to_micros

_FINAL = frozenset(status.value for status in FINAL_STATUSES)
#: Seconds before a stream that ended early (a server that stops, a proxy time-out) is requested again.
_STREAM_PAUSE = 0.2


class Client(ObjectMethods):
    """A client for one API. Threads may share a client; a process that forks makes a new one in the child.

    ::

        with Client() as client:
            job = client.run("df -h", on="group:web")
            for result in job.results():
                print(result.hostname, result.stdout)
            job.wait(check=True)

    The methods inherited from ``ObjectMethods`` (``run``, ``start``, ``get``, ``search``, ``wait_many``, ``hosts``,
    ``host``) return objects. Below them is one method for each route, which returns the API's JSON.

    ``url`` and ``token`` default to ``JOBQUEUE_URL`` and ``JOBQUEUE_TOKEN``, else to those of a context (``context``,
    ``JOBQUEUE_CONTEXT``, or the current one of ``jobqueue context``), else to the files that ``jobqueue up`` left in
    the state directory. ``timeout`` is the number of seconds to wait for one answer; ``retries`` is the maximum
    number of retries of a request that is safe to repeat (see ``Transport.request``).

    Every method raises ``ConnectionFailed``, ``InvalidAnswer`` or an ``ApiError`` (``jobqueue.client.errors``).
    Times are passed as ``datetime`` (a naive one is UTC) or as ISO 8601 text.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        context: str | None = None,
        timeout: float = 30.0,
        retries: int = 4,
    ) -> None:
        self._http = Transport(resolve(url, token, context=context), timeout=timeout, retries=retries)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, *, timeout: float = 30.0, retries: int = 4) -> Client:
        """A client configured by ``environ`` (the process's own by default) and the state directory."""
        client = cls.__new__(cls)
        client._http = Transport(resolve(environ=environ), timeout=timeout, retries=retries)
        return client

    @property
    def url(self) -> str:
        """The address of the API."""
        return self._http.url

    def close(self) -> None:
        """Close the connections. The client can still be used; it opens new connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # -- jobs ---------------------------------------------------------------------------------------------------------

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
            "not_before": _time(not_before),
            "expires_at": _time(expires_at),
            "retries": asdict(retries) if isinstance(retries, RetryPolicy) else retries,
            "rollout": rollout.document() if isinstance(rollout, Rollout) else rollout,
            "concurrency": concurrency.document() if isinstance(concurrency, Concurrency) else concurrency,
            "priority": priority,
            "tags": dict(tags) if tags else None,
            "plan_hash": plan_hash,
            "idempotency_key": uuid.uuid4().hex if idempotency_key is None else idempotency_key,
        }
        body = {name: value for name, value in body.items() if value is not None}
        return self._object("POST", "/job", body=body, repeatable=True)

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
            "not_before": _time(options.get("not_before")),
            "expires_at": _time(options.get("expires_at")),
            "retries": asdict(retries) if isinstance(retries, RetryPolicy) else retries,
            "tags": options.get("tags") or None,
            "rollout": rollout.document() if isinstance(rollout, Rollout) else rollout,
            "concurrency": concurrency.document() if isinstance(concurrency, Concurrency) else concurrency,
        }
        body = {name: value for name, value in body.items() if value is not None}
        return self._object("POST", "/job/plan", body=body, repeatable=True)

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
        return self._object("GET", _path("/job", job_id))

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
        query = {name: value for name, value in query.items() if value is not None}
        return self._object("GET", _path("/job", job_id, "executions"), query=query)

    def iter_execution_pages(self, job_id: str, **query: Any) -> Iterator[dict[str, Any]]:
        """All pages of ``executions``; ``query`` as there."""
        cursor: str | None = None
        while True:
            page = self.executions(job_id, **{**query, "cursor": cursor})
            yield page
            cursor = page.get("next_cursor")
            if cursor is None:
                return

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
            "created_after": _time(created_after),
            "created_before": _time(created_before),
            "limit": limit,
            "offset": offset,
            "cursor": cursor,
            "view": view,
        }
        return self._object("GET", "/job", query={name: value for name, value in query.items() if value is not None})

    def iter_pages(self, *, limit: int = MAX_LIMIT, **query: Any) -> Iterator[dict[str, Any]]:
        """All pages of ``jobs``, each job once, even if jobs are submitted meanwhile. No ``offset``."""
        page = self.jobs(limit=limit, **query)
        yield page
        while (cursor := page.get("next_cursor")) is not None:
            page = self.jobs(limit=limit, **{**query, "cursor": cursor})
            yield page

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

    def logs(self, job_id: str, hostname: str | None = None, offset: int = 0) -> dict[str, Any]:
        """An execution's output after a byte offset: ``{"hostname", "status", "complete", "cut", "next_offset",
        "chunks": [{"offset", "stream", "attempt", "text", "base64"?}]}``; a few hundred chunks at most.

        Of a job on several hosts, without ``hostname``: the same as ``host_logs``.
        """
        return self._object("GET", _path("/job", job_id, "logs"), query=_log_query(hostname, offset))

    def iter_logs(self, job_id: str, hostname: str | None = None, offset: int = 0) -> Iterator[dict[str, Any]]:
        """All pages that are available now; without ``hostname``, of all hosts, one after the other."""
        while True:
            page = self.logs(job_id, hostname, offset)
            if "hosts" in page:
                yield from self._host_pages(job_id, page, failed=False)
                return
            yield page
            if not page["chunks"]:
                return
            offset = page["next_offset"]

    def host_logs(self, job_id: str, cursor: str = "", limit: int = 20, *, failed: bool = False) -> dict[str, Any]:
        """The beginning of the output of several hosts: ``{"job_id", "hosts": [pages as of ``logs``], "total",
        "next_cursor"}``, in order of hostnames.

        ``cursor`` is a page's ``next_cursor``; ``limit`` 1-100; ``failed`` picks failed, expired and lost executions.
        For a job with a single execution, the page that ``logs`` returns, without ``hosts``.
        """
        query = {"limit": limit, **({"cursor": cursor} if cursor else {}), **({"failed": "true"} if failed else {})}
        return self._object("GET", _path("/job", job_id, "logs"), query=query)

    def iter_host_logs(self, job_id: str, *, failed: bool = False) -> Iterator[dict[str, Any]]:
        """Pages like those of ``logs``: all output that is available now, host by host in order of hostnames."""
        return self._host_pages(job_id, self.host_logs(job_id, failed=failed), failed=failed)

    def _host_pages(self, job_id: str, answer: dict[str, Any], *, failed: bool) -> Iterator[dict[str, Any]]:
        while True:
            for page in answer.get("hosts", [answer]):
                yield page
                if page["chunks"] and not page["complete"]:
                    yield from self.iter_logs(job_id, page["hostname"] or None, page["next_offset"])
            if answer.get("next_cursor") is None:
                return
            answer = self.host_logs(job_id, answer["next_cursor"], failed=failed)

    def follow_logs(self, job_id: str, hostname: str | None = None, offset: int = 0) -> Iterator[dict[str, Any]]:
        """Pages like those of ``logs`` as they arrive, until the execution has ended.

        Without ``hostname``, pages of all hosts (at most 50) until the last has ended. A broken connection is resumed
        after the last chunk, with the same time limit as ``wait``.
        """
        gone_since: float | None = None
        last_id = ""
        reached: dict[str, int] = {}
        path, query = _path("/job", job_id, "logs"), _log_query(hostname, offset)
        while True:
            try:
                with self._http.stream(path, query=query, last_id=last_id) as stream:
                    for event in stream:
                        gone_since = None
                        page = _log_page(event)
                        last_id = event.id or last_id
                        if not last_id and _is_repeated(page, reached):
                            continue
                        yield page
                        if page["complete"]:
                            return
            except (ConnectionFailed, Unavailable):
                gone_since = gone_since or time.monotonic()
                if time.monotonic() - gone_since > PATIENCE_SECONDS:
                    raise
            time.sleep(_STREAM_PAUSE)

    def follow_events(self, job_id: str | None = None, after: str = "") -> Iterator[dict[str, Any]]:
        """The events of a job (or of all jobs) as they happen, each a dict with its ``kind``:

        ``job``: ``{"id", "job_id", "status", "event", "hostname", "timestamp", "message", "error"}``, where ``status``
        is the job's, and ``count`` is set for equal steps of that many agents (``hostname`` is then empty); ``reset``:
        some events may be missing, so reload the job; ``waiting``: the ledger does not answer at present; ``end``: the
        job has ended. For
        one job, its events so far come first, and ``end`` is the last. For all jobs, the stream does not end; it starts
        now, or after the event whose ``id`` is ``after``. Broken connections are resumed, with the same time limit as
        ``wait``. Raises ``NotFound`` if the job does not exist, or the server has no event stream.
        """
        return events.follow(self._http, "/events" if job_id is None else _path("/job", job_id, "events"), after)

    def failures(self, within_seconds: int = 3600) -> dict[str, Any]:
        """Failures of jobs that ended within these seconds, grouped: ``GET /failure``."""
        return self._object("GET", "/failure", query={"within_seconds": within_seconds})

    def cancel(self, job_id: str) -> dict[str, Any]:
        """The job, with ``cancel_requested``; raises ``Conflict`` if it has ended already."""
        return self._object("POST", _path("/job", job_id, "cancel"))

    def pause(self, job_id: str) -> dict[str, Any]:
        """Pause a rollout, and return the job. Opened executions continue. Raises ``Conflict`` if it cannot be."""
        return self._object("POST", _path("/job", job_id, "pause"))

    def resume(self, job_id: str) -> dict[str, Any]:
        """Resume a paused rollout, and return the job."""
        return self._object("POST", _path("/job", job_id, "resume"))

    def approve(self, job_id: str, plan_hash: str | None = None) -> dict[str, Any]:
        """Open the next batch of a rollout with ``between: approve``, and return the job.

        A job that exceeds a limit of its submitter's grants waits for the approval of the ``plan_hash`` in its
        ``approval``, by another principal.
        """
        body = None if plan_hash is None else {"plan_hash": plan_hash}
        return self._object("POST", _path("/job", job_id, "approve"), body=body)

    def abort(self, job_id: str) -> dict[str, Any]:
        """End a rollout, and return the job: what is held is cancelled, and opened executions continue."""
        return self._object("POST", _path("/job", job_id, "abort"))

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
        return self._object("POST", _path("/job", job_id, "retry"), body=body)

    def delete(self, job_id: str) -> None:
        """Delete a finished job; raises ``Conflict`` while it runs."""
        self._http.request("DELETE", _path("/job", job_id))

    # -- agents and operations ----------------------------------------------------------------------------------------

    def agents(
        self,
        *,
        labels: Sequence[str] = (),
        state: str | None = None,
        hostname: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        view: str | None = None,
    ) -> dict[str, Any]:
        """One page of agents, by hostname: ``{"agents": [...], "total", "is_least", "next_cursor"}``, 1,000 by default.

        All conditions must hold: ``labels`` are ``key:value`` as in a target; ``state`` is Ready, Draining, Cordoned,
        Pending, Revoked, live or offline, or several separated by commas; ``hostname`` may have stars.
        ``view="summary"`` leaves out facts, operations, memory and timeline.
        """
        query: dict[str, Any] = {"state": state, "hostname": hostname, "limit": limit, "cursor": cursor, "view": view}
        query = {name: value for name, value in query.items() if value is not None}
        return self._object("GET", "/agent", query=query | ({"label": list(labels)} if labels else {}))

    def iter_agent_pages(self, **query: Any) -> Iterator[dict[str, Any]]:
        """All pages of ``agents``; ``query`` as there."""
        cursor: str | None = None
        while True:
            page = self.agents(**{**query, "cursor": cursor})
            yield page
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def iter_agents(self, **query: Any) -> Iterator[dict[str, Any]]:
        """Every matching agent, by hostname; ``query`` as for ``agents``, ``limit`` is the number per request."""
        for page in self.iter_agent_pages(**query):
            yield from page["agents"]

    def agent(self, hostname: str) -> dict[str, Any]:
        """One agent: ``hostname``, ``status``, ``state``, ``labels``, ``facts``, ``load``, ``running``..."""
        return self._object("GET", _path("/agent", hostname))

    def drain(self, hostname: str, reason: str = "") -> dict[str, Any]:
        """Drain an agent, and return it; it takes no new work from now on. Lists show the ``reason``."""
        body = {"reason": reason} if reason else None
        return self._object("POST", _path("/agent", hostname, "drain"), body=body, repeatable=True)

    def undrain(self, hostname: str) -> dict[str, Any]:
        """Undrain an agent, and return it; it takes work again."""
        return self._object("POST", _path("/agent", hostname, "undrain"), repeatable=True)

    def target_hosts(self, target: str) -> list[str]:
        """The hosts that a target names now, whatever their states, sorted; not for ``_any``.

        Expressions and stored targets are resolved by a plan of a job, which needs ``job:write``; it is not submitted.
        """
        return moves.target_hosts(self, target)

    def drain_hosts(self, hostnames: Iterable[str], reason: str = "") -> Iterator[moves.Move]:
        """Drain each agent while the result is read: ``hostname``, ``outcome``, ``state`` and ``error`` of each.

        An agent that drains already is ``unchanged``; one that the API refuses is ``failed``, and the others continue.
        At most 1,000 hosts.
        """
        return moves.move_each(self, hostnames, moves.DRAINED, reason)

    def undrain_hosts(self, hostnames: Iterable[str]) -> Iterator[moves.Move]:
        """Undrain each agent, as ``drain_hosts``."""
        return moves.move_each(self, hostnames, moves.UNDRAINED)

    def invite(self, hostname: str = "", seconds: int = 3600) -> dict[str, Any]:
        """``{"token", "expires_at", "hostname"}``: a one-time token for a new agent."""
        return self._object("POST", "/agent/invite", body={"hostname": hostname, "seconds": seconds})

    def bundle(
        self,
        hostname: str,
        *,
        seconds: int = 3600,
        allow: Sequence[str] = ("read-only",),
        labels: Mapping[str, str] | None = None,
        redis_url: str | None = None,
        replace: bool = False,
    ) -> dict[str, Any]:
        """``{"bundle", "hostname", "expires_at", "sha256", "redis_user", "redis_user_kept"}``: the content of the file
        for ``jobqueue agent join`` on a new host. It holds secrets and is shown only here.
        """
        body: dict[str, Any] = {"hostname": hostname, "seconds": seconds, "allow": list(allow), "replace": replace}
        body["labels"] = dict(labels or {})
        if redis_url is not None:
            body["redis_url"] = redis_url
        return self._object("POST", "/agent/bundle", body=body)

    def accept(self, hostname: str, fingerprint: str) -> dict[str, Any]:
        """Accept an agent whose key has this fingerprint, and return it."""
        path = _path("/agent", hostname, "accept")
        return self._object("POST", path, body={"fingerprint": fingerprint}, repeatable=True)

    def revoke(self, hostname: str) -> dict[str, Any]:
        """Revoke an agent, and return it; ``redis_user`` says what became of its Redis user."""
        return self._object("POST", _path("/agent", hostname, "revoke"), repeatable=True)

    def remove_agent(self, hostname: str) -> None:
        """Forget an offline agent; raises ``Conflict`` while it is live, or work waits for it."""
        self._http.request("DELETE", _path("/agent", hostname))

    def operations(self) -> dict[str, Any]:
        """``{"operations": [{"type", "summary", "schema", "changes", "idempotent", "permission"}, ...], ...}``."""
        return self._object("GET", "/operation")

    # -- health -------------------------------------------------------------------------------------------------------

    def health(self) -> dict[str, Any]:
        """Whether the API is alive."""
        return self._object("GET", "/health")

    def ready(self) -> dict[str, Any]:
        """Whether the API reaches its ledger; raises ``Unavailable`` immediately if not."""
        return self._object("GET", "/health/ready", repeatable=False)

    def status(self) -> dict[str, Any]:
        """Components, counts of jobs, agents."""
        return self._object("GET", "/health/status")

    # -- credentials and roles -----------------------------------------------------------------------------------------

    def keys(self) -> dict[str, Any]:
        """``{"keys": [...], "total": n}``: all API keys, without their secrets."""
        return self._object("GET", "/key")

    def create_key(
        self,
        name: str,
        *,
        roles: Sequence[str] = (),
        permissions: Sequence[str] = (),
        expires_at: datetime | str | None = None,
    ) -> dict[str, Any]:
        """The new API key; its ``key`` is shown this once."""
        return self._object("POST", "/key", body=_access(name, roles, permissions, expires_at))

    def revoke_key(self, key_id: str) -> None:
        """Remove an API key."""
        self._http.request("DELETE", _path("/key", key_id))

    def users(self) -> dict[str, Any]:
        """``{"users": [...], "total": n}``."""
        return self._object("GET", "/user")

    def create_user(
        self,
        name: str,
        password: str | None = None,
        *,
        roles: Sequence[str] = (),
        permissions: Sequence[str] = (),
        expires_at: datetime | str | None = None,
    ) -> dict[str, Any]:
        """The new user; a generated password is returned, this once, if none is given."""
        body = _access(name, roles, permissions, expires_at)
        return self._object("POST", "/user", body=body if password is None else {**body, "password": password})

    def set_password(self, name: str, password: str | None = None) -> dict[str, Any]:
        """``{"name", "password"}``; a generated password is returned, this once, if none is given."""
        body = {} if password is None else {"password": password}
        return self._object("PUT", _path("/user", name, "password"), body=body)

    def disable_user(self, name: str) -> dict[str, Any]:
        """Disable a user, and return it."""
        return self._object("POST", _path("/user", name, "disable"), repeatable=True)

    def enable_user(self, name: str) -> dict[str, Any]:
        """Enable a user again, and return it."""
        return self._object("POST", _path("/user", name, "enable"), repeatable=True)

    def delete_user(self, name: str) -> None:
        """Remove a user."""
        self._http.request("DELETE", _path("/user", name))

    def roles(self) -> dict[str, Any]:
        """``{"roles": [...], "total": n}``, the built-in ones first."""
        return self._object("GET", "/role")

    def create_role(self, name: str, permissions: Sequence[str]) -> dict[str, Any]:
        """The new role."""
        return self._object("POST", "/role", body={"name": name, "permissions": list(permissions)})

    def delete_role(self, name: str) -> None:
        """Remove an unused custom role."""
        self._http.request("DELETE", _path("/role", name))

    def targets(self) -> dict[str, Any]:
        """``{"targets": [{"name", "target", "description", "changed", "changed_by"}], "total": n}``."""
        return self._object("GET", "/target")

    def target(self, name: str) -> dict[str, Any]:
        """A stored target, with the ``hosts`` that it names now."""
        return self._object("GET", _path("/target", name))

    def set_target(self, name: str, target: str, description: str = "") -> dict[str, Any]:
        """Store an expression under a name, for use as ``@name``; replaces one of the same name."""
        body = {"target": target, "description": description}
        return self._object("PUT", _path("/target", name), body=body, repeatable=True)

    def put_target(
        self, name: str, body: Mapping[str, Any], *, dry_run: bool = False, assume: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Store a target, or replace it. ``body`` is that of ``PUT /target/{name}``: ``target``, ``description``,
        ``managed_by``.

        ``dry_run`` stores nothing, takes the targets ``assume`` for stored, and adds ``change`` (created, changed or
        unchanged) and ``changes`` to the answer.
        """
        query = {"dry_run": "true", **({"assume": ",".join(assume)} if assume else {})} if dry_run else {}
        return self._object("PUT", _path("/target", name), body=body, query=query, repeatable=True)

    def delete_target(self, name: str) -> None:
        """Remove a stored target that no other refers to."""
        self._http.request("DELETE", _path("/target", name))

    def pauses(self) -> dict[str, Any]:
        """``{"pauses": [{"id", "what", "kind", "value", "reason", "created_by", "until", ...}], "total": n}``."""
        return self._object("GET", "/pause")

    def begin_pause(
        self,
        *,
        reason: str,
        operation: str | None = None,
        tag: str | None = None,
        target: str | None = None,
        everything: bool = False,
        until: datetime | str | None = None,
        rate: str | None = None,
    ) -> dict[str, Any]:
        """Pause an operation (``command.*``: all whose type begins so), jobs with a tag, the hosts of a target, or
        everything: nothing new starts there, or with a ``rate`` such as ``10/m`` only a limited
        number; running executions continue. Returns the pause, with its ``id``.
        """
        body: dict[str, Any] = {
            "operation": operation,
            "tag": tag,
            "target": target,
            "everything": everything or None,
            "reason": reason,
            "until": _time(until),
            "rate": rate,
        }
        return self._object("POST", "/pause", body={name: value for name, value in body.items() if value is not None})

    def end_pause(self, pause_id: str) -> None:
        """End a pause: what it held back starts, in its former order."""
        self._http.request("DELETE", _path("/pause", pause_id))

    def alerts(self) -> dict[str, Any]:
        """``{"items": [{"kind", "count", "message", "hosts", "version", "acknowledged", "acknowledgement", ...}],
        "total", "unacknowledged"}``: the newest alerts by kind, those that are not acknowledged first.
        """
        return self._object("GET", "/alert")

    def acknowledge_alert(self, kind: str, *, version: str | None = None, note: str = "") -> dict[str, Any]:
        """Acknowledge the alerts of a kind until one is raised or updated, and return them.

        Raises ``Conflict`` if ``version`` (that of the alerts as they were seen) is not the current one any more.
        """
        body = {"version": version, "note": note}
        return self._object("POST", _path("/alert", kind, "acknowledge"), body=body, repeatable=True)

    def reopen_alert(self, kind: str) -> dict[str, Any]:
        """Take the acknowledgement of the alerts of a kind back, and return them."""
        return self._object("DELETE", _path("/alert", kind, "acknowledge"))

    def complete_target(self, text: str) -> list[str]:
        """Completions of a target that has been typed so far."""
        return list(self._object("GET", "/target/complete", query={"q": text})["completions"])

    @property
    def saved(self) -> SavedJobs:
        """The saved jobs: ``client.saved.list()``, ``get``, ``put``, ``delete``, ``versions``, ``diff``, ``run``..."""
        return SavedJobs(self._http)

    @property
    def files(self) -> Files:
        """The objects: ``client.files.list()``, ``get``, ``put``, ``download``, ``delete``, ``stale``.

        And what hosts have sent: ``fetched``.
        """
        return Files(self._http)

    @property
    def notifications(self) -> Notifications:
        """The notification rules: ``client.notifications.list()``, ``get``, ``put``, ``delete``, ``test``..."""
        return Notifications(self._http)

    def schedules(self, *, limit: int = 100, cursor: str | None = None) -> dict[str, Any]:
        """One page of schedules by name, with their last results: ``{"schedules": [...], "total", "next_cursor"}``."""
        query = {"limit": limit, **({} if cursor is None else {"cursor": cursor})}
        return self._object("GET", "/schedule", query=query)

    def iter_schedules(self, *, limit: int = 100) -> Iterator[dict[str, Any]]:
        """Every schedule, by name; ``limit`` is per request."""
        cursor: str | None = None
        while True:
            page = self.schedules(limit=limit, cursor=cursor)
            yield from page["schedules"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    def schedule(self, name: str) -> dict[str, Any]:
        """A schedule, with its last ``results`` (newest first) and its ``next_times``."""
        return self._object("GET", _path("/schedule", name))

    def create_schedule(self, name: str, job: Mapping[str, Any], **terms: Any) -> dict[str, Any]:
        """Store a new schedule, whose owner is the caller. Raises ``Conflict`` if there is one with this name.

        ``job`` is a body of ``POST /job``: ``{"operation": {"type", "data"}, "target_hostname", ...}``; or a saved job,
        whose newest version runs at each time: ``{"saved": "deploy", "parameters": {"version": "1.4"}}``, with
        ``target_hostname`` if it allows another target. ``terms``: one of ``cron="0 3 * * 1-5"``, ``every="15m"``,
        ``at=...``, ``rrule="FREQ=MONTHLY;BYDAY=-1FR"``, or ``after={"saved": "deploy", "status": ["completed"]}``,
        which fires when a job of that saved job has ended so; and ``time_zone``, ``starts``, ``ends``, ``jitter``,
        ``blackouts``, ``overlap``, ``catch_up``, ``expires_after``, ``description``, ``paused``
        (``docs/schedules.md``).
        """
        return self._object("POST", "/schedule", body={"name": name, "job": dict(job), **_terms(terms)})

    def set_schedule(self, name: str, job: Mapping[str, Any], **terms: Any) -> dict[str, Any]:
        """Store a schedule in place of the one with this name, or as a new one. Arguments as ``create_schedule``."""
        body = {"job": dict(job), **_terms(terms)}
        return self._object("PUT", _path("/schedule", name), body=body, repeatable=True)

    def put_schedule(
        self, name: str, body: Mapping[str, Any], *, dry_run: bool = False, assume: bool = False
    ) -> dict[str, Any]:
        """``set_schedule`` with the whole body of ``PUT /schedule/{name}``.

        ``dry_run`` stores nothing, and adds ``change`` (created, changed or unchanged) and ``changes`` to the answer;
        with ``assume`` it takes for stored the saved job and the targets that the schedule's job names.
        """
        query = {"dry_run": "true", **({"assume": "true"} if assume else {})} if dry_run else {}
        return self._object("PUT", _path("/schedule", name), body=body, query=query, repeatable=True)

    def preview_schedule(self, **timing: Any) -> dict[str, Any]:
        """The next ten times: ``{"time_zone", "times": [{"time", "local"}]}``. Arguments as ``create_schedule``."""
        return self._object("POST", "/schedule/preview", body=_terms(timing), repeatable=True)

    def pause_schedule(self, name: str, reason: str = "") -> dict[str, Any]:
        """Pause a schedule: its times pass without jobs."""
        return self._object("POST", _path("/schedule", name, "pause"), body={"reason": reason}, repeatable=True)

    def resume_schedule(self, name: str) -> dict[str, Any]:
        """End a pause."""
        return self._object("POST", _path("/schedule", name, "resume"), repeatable=True)

    def trigger_schedule(self, name: str) -> dict[str, Any]:
        """Submit a schedule's job now, for the caller: ``{"job_id", ...}``.

        Not retried after a broken connection, since a repeated request would create a second job.
        """
        return self._object("POST", _path("/schedule", name, "trigger"))

    def backfill_schedule(self, name: str, begin: str, end: str, *, dry_run: bool = False) -> Iterator[dict[str, Any]]:
        """Submit the jobs of a schedule's past times from ``begin`` to ``end`` (ISO 8601) that have none.

        The jobs are submitted for the caller. Yields each time as ``{"time", "outcome", "job_id", "reason"}``, and asks
        for 50 at a time while it is iterated over; with ``dry_run``, the times only. It may be repeated: each time has
        at most one job.
        """
        following: str | None = begin
        while following is not None:
            body = {"from": following, "to": end, "dry_run": dry_run}
            answer = self._object("POST", _path("/schedule", name, "backfill"), body=body, repeatable=True)
            yield from answer["times"]
            following = answer["next_from"]

    def delete_schedule(self, name: str) -> None:
        """Delete a schedule; its jobs remain."""
        self._http.request("DELETE", _path("/schedule", name))

    def audit(
        self, *, limit: int = 100, before: int | None = None, after: int | None = None, who: str | None = None
    ) -> dict[str, Any]:
        """``{"entries": [...], "total": n}``: newest first, or with ``after`` those after a number, oldest first."""
        query = {"limit": limit, "before": before, "after": after, "who": who}
        return self._object("GET", "/audit", query={name: value for name, value in query.items() if value is not None})

    def verify_audit(self) -> dict[str, Any]:
        """``{"valid", "entries", "first", "last", "problems"}``: whether the audit trail is intact."""
        return self._object("GET", "/audit/verify")

    def _object(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        answer = self._http.request(method, path, **options)
        if not isinstance(answer, dict):
            raise InvalidAnswer(f"The server at {self.url} is not the jobqueue API (no JSON object at {path}).")
        return answer


def _access(
    name: str, roles: Sequence[str], permissions: Sequence[str], expires_at: datetime | str | None
) -> dict[str, Any]:
    body: dict[str, Any] = {"name": name, "roles": list(roles), "permissions": list(permissions)}
    return body if expires_at is None else {**body, "expires_at": _time(expires_at)}


def _path(collection: str, name: str, verb: str = "") -> str:
    """``/job/<name>/<verb>`` with ``name`` quoted; ``.`` and ``..`` are rejected: they would change the route."""
    if name in ("", ".", ".."):
        raise InvalidInput(f"{name!r} names no {collection.removeprefix('/')}.")
    path = f"{collection}/{quote(name, safe='', errors='replace')}"
    return f"{path}/{verb}" if verb else path


def _terms(terms: Mapping[str, Any]) -> dict[str, Any]:
    """The terms of a schedule as JSON, without those that are None."""
    terms_given = {name: value for name, value in terms.items() if value is not None}
    times: dict[str, Any] = {
        name: _time(terms_given[name]) for name in ("at", "anchor", "starts", "ends") if name in terms_given
    }
    return {**terms_given, **times}


def _time(moment: datetime | str | None) -> str | None:
    return to_iso(to_micros(moment)) if isinstance(moment, datetime) else moment


def _log_query(hostname: str | None, offset: int) -> dict[str, Any]:
    return {"offset": offset, **({"hostname": hostname} if hostname is not None else {})}


def _is_repeated(page: Mapping[str, Any], reached: dict[str, int]) -> bool:
    """Whether a stream of several hosts, which starts over after a broken connection, had sent this page before."""
    if not page["chunks"]:
        return bool(page["cut"]) and page["hostname"] in reached
    before = reached.get(page["hostname"], 0)
    reached[page["hostname"]] = max(before, page["next_offset"])
    return bool(page["next_offset"] <= before)


def _log_page(event: ServerEvent) -> dict[str, Any]:
    """One event of a log stream, in the format of a page."""
    try:
        data = json.loads(event.data)
    except ValueError as error:
        raise InvalidAnswer("The log stream is not in the jobqueue API's format.") from error
    if event.name == "error":
        raise ClientError(data["error"], data.get("details"))
    return {
        "hostname": data.get("hostname", ""),
        "status": data.get("status", ""),
        "complete": event.name == "end",
        "cut": data["bytes"] if event.name == "cut" else 0,
        "next_offset": data["offset"] if event.name == "output" else 0,
        "chunks": [data] if event.name == "output" else [],
    }
