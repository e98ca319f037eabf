"""The dashboard's pages of saved jobs."""

from __future__ import annotations

import pytest
from bs4 import Tag

from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import SavedJob
from tests.unit.api.dashboard.conftest import Page, Send, parse
from tests.unit.api.fakes import FakeServices, a_job

EVIL = "\"'></script></style></textarea></title>--><script>evil()</script><img src=x onerror=evil()>{{7*7}}<b>&amp;"
ID = "123e4567-e89b-42d3-a456-426614174000"
ADMIN = Principal("alice", frozenset({"*"}))
RUN = "/ui/saved/deploy/run"


@pytest.fixture(autouse=True)
def deploy(services: FakeServices) -> SavedJob:
    data = {
        "argv": ["deploy", "{{ version }}", "{{ channel }}"],
        "env": {"T": "{{ token }}", "N": "{{ count | string }}"},
    }
    job = {
        "operation": "node.hostname.get",
        "data": data,
        "target": "group:web",
        "title": EVIL[:200],
        "description": EVIL,
    }
    parameters = {
        "version": {"pattern": "^[0-9.]+$", "description": EVIL},
        "channel": {"enum": ["stable", "testing"], "default": "stable"},
        "count": {"type": "integer", "required": False},
        "token": {"secret": True, "default": {"$secret": "shop.deploy"}},
    }
    return services.saved_jobs.put(SavedJob("deploy", job, parameters, target_override=True), ADMIN).record


def test_what_people_wrote_is_only_text(page: Page, services: FakeServices) -> None:
    for path in ("/ui/saved", "/ui/saved/deploy"):
        found = page(path)
        assert found.find_all("img", src="x") == []
        assert all(script.get("src") for script in found.find_all("script"))
        assert EVIL[:200] in found.get_text()


def test_a_job_without_title_and_description(page: Page, services: FakeServices) -> None:
    services.saved_jobs.put(SavedJob("bare", {"operation": "node.hostname.get", "data": {}, "target": "_any"}), ADMIN)
    row = page("/ui/saved").find("a", href="/ui/saved/bare")
    assert row is not None
    shown = page("/ui/saved/bare")
    heading = shown.find("h1")
    assert heading is not None
    assert heading.get_text() == "bare"
    assert shown.find("a", href="/ui/schedule?saved=bare") is not None


def test_the_form_has_a_field_for_each_parameter(page: Page) -> None:
    found = page("/ui/saved/deploy")
    version, count, token = (found.find(id=f"d-{name}") for name in ("version", "count", "token"))
    assert isinstance(version, Tag)
    assert isinstance(count, Tag)
    assert isinstance(token, Tag)
    assert (version["type"], count["type"], token["type"]) == ("text", "number", "text")
    assert [option.get_text() for option in found.select("#d-channel option")][-2:] == ["stable", "testing"]
    label = found.find("label", attrs={"for": "d-version"})
    assert isinstance(label, Tag)
    assert "(required)" in label.get_text()
    about = found.find(id="d-token-help")
    assert isinstance(about, Tag)
    assert "not its value" in about.get_text()


def test_run(send: Send, services: FakeServices) -> None:
    answer = send("/ui/saved/deploy", RUN, **{"data.version": "1.4", "data.channel": "testing", "data.token": "other"})
    assert answer.status_code == 303, parse(answer).find(class_="notice")
    assert answer.headers["Location"].startswith("/ui/jobs/")
    (submitted,) = services.submitted
    assert submitted.data == {"argv": ["deploy", "1.4", "testing"], "env": {"T": {"$secret": "other"}}}
    assert (submitted.target, submitted.saved) == ("group:web", {"name": "deploy", "version": 1})
    assert submitted.idempotency_key


def test_run_with_defaults_and_another_target(send: Send, services: FakeServices) -> None:
    send("/ui/saved/deploy", RUN, **{"data.version": "1", "data.count": "3", "target": "web7"})
    (submitted,) = services.submitted
    assert submitted.data["env"] == {"T": {"$secret": "shop.deploy"}, "N": "3"}
    assert submitted.target == "web7"


def test_a_value_that_is_refused_is_shown_beside_its_field(send: Send, services: FakeServices) -> None:
    answer = send("/ui/saved/deploy", RUN, **{"data.version": "one", "data.count": "3"})
    assert answer.status_code == 400
    found = parse(answer)
    problem, count = found.find(id="d-version-problem"), found.find(id="d-count")
    assert isinstance(problem, Tag)
    assert isinstance(count, Tag)
    assert (problem.get_text(), count["value"]) == ("Must match the pattern ^[0-9.]+$.", "3")
    assert services.submitted == []


def test_a_job_is_saved_under_a_new_name(send: Send, services: FakeServices) -> None:
    services.store[ID] = a_job(id=ID, title="Ping")
    answer = send(f"/ui/jobs/{ID}", f"/ui/jobs/{ID}/save", name="ping")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/ui/saved/ping?done=saved")
    saved = services.saved_jobs.get("ping")
    assert (saved.job["operation"], saved.title) == (services.store[ID].operation, "Ping")
    again = send(f"/ui/jobs/{ID}", f"/ui/jobs/{ID}/save", name="ping")
    assert (again.status_code, "has version 1" in again.get_data(as_text=True)) == (409, True)
    assert send(f"/ui/jobs/{ID}", f"/ui/jobs/{ID}/save", name="a b").status_code == 400
