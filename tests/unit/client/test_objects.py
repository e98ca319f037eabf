"""The client's objects, against an API that answers with the JSON of the real one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from datetime import datetime, timezone
from typing import Any

import pytest

from jobqueue.client import Client, JobFailed, NotFound, WaitTimeout
from jobqueue.client.objects import Result, _seconds
from jobqueue.model.timestamps import duration_text
from tests.unit.client.fake_api import FakeApi, Reply

JOB = "/job/7"


def a_job(status: str = "completed", **hosts: dict[str, Any]) -> dict[str, Any]:
    """A job with the answers of these hosts; one with ``status: started`` has not answered."""
    answered = {name: host for name, host in hosts.items() if host["status"] != "started"}
    return {
        "id": "7",
        "status": status,
        "created": "2026-01-02T03:04:05.678Z",
        "updated_at": "2026-01-02T03:04:06.000Z",
        "operation": {"type": "command.shell.execute", "data": {"command": "df -h"}},
        "error": None,
        "expected_agents": list(hosts),
        "target_hostname": "group:web",
        "title": "disks",
        "tags": {"a": "b"},
        "responses": {name: {"data": None, "changed": None, "error": None, **host} for name, host in answered.items()},
        "agent_states": {name: {"status": host["status"], "duration": "1.5s"} for name, host in hosts.items()},
    }


def done(**data: Any) -> dict[str, Any]:
    return {"status": "completed", "changed": True, "data": data}


STARTED = {"status": "started"}
FAILED = {"status": "failed", "error": "The command exited with code 1", "data": {"stdout": "x", "exit_code": 1}}


@pytest.fixture
def client(api: FakeApi) -> Iterator[Client]:
    with Client(api.url, "t0ken", retries=0) as found:
        yield found


def test_run(api: FakeApi, client: Client) -> None:
    api.on("POST", "/job", Reply(201, {"job_id": "7", "status": "submitted", "timestamp": "2026-01-02T03:04:05.678Z"}))
    job = client.run("df -h", on="group:web", title="disks", tags={"a": "b"})
    body = {**api.seen[-1].body}
    assert body.pop("idempotency_key")
    assert body == {
        "operation": {"type": "command.shell.execute", "data": {"command": "df -h"}},
        "target_hostname": "group:web",
        "title": "disks",
        "tags": {"a": "b"},
    }
    assert (job.id, job.status, job.target, job.title, job.operation) == (
        "7",
        "submitted",
        "group:web",
        "disks",
        "command.shell.execute",
    )
    assert job.created == datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=timezone.utc)
    assert not job.is_final
    with pytest.raises(FrozenInstanceError):
        job.status = "completed"  # type: ignore[misc]


def test_a_target_must_be_named(client: Client) -> None:
    with pytest.raises(TypeError, match="on"):
        client.run("reboot")  # type: ignore[call-arg]


def test_results_come_one_by_one_each_once(api: FakeApi, client: Client) -> None:
    api.on(
        "GET",
        JOB,
        Reply(200, a_job("processing", web1=STARTED, web2=STARTED)),
        Reply(200, a_job("processing", web1=done(stdout="91%\n", stderr="!", exit_code=0), web2=STARTED)),
        Reply(200, a_job("partial_failure", web1=done(stdout="91%\n", exit_code=0), web2=FAILED)),
    )
    job = client.get("7")
    results = job.results(timeout=30)
    first = next(results)
    assert (first.hostname, first.ok, first.stdout, first.stderr, first.exit_code) == ("web1", True, "91%\n", "!", 0)
    assert first.duration == 1.5
    assert first.changed is True
    (second,) = results
    assert (second.hostname, second.ok, second.is_failure, second.exit_code) == ("web2", False, True, 1)
    assert second.error == "The command exited with code 1"
    assert second.raw["status"] == "failed"


def test_wait_and_check(api: FakeApi, client: Client) -> None:
    lost = {"status": "lost", "error": "The agent's lease expired."}
    api.on("GET", JOB, Reply(200, a_job("partial_failure", web1=done(), web2=FAILED, web3=lost)))
    job = client.get("7").wait()
    assert job.status == "partial_failure"
    assert [result.hostname for result in job.failures] == ["web2", "web3"]
    with pytest.raises(JobFailed) as raised:
        job.wait(check=True)
    assert raised.value.hosts == ("web2", "web3")
    assert raised.value.job.id == "7"
    assert raised.value.message == (
        "Job 7 (disks) failed on 2 of 3 hosts: web2: The command exited with code 1; web3: The agent's lease expired."
    )
    api.on("GET", JOB, Reply(200, a_job("completed", web1=done())))
    assert client.get("7").wait(check=True).ok


def test_a_cancelled_job_has_not_ended_well(api: FakeApi, client: Client) -> None:
    api.on("GET", JOB, Reply(200, {**a_job("cancelled"), "title": None, "error": "cancelled by alice."}))
    with pytest.raises(JobFailed, match=r"^Job 7 ended as cancelled: cancelled by alice\.$"):
        client.get("7").wait(check=True)


def test_a_message_names_ten_hosts(api: FakeApi, client: Client) -> None:
    api.on("GET", JOB, Reply(200, a_job("failed", **{f"web{number}": FAILED for number in range(25)})))
    with pytest.raises(JobFailed) as raised:
        client.get("7").wait(check=True)
    assert len(raised.value.hosts) == 25
    assert raised.value.message.endswith("; and 15 more.")
    assert len(raised.value.message) < 1000


def test_a_time_limit(api: FakeApi, client: Client) -> None:
    api.on("GET", JOB, Reply(200, a_job("processing", web1=STARTED)))
    job = client.get("7")
    with pytest.raises(WaitTimeout, match="did not end within"):
        job.wait(timeout=0.05)
    with pytest.raises(WaitTimeout):
        list(job.results(timeout=0.05))
    with pytest.raises(TimeoutError):
        client.wait_many([job], timeout=0)


def test_an_api_that_is_away_for_a_moment_is_tolerated(api: FakeApi, client: Client) -> None:
    away = Reply(503, {"error": "away", "code": 503, "details": None})
    api.on("GET", JOB, Reply(200, a_job("processing", web1=STARTED)), away, away, Reply(200, a_job(web1=done())))
    assert client.get("7").wait(timeout=30).ok


def test_wait_many(api: FakeApi, client: Client) -> None:
    api.on("GET", JOB, Reply(200, a_job("processing", web1=STARTED)), Reply(200, a_job("failed", web1=FAILED)))
    api.on("GET", "/job/8", Reply(200, {**a_job("failed", web2=FAILED), "id": "8"}))
    api.on("GET", "/job/9", Reply(200, {**a_job(web3=done()), "id": "9"}))
    jobs = [client.get(number) for number in "789"]
    assert [(job.id, job.status) for job in client.wait_many(jobs)] == [
        ("7", "failed"),
        ("8", "failed"),
        ("9", "completed"),
    ]
    with pytest.raises(JobFailed) as raised:
        client.wait_many(iter(jobs), check=True)
    assert raised.value.hosts == ("web1", "web2")
    assert [job.id for job in raised.value.jobs] == ["7", "8"]


def test_cancel_retry_delete(api: FakeApi, client: Client) -> None:
    api.on("GET", JOB, Reply(200, a_job("failed", web1=FAILED)))
    api.on("POST", "/job/7/cancel", Reply(202, a_job("cancelled")))
    api.on("POST", "/job/7/retry", Reply(201, {"job_id": "8", "status": "submitted"}))
    api.on("GET", "/job/8", Reply(200, {**a_job("processing", web1=STARTED), "id": "8"}))
    api.on("DELETE", JOB, Reply(204))
    job = client.get("7")
    assert job.cancel().status == "cancelled"
    assert job.retry(only=["failed"]).id == "8"
    assert next(one.body for one in api.seen if one.path == "/job/7/retry") == {"only": ["failed"]}
    job.delete()
    assert api.seen[-1].method == "DELETE"


def test_hosts(api: FakeApi, client: Client) -> None:
    web1 = {"hostname": "web1", "status": "live", "state": "Ready", "labels": {"group": "web"}, "running": 2}
    api.on("GET", "/agent", Reply(200, {"agents": [web1, {"hostname": "db1", "status": "offline"}], "total": 2}))
    api.on("GET", "/agent/web1", Reply(200, {**web1, "last_heartbeat": "2026-01-02T03:04:05.678Z"}))
    first, second = client.hosts()
    assert (first.hostname, first.is_live, first.labels, first.running) == ("web1", True, {"group": "web"}, 2)
    assert (second.hostname, second.is_live, second.state) == ("db1", False, "")
    assert client.host("web1").last_heartbeat == datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=timezone.utc)
    with pytest.raises(NotFound):
        client.host("none")


def test_search(api: FakeApi, client: Client) -> None:
    api.on("GET", "/job", Reply(200, {"items": [a_job(web1=done())], "next_cursor": None}))
    (job,) = client.search(status="completed")
    assert job.ok
    assert api.seen[-1].query["status"] == "completed"


@pytest.mark.parametrize("seconds", [0, 0.045, 1.5, 59.9, 60, 61, 3600, 7325])
def test_durations_are_read_as_the_api_writes_them(seconds: float) -> None:
    assert _seconds(duration_text(int(seconds * 1_000_000))) == seconds


def test_other_durations_are_unknown() -> None:
    assert [_seconds(text) for text in (None, "", "soon", 3)] == [None] * 4


def test_other_operations_have_no_output() -> None:
    result = Result.of("web1", {"status": "completed", "data": ["a"]}, {})
    assert (result.stdout, result.stderr, result.exit_code, result.duration) == ("", "", None, None)


def test_the_difference_between_two_results() -> None:
    one = Result("web1", "completed", {"stdout": "a\nb\n", "duration_ms": 1})
    other = Result("web2", "completed", {"stdout": "a\nc\n", "duration_ms": 2})
    assert one.diff(other) == [" state: completed", " stdout:", " a", "-b", "+c"]
    assert one.diff(one) == []
