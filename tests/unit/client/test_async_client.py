"""The client for asyncio: the same names and answers."""

from __future__ import annotations

import asyncio
import inspect
import time

import pytest

from jobqueue.client import AsyncClient, AsyncJob, ConnectionFailed, Job, JobClient, JobFailed, WaitTimeout
from jobqueue.testing import FakeClient
from tests.unit.client.fake_api import FakeApi, Reply
from tests.unit.client.test_objects import JOB, STARTED, a_job, done


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


def test_the_names_are_the_same() -> None:
    assert public(JobClient) <= public(AsyncClient)
    methods = {name for name, _ in inspect.getmembers(Job, inspect.isfunction) if not name.startswith("_")}
    assert methods - {"check", "answers"} <= public(AsyncJob)


@pytest.mark.parametrize("name", ["run", "start", "search", "wait_many", "host"])
def test_the_parameters_are_the_same(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(kind, name)).parameters for kind in (AsyncClient, JobClient))
    assert list(ours) == list(theirs)
    assert [one.default for one in ours.values()] == [one.default for one in theirs.values()]


def test_a_job_over_http(api: FakeApi) -> None:
    api.on("POST", "/job", Reply(201, {"job_id": "7", "status": "submitted"}))
    api.on(
        "GET",
        JOB,
        Reply(200, a_job("processing", web1=STARTED, web2=STARTED)),
        Reply(200, a_job("processing", web1=done(stdout="a", exit_code=0), web2=STARTED)),
        Reply(200, a_job(web1=done(stdout="a", exit_code=0), web2=done(stdout="b", exit_code=0))),
    )

    async def main() -> list[str]:
        async with AsyncClient(api.url, "t0ken") as client:
            job = await client.run("df -h", on="group:web")
            found = [result.stdout async for result in job.results()]
            assert (await job.wait(check=True)).ok
            assert (await job.refresh()).status == "completed"
            return found

    assert asyncio.run(main()) == ["a", "b"]


def test_waiting_does_not_block_the_loop() -> None:
    fake = FakeClient()
    fake.hold("host1")

    async def main() -> float:
        client = AsyncClient(client=fake)
        jobs = [await client.run("x", on="host1") for _ in range(50)]  # more than the executor has threads
        waiting = asyncio.create_task(client.wait_many(jobs, timeout=30))
        begun = time.monotonic()
        await asyncio.sleep(0.05)
        late = time.monotonic() - begun
        fake.release("host1")
        assert all(job.ok for job in await waiting)
        return late

    assert asyncio.run(main()) < 5


def test_errors_are_raised() -> None:
    fake = FakeClient({"web1": {}, "web2": {}})
    fake.answer("web2", error="no disk")

    async def main() -> None:
        client = AsyncClient(client=fake)
        job = await client.run("x", on="_all")
        with pytest.raises(JobFailed, match="web2: no disk"):
            await job.wait(check=True)
        with pytest.raises(JobFailed):
            await client.wait_many([job], check=True)
        assert [job.id async for job in client.search(operation="command.shell.execute")] == [job.id]
        fake.hold("web1")
        with pytest.raises(WaitTimeout):
            await (await client.run("x", on="web1")).wait(timeout=0.05)
        fake.failure = ConnectionFailed()
        with pytest.raises(ConnectionFailed):
            await client.hosts()

    asyncio.run(main())


def test_cancelling_the_task_ends_the_wait() -> None:
    fake = FakeClient()
    fake.hold("host1")

    async def main() -> None:
        job = await AsyncClient(client=fake).run("x", on="host1")
        task = asyncio.create_task(job.wait())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(asyncio.wait_for(main(), 10))
