"""Services that know entrypoints, names, filters and pages."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from jobqueue.errors import AliasTaken, JobNotFound
from jobqueue.model.audit import AuditEntry
from jobqueue.model.filter import JobFilter, JobPage
from jobqueue.model.job import Execution, Job
from jobqueue.model.output import OutputPage
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.submission import Accepted, Submission
from jobqueue.model.timeline import Event
from tests.unit.api.fakes import AN_AGENT, FakeServices, a_job

CREATED = 1_718_359_200_000_000
PACKAGE = "_ray_pkg_0123456789abcdef.zip"

AGENTS = [
    replace(
        AN_AGENT,
        hostname="web1",
        labels={"zone": "a", "disk": "ssd"},
        facts={"cpus": 2, "memory": {"total": 1000}},
        operations=("entrypoint.run",),
    ),
    replace(
        AN_AGENT,
        hostname="web2",
        labels={"zone": "b"},
        facts={"cpus": 8, "memory": {"total": 4000}},
        operations=("entrypoint.run",),
    ),
    replace(AN_AGENT, hostname="old", labels={"zone": "a"}, facts={"cpus": 64}, operations=("node.hostname.get",)),
]


@dataclass
class RayServices(FakeServices):
    """Every page of output belongs to the hostname in it."""

    stopped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.agents_known = list(AGENTS)

    def _submit(self, submission: Submission, audit_entry: AuditEntry | None = None) -> Accepted:
        self._fail()
        taken = next((job for job in self.store.values() if job.alias == submission.alias), None)
        if taken:
            raise AliasTaken(details={"job_id": taken.id})
        self.submitted.append(submission)
        job = an_entrypoint(
            ExecutionState.SUBMITTED,
            id=str(uuid.uuid4()),
            alias=submission.alias,
            data=submission.data,
            origin=submission.origin,
        )
        self.store[job.id] = job
        return Accepted(job.id, job.created)

    def _find(self, name: str) -> Job:
        self._fail()
        for job in self.store.values():
            if name == job.alias:
                return job
        if name not in self.store:
            raise JobNotFound.of(name)
        return self.store[name]

    def _cancel(self, job_id: str, who: str = "") -> Job:
        found = super()._cancel(job_id, who)
        self.stopped.append(job_id)
        return found

    def _page(self, wanted: JobFilter) -> JobPage:
        self._fail()
        self.filters.append(wanted)
        matching = [
            job
            for job in sorted(self.store.values(), key=lambda job: -job.created)
            if (wanted.status in (None, job.status)) and (wanted.cursor is None or job.created < wanted.cursor)
        ]
        items = tuple(matching[wanted.offset : wanted.offset + wanted.limit])
        full = len(items) == wanted.limit
        return JobPage(items, len(matching), {}, items[-1].created if full else None)

    def _output_page(self, job_id: str, hostname: str | None = None, offset: int = 0) -> OutputPage:
        self._job(job_id)
        pages = [page for page in self.pages if hostname in (None, page.hostname)]
        empty = OutputPage(hostname or "web1", (), offset, 0, True, "completed")
        return next((page for page in pages if page.chunks and page.next_offset > offset), empty)

    def _follow(
        self, job_id: str, hostname: str | None = None, offset: int = 0, host_before: str = ""
    ) -> Iterator[OutputPage]:
        self._job(job_id)
        return (page for page in self.pages if hostname in (None, page.hostname))


def an_execution(state: ExecutionState, **fields: Any) -> Execution:
    """One on web1 that took 45 ms if it has ended."""
    values: dict[str, Any] = {"slot": "_any", "hostname": "web1", "state": state, "attempt": 1}
    if state in (ExecutionState.SUBMITTED, ExecutionState.EXPIRED):
        values["hostname"] = ""
    elif state is not ExecutionState.ACKNOWLEDGED:
        values["started"] = CREATED + 1_000_000
    if state.is_final:
        values["finished"] = CREATED + 1_045_000
        values["events"] = (Event(CREATED + 1_045_000, state.value, values["hostname"], fields.get("error") or ""),)
    return Execution(**{**values, **fields})


def an_entrypoint(state: ExecutionState = ExecutionState.COMPLETED, **fields: Any) -> Job:
    """A job as it is submitted by Ray's client, whose one execution is in ``state``; ``execution=`` has its fields."""
    statuses = {
        ExecutionState.SUBMITTED: JobStatus.SUBMITTED,
        ExecutionState.ACKNOWLEDGED: JobStatus.PROCESSING,
        ExecutionState.STARTED: JobStatus.PROCESSING,
        ExecutionState.COMPLETED: JobStatus.COMPLETED,
        ExecutionState.SKIPPED: JobStatus.SKIPPED,
        ExecutionState.CANCELLED: JobStatus.CANCELLED,
    }
    values: dict[str, Any] = {
        "status": statuses.get(state, JobStatus.FAILED),
        "created": CREATED,
        "updated": CREATED + 2_000_000,
        "operation": "entrypoint.run",
        "data": {"entrypoint": "python script.py"},
        "origin": "ray",
        "alias": "raysubmit_1",
        "executions": (an_execution(state, **fields.pop("execution", {})),),
    }
    return a_job(**{**values, **fields})
