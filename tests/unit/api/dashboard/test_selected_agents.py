"""Several agents drained or undrained from the list, and the list grouped by a label."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from jobqueue.model.agent import AgentState
from tests.unit.api.conftest import AUTHORIZATION
from tests.unit.api.dashboard.conftest import ORIGIN, Page, form_to, parse, values_of
from tests.unit.api.fakes import AN_AGENT, FakeServices

HOSTS = {
    "web1": AgentState.READY,
    "web2": AgentState.READY,
    "web3": AgentState.CORDONED,
    "web4": AgentState.PENDING,
}


@pytest.fixture
def hosts(services: FakeServices) -> FakeServices:
    services.agents_known = [replace(AN_AGENT, hostname=name, state=state) for name, state in HOSTS.items()]
    return services


def states(services: FakeServices) -> dict[str, AgentState]:
    return {agent.hostname: agent.state for agent in services.agents_known}


def choose(browser: FlaskClient, verb: str, *names: str) -> TestResponse:
    """Tick agents in the list, and press the button."""
    page = parse(browser.get("/ui/agents"))
    boxes = [page.find("input", attrs={"name": f"host.{name}", "form": "selected"})["name"] for name in names]
    data = {**values_of(form_to(page, "/ui/agents/choose")), "do": verb, **dict.fromkeys(boxes, "on")}
    return browser.post("/ui/agents/choose", data=data, headers={"Origin": ORIGIN})


def confirm(browser: FlaskClient, asked: TestResponse, **fields: str) -> TestResponse:
    data = values_of(form_to(parse(asked), "/ui/agents/move")) | fields
    return browser.post("/ui/agents/move", data=data, headers={"Origin": ORIGIN})


def test_nothing_changes_before_the_confirmation(signed_in: FlaskClient, hosts: FakeServices) -> None:
    asked = choose(signed_in, "drain", "web1", "web2", "web3")
    assert asked.status_code == 200
    assert states(hosts) == HOSTS
    question = parse(asked)
    assert question.find(id="question").get_text() == "Drain 2 agents?"
    assert "web3 (Cordoned)" in question.find(class_="warn").get_text()
    assert question.find("input", attrs={"name": "reason"}) is not None
    done = confirm(signed_in, asked, reason="new disk")
    assert parse(done).find(class_="is-good").get_text() == "2 of 2 agents drained."
    assert [agent.drain_reason for agent in hosts.agents_known[:2]] == ["new disk"] * 2
    assert "new disk" in parse(signed_in.get("/ui/agents")).get_text()
    assert states(hosts) == {**HOSTS, "web1": AgentState.DRAINING, "web2": AgentState.DRAINING}


def test_undrain_of_the_selected(signed_in: FlaskClient, hosts: FakeServices) -> None:
    done = confirm(signed_in, choose(signed_in, "undrain", "web3"))
    assert parse(done).find(class_="is-good").get_text() == "1 of 1 agents undrained."
    assert states(hosts)["web3"] is AgentState.READY


def test_one_that_fails_does_not_stop_the_others(signed_in: FlaskClient, hosts: FakeServices) -> None:
    asked = choose(signed_in, "drain", "web1", "web2")
    hosts.agents_known[0] = replace(hosts.agents_known[0], state=AgentState.CORDONED)  # by another user meanwhile
    done = parse(confirm(signed_in, asked))
    assert done.find(class_="is-bad").get_text() == "1 of 2 agents drained."
    assert "Cordoned already" in done.find("span", class_="bad").get_text()
    assert states(hosts)["web2"] is AgentState.DRAINING
    entries = {one.content.path: (one.content.result, one.content.status) for one in hosts.audit_trail.newest(10)}
    assert entries["/ui/agents/web1/drain"] == ("failed", 409)
    assert entries["/ui/agents/web2/drain"] == ("done", 303)


def test_only_agents_that_can_be_moved_have_a_box(page: Page, hosts: FakeServices) -> None:
    boxes = page("/ui/agents").select("input[type=checkbox]")
    assert sorted(box["name"] for box in boxes) == ["host.web1", "host.web2", "host.web3"]


@pytest.mark.parametrize("to", ["choose", "move"])
@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "drain or to undrain"),
        ({"do": "drain"}, "No agent is selected"),
        ({"do": "remove", "host.web1": "on"}, "drain or to undrain"),
        ({"do": "drain", "host.../x": "on"}, "not well formed"),
        ({"do": "drain", **{f"host.h{number}": "on" for number in range(101)}}, "at most 100"),
        ({f"x{number}": "" for number in range(201)}, "more than 200 fields"),
    ],
)
def test_bad_forms(client: FlaskClient, hosts: FakeServices, to: str, fields: dict[str, str], complaint: str) -> None:
    answer = client.post(f"/ui/agents/{to}", data=fields, headers=AUTHORIZATION)
    assert answer.status_code == 400
    assert complaint in answer.get_data(as_text=True)
    assert states(hosts) == HOSTS


def test_a_form_without_its_proof_is_refused(signed_in: FlaskClient, hosts: FakeServices) -> None:
    for to in ("choose", "move"):
        data = {"do": "drain", "host.web1": "on"}
        answer = signed_in.post(f"/ui/agents/{to}", data=data, headers={"Origin": ORIGIN})
        assert answer.status_code == 403
    assert states(hosts) == HOSTS


def test_groups_by_label(page: Page, services: FakeServices) -> None:
    services.agents_known = [
        replace(AN_AGENT, hostname="a", labels={"group": "web"}),
        replace(AN_AGENT, hostname="b", labels={"group": "web.dev"}, state=AgentState.DRAINING),
        replace(AN_AGENT, hostname="c", labels={"group": "db", "zone": "z1"}, live=False),
        replace(AN_AGENT, hostname="d", labels={}),
    ]
    found = page("/ui/agents?group=group")
    rows = [[cell.get_text().strip() for cell in row.find_all(["th", "td"])][:6] for row in found.select("tbody tr")]
    assert rows == [
        ["db", "1", "0", "0", "0", "1"],
        ["web", "2", "1", "1", "0", "0"],
        ["web.dev", "1", "0", "1", "0", "0"],
        ["without this label", "1", "1", "0", "0", "0"],
    ]
    links = [link["href"] for link in found.select("tbody a")]
    assert links == ["/ui/agents?q=group%3Adb", "/ui/agents?q=group%3Aweb", "/ui/agents?q=group%3Aweb.dev"]
    assert len(page(links[1]).select("tbody tr")) == 2  # as many as the row says
    assert [one.get_text() for one in found.select("nav[aria-label=Labels] a")] == ["group", "zone"]
    assert "No agent has the label nothing" in page("/ui/agents?group=nothing").find(id="groups").get_text()
