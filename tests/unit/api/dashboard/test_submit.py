"""The form's preview of a plan, and that the form submits what it has shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.model.filter import JobFilter
from jobqueue.model.job import Job
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.unit.api.dashboard.conftest import ORIGIN, Send, form_to, parse, values_of
from tests.unit.api.over_a_ledger import services_with, settings_in

AT, ACTION = "/ui/submit?operation=node.hostname.get", "/ui/submit"
TERMS = {"target": "_all", "rollout_canary": "1", "rollout_batch": "2", "rollout_spread": "zone"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def services(settings: Settings) -> Services:
    return services_with(settings, {f"web{n}": {"zone": "ab"[n % 2]} for n in range(1, 6)})


@pytest.fixture
def app(settings: Settings, services: Services) -> Flask:
    return create_app(settings, services)


def jobs(services: Services) -> tuple[Job, ...]:
    return tuple(services.jobs.page(JobFilter()).items)


def planned(page: BeautifulSoup) -> list[list[str]]:
    """The rows of the plan: number of the batch, hosts, their names."""
    return [[cell.get_text(strip=True) for cell in row.select("th, td")] for row in page.select("#plan tbody tr")]


def press_submit(browser: FlaskClient, page: BeautifulSoup, **changes: str) -> BeautifulSoup | str:
    """Submit the form as the page has it: the address of the job, or the page with the refusal."""
    data = {**values_of(form_to(page, ACTION)), **changes}
    answer = browser.post(ACTION, data=data, headers={"Origin": ORIGIN})
    return answer.headers["Location"] if answer.status_code == 303 else parse(answer)


def test_the_preview_shows_the_batches_and_submits_nothing(send: Send, services: Services) -> None:
    page = parse(send(AT, ACTION, do="plan", **TERMS))
    assert planned(page) == [["1 (canary)", "1", "web2"], ["2", "2", "web1, web4"], ["3", "2", "web3, web5"]]
    assert "5 agents, in 3 batches." in page.select_one("#plan").get_text()
    assert jobs(services) == ()


def test_what_was_previewed_is_submitted(send: Send, signed_in: FlaskClient, services: Services) -> None:
    page = parse(send(AT, ACTION, do="plan", **TERMS))
    assert "done=submitted" in str(press_submit(signed_in, page))
    (job,) = jobs(services)
    assert services.jobs.get(job.id).expected_agents == ("web2", "web1", "web4", "web3", "web5")


def test_a_changed_set_is_refused_and_shown_anew(send: Send, signed_in: FlaskClient, services: Services) -> None:
    page = parse(send(AT, ACTION, do="plan", **TERMS))
    services.agents.drain("web2")
    services.ledger.roster.fleet(is_fresh=True)
    refused = press_submit(signed_in, page)
    assert isinstance(refused, BeautifulSoup)
    assert "no longer web2" in refused.get_text()
    assert jobs(services) == ()
    assert planned(refused)[0] == ["1 (canary)", "1", "web4"]
    assert "done=submitted" in str(press_submit(signed_in, refused))


def test_a_form_that_was_changed_after_the_preview_is_refused(
    send: Send, signed_in: FlaskClient, services: Services
) -> None:
    page = parse(send(AT, ACTION, do="plan", **TERMS))
    refused = press_submit(signed_in, page, rollout_batch="4")
    assert isinstance(refused, BeautifulSoup)
    assert "request differs" in refused.get_text()
    assert [row[1] for row in planned(refused)] == ["1", "4"]
    assert jobs(services) == ()


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"target": "group:wbe"}, "target"),
        ({"target": "web1", "rollout_batch": "1"}, "rollout"),
        ({"target": "_all", "rollout_batch": "1", "rollout_max_failures": "9"}, "o-rollout_max_failures"),
    ],
)
def test_a_plan_that_is_refused(send: Send, fields: dict[str, str], place: str) -> None:
    answer = send(AT, ACTION, do="plan", **fields)
    page = parse(answer)
    assert (answer.status_code, page.select("#plan")) == (400, [])
    assert place == "rollout" or page.select_one(f"#{place}-problem") is not None
    assert "Error" not in page.select_one("title").get_text()


def test_what_may_change_a_host_needs_a_target(send: Send, signed_in: FlaskClient) -> None:
    path = "/ui/submit?operation=command.exec.execute"
    field = parse(signed_in.get(path)).find(id="target")
    assert isinstance(field, Tag)
    assert (field["value"], field.has_attr("required")) == ("", True)
    answer = send(path, ACTION, **{"data.argv": "true"})
    assert answer.status_code == 400
    problem = parse(answer).find(id="target-problem")
    assert problem is not None
    assert problem.get_text().startswith("Give a target")
    assert send(path, ACTION, target="_any", **{"data.argv": "true"}).status_code == 303


def test_what_only_reads_begins_with_any_agent(signed_in: FlaskClient) -> None:
    field = parse(signed_in.get(AT)).find(id="target")
    assert isinstance(field, Tag)
    assert (field["value"], field.has_attr("required")) == ("_any", False)
