"""GET /agent: pages, filters and what is wrong with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobqueue.model.agent import AgentState
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import AN_AGENT, FakeServices
from tests.unit.api.shapes import error


@pytest.fixture(autouse=True)
def agents(services: FakeServices) -> None:
    services.agents_known[:] = [
        replace(AN_AGENT, hostname=f"web{number}", live=number != 2, labels={"group": "web"}) for number in range(1, 6)
    ]


def test_everything_at_once_where_it_fits(ask: Ask) -> None:
    body = ask("GET", "/agent").get_json()
    assert [agent["hostname"] for agent in body["agents"]] == ["web1", "web2", "web3", "web4", "web5"]
    assert (body["total"], body["is_least"], body["next_cursor"]) == (5, False, None)


def test_pages(ask: Ask) -> None:
    first = ask("GET", "/agent?limit=2&label=group:web").get_json()
    assert [agent["hostname"] for agent in first["agents"]] == ["web1", "web2"]
    assert first["total"] == 5
    second = ask("GET", f"/agent?limit=2&label=group:web&cursor={first['next_cursor']}").get_json()
    assert [agent["hostname"] for agent in second["agents"]] == ["web3", "web4"]


def test_filters(ask: Ask, services: FakeServices) -> None:
    body = ask("GET", "/agent?state=offline&hostname=web*&label=group:web&label=group:web").get_json()
    assert [agent["hostname"] for agent in body["agents"]] == ["web2"]
    wanted = services.agent_filters[-1]
    assert (wanted.hostname, wanted.is_live, wanted.labels) == ("web*", False, (("group", "web"), ("group", "web")))
    ask("GET", "/agent?state=ready,Draining,live")
    assert services.agent_filters[-1].states == (AgentState.READY, AgentState.DRAINING)
    ask("GET", "/agent?state=live,offline")
    assert services.agent_filters[-1].is_live is None


def test_a_filter_that_matches_no_agent(ask: Ask) -> None:
    body = ask("GET", "/agent?hostname=db*").get_json()
    assert (body["agents"], body["total"], body["next_cursor"]) == ([], 0, None)


def test_summary(ask: Ask) -> None:
    (agent, *_) = ask("GET", "/agent?view=summary").get_json()["agents"]
    assert {"hostname", "status", "state", "labels", "running"} <= agent.keys()
    assert not {"facts", "operations", "memory", "timeline"} & agent.keys()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("state=odd", "state"),
        ("label=web", "label"),
        ("label=_all", "label"),
        ("&".join(["label=a:b"] * 9), "label"),
        ("view=odd", "view"),
        ("hostname=", "hostname"),
        ("cursor=web1", "cursor"),
        ("cursor=00000000.web1", "cursor"),
        ("offset=2", "offset"),
    ],
)
def test_wrong_queries(ask: Ask, query: str, field: str) -> None:
    error(ask("GET", f"/agent?{query}"), 400, field=field)


def test_a_cursor_of_another_list(ask: Ask) -> None:
    cursor = ask("GET", "/agent?limit=1").get_json()["next_cursor"]
    error(ask("GET", f"/agent?limit=1&state=Ready&cursor={cursor}"), 400, "not a cursor of this list", field="cursor")
    error(ask("GET", f"/job?cursor={cursor}"), 400, field="cursor")
