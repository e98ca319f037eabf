"""The Python client against the running system, as a program that uses it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from jobqueue.client import AsyncClient, Client, Forbidden, JobFailed, WaitTimeout
from tests.acceptance.support.stack import Stack


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with Client.from_env(stack.environ) as found:
        yield found


def test_results_of_a_broadcast(client: Client) -> None:
    job = client.run("echo hello from $0", on="_all", title="greeting")
    results = {result.hostname: result for result in job.results(timeout=60)}
    assert len(results) >= 3
    for result in results.values():
        assert (result.ok, result.exit_code) == (True, 0)
        assert result.stdout.startswith("hello from")
        assert result.duration is not None
    ended = job.wait(check=True, timeout=60)
    assert set(ended.hosts) == results.keys()
    assert (ended.title, ended.target, ended.operation) == ("greeting", "_all", "command.shell.execute")
    assert "hello" in "".join(ended.output(next(iter(results))))


def test_a_job_that_takes_long_delays_no_other(client: Client) -> None:
    first, second, *_ = sorted(agent.hostname for agent in client.hosts() if agent.is_live)
    slow = client.run("sleep 600", on=second)
    quick = client.run("echo quick", on=first)
    assert next(quick.results(timeout=60)).stdout == "quick\n"
    with pytest.raises(WaitTimeout):
        slow.wait(timeout=0.2)
    slow.cancel()
    assert slow.wait(timeout=60).status == "cancelled"


def test_failures_name_the_hosts(client: Client) -> None:
    host = next(agent.hostname for agent in client.hosts() if agent.is_live)
    jobs = [client.run("echo gone wrong >&2; exit 3", on=host), client.run("true", on=host)]
    with pytest.raises(JobFailed) as raised:
        client.wait_many(jobs, check=True, timeout=60)
    assert raised.value.hosts == (host,)
    (result,) = raised.value.results
    assert (result.exit_code, result.stderr.strip()) == (3, "gone wrong")
    assert host in str(raised.value)


def test_asyncio(stack: Stack) -> None:
    async def main() -> list[str]:
        async with AsyncClient(stack.api.url, stack.api.token) as client:
            jobs = [await client.run(f"echo {number}", on="_any") for number in range(5)]
            ended = await client.wait_many(jobs, check=True, timeout=60)
            return [result.stdout.strip() for job in ended async for result in job.results()]

    assert asyncio.run(main()) == ["0", "1", "2", "3", "4"]


def test_a_key_without_the_permission(client: Client) -> None:
    key = client.create_key("reader", roles=["read"])["key"]
    with Client(client.url, key) as reader:
        assert reader.hosts()
        with pytest.raises(Forbidden, match="job:write"):
            reader.run("true", on="_any")
