"""The fake client for users' tests: it answers in the shapes of the real one."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from jobqueue.client import (
    AsyncClient,
    Client,
    Conflict,
    ConnectionFailed,
    InvalidRequest,
    JobClient,
    JobFailed,
    NotFound,
)
from jobqueue.testing import FakeClient


def report(client: JobClient) -> dict[str, str]:
    """As a user would write it."""
    job = client.run("df --output=pcent /", on="group:web")
    return {result.hostname: result.stdout if result.ok else "failed" for result in job.results()}


def a_client() -> FakeClient:
    return FakeClient({"web1": {"group": "web.dev"}, "web2": {"group": "web.prod"}, "db1": {"group": "db"}})


def test_the_example_of_its_documentation() -> None:
    client = FakeClient({"web1": {"group": "web"}, "web2": {"group": "web"}})
    client.answer("web1", stdout="91%")
    client.answer("web2", error="The command exited with code 1", exit_code=1)
    assert report(client) == {"web1": "91%", "web2": "failed"}
    assert client.submissions[0].data == {"command": "df --output=pcent /"}
    assert client.submissions[0].target == "group:web"


def test_both_clients_have_the_interface() -> None:
    names = {name for name in dir(JobClient) if not name.startswith("_")}
    for kind in (Client, FakeClient):
        assert names <= set(dir(kind)), kind


@pytest.mark.parametrize(
    ("target", "hosts"),
    [
        ("_all", ["web1", "web2", "db1"]),
        ("_any", ["web1"]),
        ("db1", ["db1"]),
        ("web2,db1", ["web2", "db1"]),
        ("group:web", ["web1", "web2"]),
        ("group:web.dev", ["web1"]),
    ],
)
def test_targets(target: str, hosts: list[str]) -> None:
    assert [result.hostname for result in a_client().run("x", on=target).results()] == hosts


@pytest.mark.parametrize("target", ["web9", "web1,web9", "group:none"])
def test_a_target_without_agents(target: str) -> None:
    with pytest.raises(InvalidRequest, match="names no agent"):
        a_client().run("x", on=target)


def test_answers_by_operation() -> None:
    client = a_client()
    client.answer("web1", {"hostname": "one"}, operation="node.hostname.get", changed=False)
    (result,) = client.start("node.hostname.get", on="web1").results()
    assert result.data == {"hostname": "one"}
    assert result.changed is False
    (result,) = client.run("x", on="web1").results()
    assert result.data == {}


def test_failures() -> None:
    client = a_client()
    client.answer("web2", status="lost")
    with pytest.raises(JobFailed) as raised:
        client.run("x", on="group:web", title="disks").wait(check=True)
    assert raised.value.hosts == ("web2",)
    assert "(disks)" in str(raised.value)
    assert raised.value.job.status == "partial_failure"


def test_a_held_host_answers_later() -> None:
    client = a_client()
    client.hold("web2")
    job = client.run("x", on="group:web")
    results = job.results()
    assert next(results).hostname == "web1"
    assert job.refresh().status == "processing"
    with pytest.raises(Conflict):
        job.delete()
    client.release("web2")
    assert next(results).hostname == "web2"
    assert job.wait().ok


def test_cancelling() -> None:
    client = a_client()
    client.hold("web1")
    job = client.run("x", on="web1")
    assert job.cancel().status == "cancelled"
    with pytest.raises(Conflict):
        job.cancel()


def test_retrying() -> None:
    client = a_client()
    client.answer("web2", error="once")
    job = client.run("x", on="group:web", tags={"a": "b"}, idempotency_key="k")
    client.answer("web2", stdout="now")
    assert [result.error for result in job.wait().failures] == ["once"]  # what was answered does not change
    again = job.retry()
    assert again.wait().ok
    assert again.raw["retry_of"] == job.id
    assert again.tags == {"a": "b"}
    assert [result.hostname for result in again.results()] == ["web1", "web2"]


def test_retrying_the_failed_only() -> None:
    client = FakeClient({"web1": {}, "web2": {}})
    client.answer("web2", error="always")
    again = client.run("x", on="_all").retry(only=["failed"])
    assert [result.hostname for result in again.results()] == ["web2"]
    with pytest.raises(Conflict):
        client.run("x", on="web1").retry(only=["failed"])


def test_the_same_key_makes_one_job() -> None:
    client = a_client()
    ids = {client.run("x", on="web1", idempotency_key="k").id for _ in range(2)}
    assert len(ids) == len(client.submissions) == 1


def test_output_and_search() -> None:
    client = a_client()
    client.answer("web1", stdout="hello")
    job = client.run("x", on="web1")
    assert list(job.output()) == list(job.output(follow=True)) == ["hello"]
    other = client.start("node.hostname.get", on="_all")
    assert [found.id for found in client.search()] == [other.id, job.id]
    assert [found.id for found in client.search(hostname="db1")] == [other.id]
    assert list(client.search(status="failed")) == []
    with pytest.raises(NotImplementedError, match="tag"):
        list(client.search(tag="a:b"))
    assert list(job.output("web1")) == ["hello"]
    assert list(other.output()) == ["hello"], "that of all hosts"


def test_hosts() -> None:
    client = a_client()
    assert [agent.hostname for agent in client.hosts()] == ["web1", "web2", "db1"]
    assert client.host("db1").labels == {"group": "db"}
    with pytest.raises(NotFound):
        client.host("none")
    with pytest.raises(NotFound):
        client.get("none")


def test_mistakes_of_the_test_itself() -> None:
    client = a_client()
    with pytest.raises(ValueError, match="web9"):
        client.answer("web9")
    with pytest.raises(ValueError, match="not a final state"):
        client.answer("web1", status="started")


def test_every_request_may_fail() -> None:
    client = a_client()
    client.failure = ConnectionFailed("away")
    for call in (client.hosts, lambda: client.run("x", on="web1"), lambda: list(client.search())):
        with pytest.raises(ConnectionFailed):
            call()


PAGE = Path(__file__).parents[2] / "docs/python.md"


def blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("number", range(len(blocks())))
def test_the_examples_of_the_documentation_run(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeClient({"web1": {"group": "web"}, "db1": {"group": "db"}})
    fake.answer("web1", error="no disk")
    monkeypatch.setattr("jobqueue.client.Client", lambda: Opened(fake))
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(blocks()[number], str(PAGE), "exec"), names)  # noqa: S102 (our own documentation)
    if "test_report" in names:
        names["test_report"]()
    if "disk_space" in names:
        monkeypatch.setitem(names, "AsyncClient", lambda: AsyncClient(client=fake))
        asyncio.run(names["disk_space"]())


class Opened:
    """A context manager in the place of ``Client()``."""

    def __init__(self, client: FakeClient) -> None:
        self._client = client

    def __enter__(self) -> FakeClient:
        return self._client

    def __exit__(self, *_: object) -> None: ...


def test_a_saved_job() -> None:
    client = FakeClient({"web1": {}, "web2": {}})
    client.save("deploy", "script.shell.execute", {"script": "true"}, "web1")
    client.answer("web2", stdout="done")
    job = client.run_saved("deploy", {"version": "1.4"}, on="web2")
    assert [result.stdout for result in job.results()] == ["done"]
    assert client.submissions[0].options == {"saved": "deploy", "parameters": {"version": "1.4"}}
    assert client.run_saved("deploy").raw["target_hostname"] == "web1"
    with pytest.raises(NotFound):
        client.run_saved("nothing")
