"""The methods of the client against an API that a test scripts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from jobqueue.client import Client, ClientError, Conflict, ConnectionFailed, InvalidAnswer, Unavailable, WaitTimeout
from jobqueue.errors import InvalidInput
from jobqueue.model.retry import RetryPolicy
from tests.unit.client.fake_api import FakeApi, Reply

JOB = "6f1c2f8e-0000-4000-8000-000000000001"
ACCEPTED = Reply(201, {"job_id": JOB, "status": "submitted", "revision": 1, "timestamp": "2026-01-01T00:00:00.000Z"})
BUSY = Reply(503, {"error": "The ledger is away.", "code": 503, "details": None}, {"Retry-After": "0"})
RESET = Reply(reset=True)


@pytest.fixture
def client(api: FakeApi) -> Iterator[Client]:
    with Client(api.url, "token") as client:
        yield client


def state(status: str) -> Reply:
    return Reply(200, {"id": JOB, "status": status})


def test_submit_sends_only_what_is_given(api: FakeApi, client: Client) -> None:
    api.on("POST", "/job", ACCEPTED)
    assert client.submit("node.uptime.get")["job_id"] == JOB
    body = api.seen[0].body
    assert len(body.pop("idempotency_key")) == 32
    assert body == {"operation": {"type": "node.uptime.get", "data": {}}, "target_hostname": "_any"}


def test_submit_sends_everything_that_is_given(api: FakeApi, client: Client) -> None:
    api.on("POST", "/job", ACCEPTED)
    client.submit(
        "command.exec.execute",
        {"argv": ["ls"]},
        "group:web",
        timeout_seconds=1.5,
        not_before=datetime(2030, 1, 1, 12, tzinfo=timezone(timedelta(hours=2))),
        expires_at="2030-01-02T00:00:00Z",
        retries=RetryPolicy(max_attempts=3),
        priority=0,
        tags={"a": "b"},
        idempotency_key="mine",
    )
    assert api.seen[0].body == {
        "operation": {"type": "command.exec.execute", "data": {"argv": ["ls"]}},
        "target_hostname": "group:web",
        "timeout_seconds": 1.5,
        "not_before": "2030-01-01T10:00:00.000Z",
        "expires_at": "2030-01-02T00:00:00Z",
        "retries": {"max_attempts": 3, "backoff_seconds": 1.0, "backoff_max_seconds": 300.0, "jitter": 0.1},
        "priority": 0,
        "tags": {"a": "b"},
        "idempotency_key": "mine",
    }


def test_a_submission_is_repeated_with_the_same_key(api: FakeApi, client: Client) -> None:
    api.on("POST", "/job", RESET, BUSY, ACCEPTED)
    assert client.submit("x")["job_id"] == JOB
    keys = [seen.body["idempotency_key"] for seen in api.seen]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_each_submission_has_a_key_of_its_own(api: FakeApi, client: Client) -> None:
    api.on("POST", "/job", ACCEPTED)
    client.submit("x")
    client.submit("x")
    first, second = (seen.body["idempotency_key"] for seen in api.seen)
    assert first != second


def test_a_batch_is_repeated_with_the_same_keys(api: FakeApi, client: Client) -> None:
    answer = {"accepted": 1, "items": [{"job_id": JOB}, {"error": "no", "code": 400, "details": None}]}
    api.on("POST", "/job/batch", BUSY, Reply(201, answer))
    jobs: list[dict[str, Any]] = [{"operation": {"type": "x"}}, {"operation": {"type": "y"}, "idempotency_key": "mine"}]
    assert client.submit_batch(jobs) == answer
    first, second = (seen.body["jobs"] for seen in api.seen)
    assert first == second
    assert len(first[0]["idempotency_key"]) == 32
    assert first[1]["idempotency_key"] == "mine"
    assert "idempotency_key" not in jobs[0]


def test_retry_of_a_job_is_never_repeated(api: FakeApi, client: Client) -> None:
    api.on("POST", f"/job/{JOB}/retry", BUSY)
    with pytest.raises(Unavailable):
        client.retry(JOB)
    assert len(api.seen) == 1
    api.on("POST", f"/job/{JOB}/retry", ACCEPTED)
    client.retry(JOB, "web1", ["failed", "lost"])
    assert api.seen[1].body == {"target_hostname": "web1", "only": ["failed", "lost"]}


def test_listing_passes_the_filters(api: FakeApi, client: Client) -> None:
    page = {"total_items": 0, "status_counts": {}, "items": [], "next_cursor": None}
    api.on("GET", "/job", Reply(200, page))
    moment = datetime(2030, 1, 1)  # noqa: DTZ001 - a naive time is UTC
    assert client.jobs(status="failed", tag="a:b", created_after=moment, limit=5, offset=0, view="summary") == page
    assert api.seen[0].query == {
        "status": "failed",
        "tag": "a:b",
        "created_after": "2030-01-01T00:00:00.000Z",
        "limit": "5",
        "offset": "0",
        "view": "summary",
    }


def test_all_pages(api: FakeApi, client: Client) -> None:
    def page(cursor: int | None, *ids: int) -> Reply:
        return Reply(200, {"total_items": 3, "items": [{"id": n} for n in ids], "next_cursor": cursor})

    api.on("GET", "/job", page(7, 1, 2), page(9, 3), page(None))
    assert [job["id"] for job in client.iter_jobs(status="failed")] == [1, 2, 3]
    assert [seen.query.get("cursor") for seen in api.seen] == [None, "7", "9"]
    assert all(seen.query["status"] == "failed" and seen.query["limit"] == "100" for seen in api.seen)


def test_wait_polls_to_the_end(api: FakeApi, client: Client) -> None:
    api.on("GET", f"/job/{JOB}", state("submitted"), state("processing"), BUSY, state("completed"))
    seen: list[str] = []
    assert client.wait(JOB, on_poll=lambda job: seen.append(job["status"]))["status"] == "completed"
    assert seen == ["submitted", "processing", "completed"]


@pytest.mark.parametrize("status", ["completed", "failed", "partial_failure", "cancelled", "skipped"])
def test_wait_ends_with_every_final_status(api: FakeApi, client: Client, status: str) -> None:
    api.on("GET", f"/job/{JOB}", state(status))
    assert client.wait(JOB)["status"] == status


class Clock:
    """Moves by what is slept alone, however slow the machine is."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_wait_gives_up_with_the_last_state(api: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    api.on("GET", f"/job/{JOB}", state("processing"))
    clock = Clock()
    monkeypatch.setattr("jobqueue.client.job_routes.time", clock)
    monkeypatch.setattr("jobqueue.client.polling.time", clock)
    with pytest.raises(TimeoutError) as caught:
        client.wait(JOB, 0.15)
    assert clock.now == pytest.approx(100.15)
    assert isinstance(caught.value, WaitTimeout)
    assert caught.value.job == {"id": JOB, "status": "processing"}
    assert "processing" in caught.value.message
    assert 3 <= len(api.seen) <= 6  # 20 ms, 30 ms, 45 ms, ...


def test_wait_sits_out_a_restart(api: FakeApi) -> None:
    api.on("GET", f"/job/{JOB}", state("processing"), RESET, RESET, state("completed"))
    with Client(api.url, retries=0) as client:
        assert client.wait(JOB)["status"] == "completed"


def test_wait_does_not_sit_out_an_api_that_was_never_there(api: FakeApi) -> None:
    api.on("GET", f"/job/{JOB}", RESET)
    with Client(api.url, retries=0) as client, pytest.raises(ConnectionFailed):
        client.wait(JOB)
    assert len(api.seen) == 1


def test_cancel_and_delete(api: FakeApi, client: Client) -> None:
    api.on("POST", f"/job/{JOB}/cancel", Reply(202, {"id": JOB, "cancel_requested": True}))
    api.on("DELETE", f"/job/{JOB}", Reply(409, {"error": "It runs.", "code": 409}), Reply(204))
    assert client.cancel(JOB)["cancel_requested"] is True
    with pytest.raises(Conflict, match="It runs"):
        client.delete(JOB)
    client.delete(JOB)
    assert [seen.method for seen in api.seen] == ["POST", "DELETE", "DELETE"]


@pytest.mark.parametrize(
    ("call", "method", "path"),
    [
        (lambda client: client.agents(), "GET", "/agent"),
        (lambda client: client.agent("web1"), "GET", "/agent/web1"),
        (lambda client: client.drain("web1"), "POST", "/agent/web1/drain"),
        (lambda client: client.undrain("web1"), "POST", "/agent/web1/undrain"),
        (lambda client: client.operations(), "GET", "/operation"),
        (lambda client: client.health(), "GET", "/health"),
        (lambda client: client.ready(), "GET", "/health/ready"),
        (lambda client: client.status(), "GET", "/health/status"),
    ],
    ids=lambda value: value if isinstance(value, str) else "call",
)
def test_routes(api: FakeApi, client: Client, call: Any, method: str, path: str) -> None:
    api.on(method, path, Reply(200, {"some": "thing"}))
    assert call(client) == {"some": "thing"}
    assert (api.seen[0].method, api.seen[0].path) == (method, path)


def test_not_ready_is_said_at_once(api: FakeApi, client: Client) -> None:
    api.on("GET", "/health/ready", BUSY)
    with pytest.raises(Unavailable, match="ledger is away"):
        client.ready()
    assert len(api.seen) == 1


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../agent", "a/logs"])
def test_names_that_would_lead_elsewhere(api: FakeApi, client: Client, name: str) -> None:
    with pytest.raises(InvalidInput):
        client.job(name)
    with pytest.raises(InvalidInput):
        client.delete(name)
    assert api.seen == []


@pytest.mark.parametrize("name", ["a?b=c", "a%2fb", "ü", "a#b", "\ud800"])
def test_odd_names_stay_one_segment(api: FakeApi, client: Client, name: str) -> None:
    with pytest.raises(ClientError):
        client.job(name)
    path = api.seen[0].path
    assert path.startswith("/job/")
    assert "/" not in path.removeprefix("/job/")
    assert api.seen[0].query == {}


def test_an_answer_of_another_shape(api: FakeApi, client: Client) -> None:
    api.on("GET", "/agent", Reply(200, ["x"]))
    with pytest.raises(InvalidAnswer, match="/agent"):
        client.agents()


def test_from_env(api: FakeApi, tmp_path: Path) -> None:
    (tmp_path / "api.url").write_text(api.url)
    (tmp_path / "admin.token").write_text("from-file\n")
    api.on("GET", "/health", Reply(200, {}))
    with Client.from_env({"JOBQUEUE_STATE_DIR": str(tmp_path)}) as client:
        assert client.url == api.url
        client.health()
    assert api.seen[0].headers["Authorization"] == "Bearer from-file"


def test_a_base_path_is_kept(api: FakeApi) -> None:
    api.on("GET", "/queue/api/health", Reply(200, {}))
    with Client(f"{api.url}/queue/api/") as client:
        assert client.health() == {}


def test_threads_may_share_a_client(api: FakeApi, client: Client) -> None:
    for number in range(40):
        api.on("GET", f"/job/{number}", Reply(200, {"id": number}))
    wrong: list[int] = []

    def ask(numbers: range) -> None:
        wrong.extend(number for number in numbers if client.job(str(number)) != {"id": number})

    threads = [threading.Thread(target=ask, args=(range(start, 40, 8),)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(api.seen) == 40
