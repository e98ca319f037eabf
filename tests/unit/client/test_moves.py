from __future__ import annotations

from collections.abc import Iterator

import pytest

from jobqueue.client import Client, Unavailable
from jobqueue.client.moves import MAX_HOSTS, Move
from jobqueue.errors import InvalidInput
from tests.unit.client.fake_api import FakeApi, Reply


@pytest.fixture
def client(api: FakeApi) -> Iterator[Client]:
    with Client(api.url, "t0ken") as client:
        yield client


def test_each_agent_has_an_outcome(api: FakeApi, client: Client) -> None:
    api.on("POST", "/agent/web1/undrain", Reply(200, {"hostname": "web1", "state": "Ready"}))
    api.on("POST", "/agent/web2/undrain", Reply(409, {"error": "It takes work.", "code": 409, "details": None}))
    api.on("GET", "/agent/web2", Reply(200, {"hostname": "web2", "state": "Ready"}))
    first, second, third = client.undrain_hosts(["web1", "web2", "web1", "gone"])
    assert first == Move("web1", "undrained", "Ready")
    assert second == Move("web2", "unchanged", "Ready")
    assert (third.hostname, third.outcome, third.state, third.ok) == ("gone", "failed", "", False)
    assert third.error


def test_too_many_hosts_are_refused_before_any_is_drained(api: FakeApi, client: Client) -> None:
    with pytest.raises(InvalidInput, match="1,001 hosts"):
        client.drain_hosts(f"web{number}" for number in range(MAX_HOSTS + 1))
    assert list(api.seen) == []


def test_an_api_that_is_unavailable_ends_it(api: FakeApi) -> None:
    api.on(
        "POST", "/agent/web1/drain", Reply(503, {"error": "The ledger is unavailable.", "code": 503, "details": None})
    )
    with Client(api.url, "t0ken", retries=0) as client, pytest.raises(Unavailable):
        list(client.drain_hosts(["web1", "web2"]))
    assert [seen.path for seen in api.seen] == ["/agent/web1/drain"]


def test_hosts_of_targets(api: FakeApi, client: Client) -> None:
    page = {"agents": [{"hostname": "web2"}, {"hostname": "web1"}], "total": 2, "next_cursor": None}
    api.on("GET", "/agent", Reply(200, page))
    api.on("POST", "/job/plan", Reply(200, {"hosts": ["db2"], "left_out": [{"hostname": "db1", "reason": "offline"}]}))
    assert client.target_hosts("web9") == ["web9"]
    assert client.target_hosts("_all") == client.target_hosts("group:web") == ["web1", "web2"]
    assert [seen.query.get("label") for seen in api.seen] == [None, "group:web"]
    # the key of a label that could be a fact as well is an expression
    assert client.target_hosts("@db") == client.target_hosts("os.name:debian") == ["db1", "db2"]
    with pytest.raises(InvalidInput):
        client.target_hosts("_any")


def test_the_reason_is_sent_for_each(api: FakeApi, client: Client) -> None:
    for name in ("web1", "web2"):
        api.on("POST", f"/agent/{name}/drain", Reply(200, {"hostname": name, "state": "Draining"}))
    assert [move.ok for move in client.drain_hosts(["web1", "web2"], "new disk")] == [True, True]
    assert [seen.body for seen in api.seen] == [{"reason": "new disk"}] * 2
