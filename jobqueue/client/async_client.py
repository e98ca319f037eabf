"""The client for asyncio: the same names, each a coroutine or an asynchronous iterator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar, Unpack

from jobqueue.client.client import Client
from jobqueue.client.errors import ConnectionFailed, Unavailable
from jobqueue.client.jobs import Document, Job, raise_for
from jobqueue.client.object_methods import JobClient, JobOptions
from jobqueue.client.objects import Agent, JobInfo, Result, job_values, results_of
from jobqueue.client.polling import Pacer

Value = TypeVar("Value")
_END = object()


class AsyncJob:
    """A job, as ``Job``: its fields are those of ``info``, and its methods are to be awaited."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __repr__(self) -> str:
        return f"Async{self._job!r}"

    @property
    def info(self) -> JobInfo:
        """The job as it was when the API answered."""
        return self._job

    @property
    def id(self) -> str:
        return self._job.id

    @property
    def status(self) -> str:
        return self._job.status

    @property
    def ok(self) -> bool:
        """Whether the job has ended well."""
        return self._job.ok

    @property
    def raw(self) -> Mapping[str, Any]:
        """The API's JSON."""
        return self._job.raw

    async def refresh(self) -> AsyncJob:
        """The job as it is now."""
        return AsyncJob(await asyncio.to_thread(self._job.refresh))

    async def wait(self, *, check: bool = False, timeout: float | None = None) -> AsyncJob:
        """See ``Job.wait``."""
        document: Document = {}
        async for document in self._documents(timeout):  # noqa: B007 (the last one counts)
            pass
        job = Job.of(document, self._job.calls)
        if check:
            job.check()
        return AsyncJob(job)

    async def results(self, *, timeout: float | None = None) -> AsyncIterator[Result]:
        """See ``Job.results``."""
        seen: set[str] = set()
        async for document in self._documents(timeout):
            for result in results_of(document):
                if result.hostname not in seen:
                    seen.add(result.hostname)
                    yield result

    async def output(self, hostname: str | None = None, *, follow: bool = False) -> AsyncIterator[str]:
        """See ``Job.output``."""
        async for text in _in_thread(self._job.output(hostname, follow=follow)):
            yield text

    async def cancel(self) -> AsyncJob:
        """See ``Job.cancel``."""
        return AsyncJob(await asyncio.to_thread(self._job.cancel))

    async def retry(self, *, only: Sequence[str] | None = None) -> AsyncJob:
        """See ``Job.retry``."""
        return AsyncJob(await asyncio.to_thread(lambda: self._job.retry(only=only)))

    async def delete(self) -> None:
        """See ``Job.delete``."""
        await asyncio.to_thread(self._job.delete)

    async def _documents(self, timeout: float | None) -> AsyncIterator[Document]:
        pacer = Pacer(self.id, timeout)
        pacer.answered(self.raw)
        while True:
            pacer.ask()
            try:
                document = await asyncio.to_thread(self._job.calls.job, self.id)
            except (ConnectionFailed, Unavailable) as error:
                pacer.unreachable(error)
            else:
                pacer.answered(document)
                yield document
                if JobInfo(**job_values(document)).is_final:
                    return
            await asyncio.sleep(pacer.pause())


class AsyncClient:
    """A client for asyncio.

    ::

        async with AsyncClient() as client:
            job = await client.run("df -h", on="group:web")
            async for result in job.results():
                print(result.hostname, result.stdout)

    Takes the arguments of ``Client``, or a client to use: ``AsyncClient(client=FakeClient())``. Each request runs in a
    thread of the loop's default executor; waiting between requests takes none.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        context: str | None = None,
        timeout: float = 30.0,
        retries: int = 4,
        client: JobClient | None = None,
    ) -> None:
        self._client = client or Client(url, token, context=context, timeout=timeout, retries=retries)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._client.close)

    async def run(self, command: str, *, on: str, **options: Unpack[JobOptions]) -> AsyncJob:
        """See ``Client.run``."""
        return AsyncJob(await asyncio.to_thread(lambda: self._client.run(command, on=on, **options)))

    async def start(
        self, operation: str, data: Mapping[str, Any] | None = None, *, on: str, **options: Unpack[JobOptions]
    ) -> AsyncJob:
        """See ``Client.start``."""
        return AsyncJob(await asyncio.to_thread(lambda: self._client.start(operation, data, on=on, **options)))

    async def run_saved(
        self, name: str, parameters: Mapping[str, Any] | None = None, *, on: str | None = None, **options: Any
    ) -> AsyncJob:
        """See ``Client.run_saved``."""
        return AsyncJob(await asyncio.to_thread(self._client.run_saved, name, parameters, on=on, **options))

    async def get(self, job_id: str) -> AsyncJob:
        """See ``Client.get``."""
        return AsyncJob(await asyncio.to_thread(self._client.get, job_id))

    async def search(self, **query: Any) -> AsyncIterator[AsyncJob]:
        """See ``Client.search``."""
        async for job in _in_thread(self._client.search(**query)):
            yield AsyncJob(job)

    async def wait_many(
        self, jobs: Iterable[AsyncJob], *, check: bool = False, timeout: float | None = None
    ) -> list[AsyncJob]:
        """See ``Client.wait_many``."""
        ended = await asyncio.gather(*(job.wait(timeout=timeout) for job in jobs))
        if check:
            raise_for([job.info for job in ended])
        return list(ended)

    async def hosts(self) -> list[Agent]:
        """See ``Client.hosts``."""
        return await asyncio.to_thread(self._client.hosts)

    async def host(self, hostname: str) -> Agent:
        """See ``Client.host``."""
        return await asyncio.to_thread(self._client.host, hostname)


async def _in_thread(items: Iterator[Value]) -> AsyncIterator[Value]:
    """The items of an iterator that blocks."""
    step: Callable[[], Any] = lambda: next(items, _END)  # noqa: E731 (StopIteration cannot leave a coroutine)
    while (item := await asyncio.to_thread(step)) is not _END:
        yield item
