"""The pages of a front: what all cells have, and links to nothing that a front lacks."""

from __future__ import annotations

import re
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from api.auth import gate
from jobqueue.model.principal import Principal
from tests.unit.api.cells.conftest import CellSite, FrontSite
from tests.unit.api.conftest import TOKEN
from tests.unit.api.dashboard.conftest import ORIGIN, form_to, parse, values_of

PAGES = ("/", "/ui", "/ui/jobs", "/ui/agents", "/ui/submit", "/ui/submit?operation=node.hostname.get", "/ui/audit")


@pytest.fixture
def browser(front: FrontSite) -> FlaskClient:
    """A browser with a session of the front's administrator."""
    browser = front.app.test_client()
    form = form_to(parse(browser.get("/ui/sign-in")), "/ui/sign-in")
    answer = browser.post("/ui/sign-in", data={**values_of(form), "secret": TOKEN}, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    return browser


def page(front: FrontSite, path: str, status: int = 200) -> BeautifulSoup:
    answer = front.ask("GET", path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    assert answer.content_type == "text/html; charset=utf-8"
    return parse(answer)


def send(browser: FlaskClient, at: str, action: str, **fields: str) -> TestResponse:
    form = form_to(parse(browser.get(at)), action)
    return browser.post(action, data={**values_of(form), **fields}, headers={"Origin": ORIGIN})


def text(found: BeautifulSoup, css: str) -> str:
    element = found.select_one(css)
    assert element is not None, css
    return re.sub(r"\s+", " ", element.get_text(" ")).strip()


def test_every_link_leads_to_something_that_the_front_serves(front: FrontSite, west: CellSite) -> None:
    job_id = front.submit("_all")["job_id"]
    west.finish("web1", {"hostname": "web1"})
    part = front.get(f"/job/{job_id}")["cells"][1]["job_id"]
    seen: set[str] = set()
    for path in (*PAGES, f"/ui/jobs/{job_id}", f"/ui/jobs/{part}", "/ui/agents/web1"):
        shown = page(front, path)
        seen |= {str(link["href"]) for link in shown.find_all("a") if str(link["href"]).startswith(("/", "?"))}
        for form in shown.find_all("form"):
            adapter = front.app.url_map.bind("localhost")
            action, method = str(form.get("action", "#")).partition("?")[0], str(form.get("method", "get"))
            assert action.startswith("#") or adapter.test(action, method.upper()), form
    for link in sorted(link for link in seen if link.startswith("/")):
        assert front.ask("GET", link).status_code == 200, link
    assert not any("/ui/schedules" in link or "/ui/saved" in link or "/docs" in link for link in seen)


def test_what_a_front_lacks_is_a_page_that_names_the_cells(front: FrontSite, west: CellSite) -> None:
    shown = page(front, "/ui/schedules", 501)
    assert text(shown, "h1") == "Use the dashboard of a cell"
    assert west.address.url in text(shown, "main")
    assert front.app.test_client().get("/").headers["Location"] == "/ui/sign-in"


def test_the_overview(front: FrontSite, west: CellSite, east: CellSite) -> None:
    front.turn()
    front.submit("_all")
    east.stop()
    front.submit("_all", title="<b>waits</b>")
    shown = page(front, "/")
    assert text(shown, "#cell-west").startswith("west answers 2")
    assert text(shown, "#cell-east").startswith("east no answer Cell east does not answer: ")
    assert "1 part of a job waits for the cell east" in text(shown, "#warnings")
    assert text(shown, "#count-submitted") == "2"
    assert shown.select_one("#newest-jobs b") is None
    assert "<b>waits</b>" in text(shown, "#newest-jobs")
    assert "west of" in text(shown, "#newest-jobs")


def test_the_list_of_jobs(front: FrontSite, west: CellSite, east: CellSite) -> None:
    jobs = [site.submit(title=f"job {n}") for n, site in enumerate((west, east, west))]
    rows = page(front, "/ui/jobs").select("tbody tr")
    assert [row["id"] for row in rows] == [f"row-{job_id}" for job_id in reversed(jobs)]
    assert [row.select_one("[data-name=Cell]").get_text(strip=True) for row in rows] == ["west", "east", "west"]  # type: ignore[union-attr]
    assert [row["id"] for row in page(front, "/ui/jobs?q=job+1").select("tbody tr")] == [f"row-{jobs[1]}"]
    assert front.ask("GET", f"/ui/jobs?q={jobs[0]}").headers["Location"] == f"/ui/jobs/{jobs[0]}"
    assert "status" in text(page(front, "/ui/jobs?status=none", 400), ".notice")
    east.stop()
    shown = page(front, "/ui/jobs")
    assert "Cell east does not answer" in text(shown, "#missing-cells")
    assert "2 of at least 2 jobs" in text(shown, ".pager")


def test_pages_of_the_list(front: FrontSite, west: CellSite, east: CellSite) -> None:
    jobs = [site.submit() for site in (west, east) for _ in range(15)]
    first = page(front, "/ui/jobs")
    older = first.select_one("a[rel=next]")
    assert older is not None
    second = page(front, f"/ui/jobs{older['href']}")
    rows = [row["id"] for shown in (first, second) for row in shown.select("tbody tr")]
    assert rows == [f"row-{job_id}" for job_id in reversed(jobs)]
    assert second.select_one("a[rel=next]") is None
    assert second.select_one("a[rel=prev]") is not None


def test_the_page_of_a_parent(front: FrontSite, west: CellSite, east: CellSite) -> None:
    job_id = front.submit("_all", title="everywhere", tags={"team": "web"})["job_id"]
    west.finish("web1", {"hostname": "the answer of web1"})
    shown = page(front, f"/ui/jobs/{job_id}")
    parts = {part["cell"]: part["job_id"] for part in front.get(f"/job/{job_id}")["cells"]}
    assert shown.body is not None
    assert shown.body["data-live"] == f"job:{job_id},{parts['east']},{parts['west']}"
    assert text(shown, "h1") == "everywhere"
    assert "the answer of web1" in text(shown, "#answers")
    assert text(shown, "#part-west").startswith("west created processing")
    assert text(shown, "#part-east").startswith("east created submitted")
    assert [name.get_text(strip=True) for name in shown.select("#bars tbody th")] == ["db1", "web2", "web1"]
    assert "team:web" in text(shown, "#summary")
    assert "web1" not in [
        group.get_text(strip=True) for group in page(front, f"/ui/jobs/{job_id}?state=submitted").select(".hosts a")
    ]
    front.front.runner.advance(job_id)
    east.stop()
    assert "when the cell last answered" in text(page(front, f"/ui/jobs/{job_id}"), "#part-east")
    part = page(front, f"/ui/jobs/{parts['west']}")
    assert f"a part of the job {job_id[:8]}" in text(part, "main")


def test_a_job_that_no_cell_has_yet(front: FrontSite, west: CellSite, east: CellSite) -> None:
    front.turn()
    east.stop()
    job_id = front.submit("db1")["job_id"]
    shown = page(front, f"/ui/jobs/{job_id}")
    assert "pending" in text(shown, "#part-east")
    assert text(shown, "#summary .badge") == "submitted"


def test_the_output_of_a_host(front: FrontSite, west: CellSite) -> None:
    job_id = front.submit("_all")["job_id"]
    west.finish("web1")
    answer = front.ask("GET", f"/ui/jobs/{job_id}/output?host=web1")
    assert (answer.status_code, answer.content_type) == (200, "text/plain; charset=utf-8")
    assert front.get(f"/job/{job_id}/logs?hostname=web1")["hostname"] == "web1"
    assert front.get(f"/job/{job_id}/logs?hostname=web1@west")["status"] == "completed"
    front.get(f"/job/{job_id}/logs?hostname=none1", 404)


def test_submitting_cancelling_and_deleting(
    front: FrontSite, browser: FlaskClient, west: CellSite, east: CellSite
) -> None:
    at = "/ui/submit?operation=node.hostname.get"
    answer = send(browser, at, "/ui/submit", target="_all", title="by a form")
    assert answer.status_code == 303, answer.get_data(as_text=True)
    job = answer.headers["Location"].partition("?")[0]
    assert [site.jobs()[0]["title"] for site in (west, east)] == ["by a form"] * 2
    entries = front.get("/audit")["entries"]
    assert any(entry["details"].get("job") == job.rpartition("/")[2] for entry in entries), entries
    refused = send(browser, at, "/ui/submit", target="3 of _all")
    assert refused.status_code == 400
    assert "Cannot be used over several cells" in text(parse(refused), "main")
    assert send(browser, job, f"{job}/cancel").headers["Location"] == f"{job}?done=cancelled"
    assert front.get(f"/job/{job.rpartition('/')[2]}")["status"] == "cancelled"
    again = parse(browser.get(f"/ui/submit?job={job.rpartition('/')[2]}"))
    assert values_of(form_to(again, "/ui/submit"))["title"] == "by a form"
    assert send(browser, job, f"{job}/delete").headers["Location"] == "/ui/jobs?done=deleted"
    assert (west.jobs(), east.jobs()) == ([], [])


def test_a_form_that_is_sent_twice_makes_one_job(browser: FlaskClient, west: CellSite) -> None:
    form = values_of(form_to(parse(browser.get("/ui/submit?operation=node.hostname.get")), "/ui/submit"))
    answers = [browser.post("/ui/submit", data={**form, "target": "_all"}, headers={"Origin": ORIGIN}) for _ in "ab"]
    assert [answer.headers["Location"].partition("=")[2] for answer in answers] == ["submitted", "repeated"]
    assert len(west.jobs()) == 1


def test_agents_of_one_cell(front: FrontSite, east: CellSite) -> None:
    def names(path: str) -> list[str]:
        return [row.get_text(strip=True) for row in page(front, path).select("tbody th")]

    assert names("/ui/agents") == ["db1", "web1", "web2"]
    assert names("/ui/agents?cell=west") == ["web1", "web2"]
    assert names("/ui/agents?q=web2") == ["web2"]
    assert names("/ui/agents?q=cell:east") == ["db1"]
    assert names("/ui/agents?view=offline") == []
    assert "there are east, west" in text(page(front, "/ui/agents?cell=none", 400), ".notice")
    assert [agent["hostname"] for agent in front.get("/agent?cell=east")["agents"]] == ["db1"]
    front.get("/agent?cell=none", 400)
    assert "Agent of the cell west" in text(page(front, "/ui/agents/web1"), "main")
    east.stop()
    assert "Cell east does not answer" in text(page(front, "/ui/agents"), "#missing-cells")
    assert not page(front, "/ui/agents?cell=west").select("#missing-cells p")


def test_pages_need_the_permissions_of_the_api(front: FrontSite, monkeypatch: pytest.MonkeyPatch) -> None:
    def as_one_with(*permissions: str) -> None:
        caller = Principal("ann", frozenset(permissions))
        monkeypatch.setattr(gate.of(front.app), "authenticate", lambda _environ: caller)

    as_one_with("agent:read")
    assert page(front, "/").select("#cells-now")
    assert not page(front, "/").select("#newest-jobs")
    assert front.ask("GET", "/ui/jobs").status_code == 403
    as_one_with("job:read")
    assert not page(front, "/").select("#cells-now")
    assert front.ask("GET", "/ui/agents").status_code == 403
    assert front.ask("GET", "/ui/submit").status_code == 403
    links = [link.get_text(strip=True) for link in page(front, "/").select("nav[aria-label=Pages] a")]
    assert links == ["Overview", "Jobs"]


def test_a_post_needs_the_proof(front: FrontSite, browser: FlaskClient) -> None:
    job_id = front.submit("_all")["job_id"]
    answer = browser.post(f"/ui/jobs/{job_id}/cancel", data={}, headers={"Origin": ORIGIN})
    assert answer.status_code == 403
    assert front.get(f"/job/{job_id}")["cancel_requested"] is False


ODD: dict[str, Any] = {
    "title": ["a"],
    "tags": 5,
    "retries": {"no": 1},
    "created": "never",
    "execution_counts": {"completed": "x"},
    "operation": [],
    "agent_states": {"web1": {"status": []}},
    "submitted_by": {"a": 1},
    "retried_as": [[]],
}


@pytest.mark.parametrize("name", ODD)
def test_odd_values_of_a_cell_break_no_page(front: FrontSite, west: CellSite, monkeypatch: Any, name: str) -> None:
    job_id = west.submit()
    cell, real = front.cells.by_name["west"], front.cells.by_name["west"].get

    def get(path: str, query: Any = None, *, holding: str = "") -> dict[str, Any]:
        document = real(path, query, holding=holding)
        for job in document.get("items", [document]):
            job[name] = ODD[name]
        return document

    monkeypatch.setattr(cell, "get", get)
    for path in (f"/ui/jobs/{job_id}", "/ui/jobs"):
        assert front.ask("GET", path).status_code in (200, 503), path
