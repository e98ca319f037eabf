"""A client for tests of programs that use jobqueue: no API, no agents; answers are what the test sets.

::

    from jobqueue.testing import FakeClient

    def test_disk_report() -> None:
        client = FakeClient({"web1": {"group": "web"}, "web2": {"group": "web"}})
        client.answer("web1", stdout="91%")
        client.answer("web2", error="The command exited with code 1", exit_code=1)
        assert report(client) == {"web1": "91%", "web2": "failed"}
        assert client.submissions[0].data == {"command": "df --output=pcent /"}
        assert client.submissions[0].target == "group:web"

``FakeClient`` has the methods of ``Client`` that return objects (``jobqueue.client.JobClient``). Annotate your own code
with that protocol. For code that uses asyncio: ``AsyncClient(client=FakeClient(...))``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from jobqueue.client.errors import Conflict, InvalidRequest, NotFound
from jobqueue.client.object_methods import ObjectMethods
from jobqueue.model.states import FINAL_STATES, ExecutionState, derive_status
from jobqueue.model.target import ALL, ANY, label_prefixes

_VERSION = "0"
#: Options of a submission that a job does not show.
_REQUEST_ONLY = frozenset({"idempotency_key", "parameters"})


@dataclass(frozen=True)
class Submission:
    """A job that was submitted. ``options`` are the others, such as ``title`` and ``tags``."""

    job_id: str
    operation: str
    data: Mapping[str, Any]
    target: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class _Answer:
    status: ExecutionState
    data: Any
    error: str | None
    changed: bool | None


@dataclass
class _Record:
    submission: Submission
    hosts: tuple[str, ...]
    created: str
    #: By hostname; a held host is missing.
    answers: dict[str, _Answer] = field(default_factory=dict)
    cancelled: bool = False
    retry_of: str | None = None
    retried_as: list[str] = field(default_factory=list)


class _FakeSaved:
    """In the place of ``Client.saved``: saved jobs run with the data that ``FakeClient.save`` was given."""

    def __init__(self, client: FakeClient) -> None:
        self._client = client
        self.jobs: dict[str, tuple[str, Mapping[str, Any], str]] = {}

    def run(self, name: str, parameters: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """As ``Client.saved.run``; templates stay as they are. ``Submission.options`` has ``saved``, ``parameters``."""
        if name not in self.jobs:
            raise NotFound(404, f"No job is saved as {name!r}.")
        operation, data, target = self.jobs[name]
        target = options.pop("target_hostname", target)
        return self._client.submit(operation, data, target, saved=name, parameters=dict(parameters or {}), **options)


class FakeClient(ObjectMethods):
    """In the place of ``Client``: jobs end at once, with the answers that were set for their hosts.

    ``agents`` are the live hosts with their labels. A host without an answer completes with empty data. ``submissions``
    records every job. Set ``failure`` to an exception, such as ``ConnectionFailed()``, that every request is to raise.
    """

    def __init__(self, agents: Mapping[str, Mapping[str, str]] | None = None) -> None:
        self.submissions: list[Submission] = []
        self.failure: Exception | None = None
        self._agents = {name: dict(labels) for name, labels in (agents or {"host1": {}}).items()}
        self._answers: dict[tuple[str, str | None], _Answer] = {}
        self._held: set[str] = set()
        self._records: dict[str, _Record] = {}
        self.saved = _FakeSaved(self)

    def answer(  # noqa: PLR0913 - one for each field of an answer
        self,
        hostname: str,
        data: Any = None,
        *,
        operation: str | None = None,
        status: str | None = None,
        error: str | None = None,
        changed: bool | None = None,
        stdout: str | None = None,
        stderr: str | None = None,
        exit_code: int | None = None,
    ) -> None:
        """Set what a host answers from now on: to ``operation``, or to every one without an answer of its own.

        ``stdout``, ``stderr`` and ``exit_code`` make the data of a command. ``status`` is completed by default, and
        failed with an ``error``. Raises ``ValueError`` for a host that is not there or a status that is not final.
        """
        self._require(hostname)
        state = ExecutionState(status or ("failed" if error else "completed"))
        if state not in FINAL_STATES:
            raise ValueError(f"{state} is not a final state; use {', '.join(sorted(FINAL_STATES))}.")
        output = {"stdout": stdout, "stderr": stderr, "exit_code": exit_code}
        if any(value is not None for value in output.values()):
            data = {"stdout": stdout or "", "stderr": stderr or "", "exit_code": exit_code or 0, **(data or {})}
        self._answers[hostname, operation] = _Answer(state, {} if data is None else data, error, changed)

    def save(self, name: str, operation: str, data: Mapping[str, Any] | None = None, target: str = ANY) -> None:
        """Have a saved job, which ``run_saved`` runs."""
        self.saved.jobs[name] = (operation, dict(data or {}), target)

    def hold(self, hostname: str) -> None:
        """Let a host not answer until ``release``: its jobs stay in processing."""
        self._require(hostname)
        self._held.add(hostname)

    def release(self, hostname: str) -> None:
        """Let a host answer, also to the jobs that wait for it."""
        self._held.discard(hostname)
        for record in self._records.values():
            self._let_answer(record)

    def close(self) -> None:
        """Nothing is open."""

    # -- the calls that the objects make ------------------------------------------------------------------------------

    def submit(
        self, operation: str, data: Mapping[str, Any] | None = None, target: str = ANY, **options: Any
    ) -> dict[str, Any]:
        """As ``Client.submit``."""
        self._fail()
        key = options.get("idempotency_key")
        for record in self._records.values() if key is not None else ():
            if record.submission.options.get("idempotency_key") == key:
                return self._accepted(record)
        job_id = str(uuid.uuid4())
        hosts = self._hosts(target)
        submission = Submission(job_id, operation, dict(data or {}), target, options)
        self.submissions.append(submission)
        self._records[job_id] = record = _Record(submission, hosts, _now())
        self._let_answer(record)
        return self._accepted(record)

    def job(self, job_id: str) -> dict[str, Any]:
        """As ``Client.job``."""
        self._fail()
        return self._document(self._record(job_id))

    def iter_jobs(self, **query: Any) -> Iterator[dict[str, Any]]:
        """As ``Client.iter_jobs``, by ``status``, ``operation``, ``target`` and ``hostname``."""
        self._fail()
        unknown = query.keys() - {"status", "operation", "target", "hostname", "limit"}
        if unknown:
            raise NotImplementedError(f"FakeClient does not search by {', '.join(sorted(unknown))}.")
        for record in reversed(list(self._records.values())):
            document = self._document(record)
            jobs = {
                "status": document["status"],
                "operation": record.submission.operation,
                "target": record.submission.target,
            }
            is_there = query.get("hostname") is None or query["hostname"] in record.hosts
            if is_there and all(query.get(name) in (None, value) for name, value in jobs.items()):
                yield document

    def cancel(self, job_id: str) -> dict[str, Any]:
        """As ``Client.cancel``."""
        self._fail()
        record = self._record(job_id)
        if len(record.answers) == len(record.hosts):
            raise Conflict(409, f"Job {job_id} has ended; it cannot be cancelled.")
        record.cancelled = True
        for host in record.hosts:
            record.answers.setdefault(host, _Answer(ExecutionState.CANCELLED, None, None, None))
        return self._document(record)

    def retry(
        self, job_id: str, target_hostname: str | None = None, only: Sequence[str] | None = None
    ) -> dict[str, Any]:
        """As ``Client.retry``."""
        self._fail()
        record = self._record(job_id)
        old, responses = record.submission, self._document(record)["responses"]
        hosts = tuple(host for host in record.hosts if only is None or responses.get(host, {}).get("status") in only)
        if not hosts:
            raise Conflict(409, f"Job {job_id} has no host to retry.")
        options = {name: value for name, value in old.options.items() if name != "idempotency_key"}
        answer = self.submit(old.operation, old.data, target_hostname or old.target, **options)
        new = self._records[answer["job_id"]]
        if target_hostname is None:
            new.hosts = hosts
            new.answers.clear()
            self._let_answer(new)
        new.retry_of = job_id
        record.retried_as.append(answer["job_id"])
        return answer

    def delete(self, job_id: str) -> None:
        """As ``Client.delete``."""
        self._fail()
        if self._document(self._record(job_id))["status"] in ("submitted", "processing"):
            raise Conflict(409, f"Job {job_id} has not ended; cancel it first.")
        del self._records[job_id]

    def iter_logs(self, job_id: str, hostname: str | None = None, offset: int = 0) -> Iterator[dict[str, Any]]:
        """As ``Client.iter_logs``: the standard output of each host, as one chunk."""
        self._fail()
        record = self._record(job_id)
        responses = self._document(record)["responses"]
        for host in [hostname] if hostname is not None else record.hosts:
            response = responses.get(host, {})
            data = response.get("data")
            text = str(data.get("stdout") or "") if isinstance(data, Mapping) else ""
            chunks = [{"offset": offset, "stream": "stdout", "attempt": 1, "text": text[offset:]}] if text else []
            yield {"hostname": host, "status": response.get("status"), "complete": True, "chunks": chunks}

    follow_logs = iter_logs

    def iter_agents(self) -> Iterator[dict[str, Any]]:
        """Every agent."""
        yield from self.agents()["agents"]

    def agents(self) -> dict[str, Any]:
        """As ``Client.agents``."""
        self._fail()
        return {"agents": [self._agent(name) for name in self._agents], "total": len(self._agents)}

    def agent(self, hostname: str) -> dict[str, Any]:
        """As ``Client.agent``."""
        self._fail()
        if hostname not in self._agents:
            raise NotFound(404, f"No agent has the hostname {hostname!r}.")
        return self._agent(hostname)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _require(self, hostname: str) -> None:
        if hostname not in self._agents:
            raise ValueError(f"This client has no agent {hostname!r}; it has {', '.join(self._agents)}.")

    def _record(self, job_id: str) -> _Record:
        if job_id not in self._records:
            raise NotFound(404, f"No job has the id {job_id}.")
        return self._records[job_id]

    def _hosts(self, target: str) -> tuple[str, ...]:
        """The hosts that a target names: ``_any`` (the first), ``_all``, hostnames with commas between, or a label."""
        names = list(self._agents)
        if target in (ANY, ALL):
            return tuple(names[:1] if target == ANY else names)
        if ":" in target:
            hostnames = tuple(name for name in names if target in self._labels(name))
        else:
            hostnames = tuple(target.split(","))
            if not set(hostnames) <= self._agents.keys():
                hostnames = ()
        if not hostnames:
            raise InvalidRequest(400, f"The target {target!r} names no agent; there are {', '.join(names)}.")
        return hostnames

    def _labels(self, hostname: str) -> set[str]:
        labels = self._agents[hostname].items()
        return {prefix for key, value in labels for prefix in label_prefixes(key, value)}

    def _agent(self, hostname: str) -> dict[str, Any]:
        return {
            "hostname": hostname,
            "status": "live",
            "state": "Ready",
            "labels": dict(self._agents[hostname]),
            "version": _VERSION,
        }

    def _accepted(self, record: _Record) -> dict[str, Any]:
        answer = {"job_id": record.submission.job_id, "status": "submitted", "revision": 1}
        return {**answer, "timestamp": record.created}

    def _document(self, record: _Record) -> dict[str, Any]:
        submission = record.submission
        states, responses = {}, {}
        counts: dict[ExecutionState, int] = {}
        for host in record.hosts:
            answer = record.answers.get(host)
            state = ExecutionState.STARTED if answer is None else answer.status
            counts[state] = counts.get(state, 0) + 1
            states[host] = {"status": state.value, "error": answer and answer.error, "duration": None}
            if answer is not None:
                responses[host] = {
                    "status": state.value,
                    "data": answer.data,
                    "changed": answer.changed,
                    "error": answer.error,
                    "hostname": host,
                }
        errors = [response["error"] for response in responses.values() if response["error"]]
        return {
            "title": None,
            "description": None,
            "tags": {},
            **{name: value for name, value in submission.options.items() if name not in _REQUEST_ONLY},
            "id": submission.job_id,
            "status": derive_status(counts).value,
            "created": record.created,
            "updated_at": record.created,
            "operation": {"type": submission.operation, "data": dict(submission.data)},
            "target_hostname": submission.target,
            "error": errors[0] if errors else None,
            "expected_agents": list(record.hosts),
            "retry_of": record.retry_of,
            "retried_as": list(record.retried_as),
            "cancel_requested": record.cancelled,
            "responses": responses,
            "agent_states": states,
        }

    def _let_answer(self, record: _Record) -> None:
        """Let those hosts of a job answer that are not held and have not answered yet."""
        for host in record.hosts:
            if host not in self._held and host not in record.answers:
                general = self._answers.get((host, None), _Answer(ExecutionState.COMPLETED, {}, None, None))
                record.answers[host] = self._answers.get((host, record.submission.operation), general)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
