"""The methods of a client that return objects."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Protocol, TypedDict, Unpack, cast

from jobqueue.client.jobs import Calls, Job, raise_for
from jobqueue.client.objects import Agent
from jobqueue.model.concurrency import Concurrency
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.rollout import Rollout

SHELL = "command.shell.execute"


class JobOptions(TypedDict, total=False):
    """The options of a job besides its operation and target; see ``Client.submit``."""

    title: str
    description: str
    timeout_seconds: float
    not_before: datetime | str
    expires_at: datetime | str
    retries: RetryPolicy | Mapping[str, Any]
    rollout: Rollout | Mapping[str, Any]
    concurrency: Concurrency | Mapping[str, Any]
    priority: int
    tags: Mapping[str, str]
    idempotency_key: str


class JobClient(Protocol):
    """The methods of both ``Client`` and ``jobqueue.testing.FakeClient``; annotate code that takes either with it."""

    def run(self, command: str, *, on: str, **options: Unpack[JobOptions]) -> Job: ...
    def start(
        self, operation: str, data: Mapping[str, Any] | None = None, *, on: str, **options: Unpack[JobOptions]
    ) -> Job: ...
    def run_saved(
        self, name: str, parameters: Mapping[str, Any] | None = None, *, on: str | None = None, **options: Any
    ) -> Job: ...
    def get(self, job_id: str) -> Job: ...
    def search(self, **query: Any) -> Iterator[Job]: ...
    def wait_many(self, jobs: Iterable[Job], *, check: bool = False, timeout: float | None = None) -> list[Job]: ...
    def hosts(self) -> list[Agent]: ...
    def host(self, hostname: str) -> Agent: ...
    def close(self) -> None: ...


class ObjectMethods:
    """A mixin for classes that have the methods of ``Calls``."""

    def run(self, command: str, *, on: str, **options: Unpack[JobOptions]) -> Job:
        """Run a shell command line on the hosts ``on``: a hostname, a label as ``group:web``, ``_all`` or ``_any``."""
        return self.start(SHELL, {"command": command}, on=on, **options)

    def start(
        self, operation: str, data: Mapping[str, Any] | None = None, *, on: str, **options: Unpack[JobOptions]
    ) -> Job:
        """Submit a job with any operation."""
        answer = self._calls.submit(operation, data, on, **options)
        fields = {
            "id": answer["job_id"],
            "status": answer.get("status"),
            "created": answer.get("timestamp"),
            "operation": {"type": operation, "data": dict(data or {})},
            "target_hostname": on,
            "title": options.get("title"),
            "tags": dict(options.get("tags") or {}),
        }
        return Job.of(fields, self._calls)

    def run_saved(
        self, name: str, parameters: Mapping[str, Any] | None = None, *, on: str | None = None, **options: Any
    ) -> Job:
        """Run a saved job with values of its parameters. ``on`` is another target, if the saved job allows one;
        ``options`` are those of ``Client.saved.run``.
        """
        target = {} if on is None else {"target_hostname": on}
        answer = self._calls.saved.run(name, parameters, **target, **options)
        return Job.of(self._calls.job(answer["job_id"]), self._calls)

    def get(self, job_id: str) -> Job:
        """A job by its id. Raises ``NotFound``."""
        return Job.of(self._calls.job(job_id), self._calls)

    def search(self, **query: Any) -> Iterator[Job]:
        """Every matching job, newest first; ``query`` as for ``jobs``."""
        for document in self._calls.iter_jobs(**query):
            yield Job.of(document, self._calls)

    def wait_many(self, jobs: Iterable[Job], *, check: bool = False, timeout: float | None = None) -> list[Job]:
        """All of ``jobs`` once they have ended, in the same order.

        ``check``: then raise ``JobFailed`` for those that did not end well, with all of their hosts. Raises
        ``WaitTimeout`` for the first that has not ended after ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        ended = []
        for job in jobs:
            seconds = None if deadline is None else max(0.0, deadline - time.monotonic())
            ended.append(job.wait(timeout=seconds))
        if check:
            raise_for(ended)
        return ended

    def hosts(self) -> list[Agent]:
        """All agents, live or not."""
        return [Agent.of(document) for document in self._calls.iter_agents()]

    def host(self, hostname: str) -> Agent:
        """One agent. Raises ``NotFound``."""
        return Agent.of(self._calls.agent(hostname))

    @property
    def _calls(self) -> Calls:
        return cast(Calls, self)
