"""Sorting, ranges of time, sizes of pages and searches in the lists of jobs and agents."""

from __future__ import annotations

from dataclasses import replace

import pytest
from bs4 import BeautifulSoup

from api.dashboard import pages
from jobqueue.model.states import ExecutionState, JobStatus
from tests.unit.api.dashboard.conftest import Page
from tests.unit.api.fakes import AN_AGENT, FakeServices, a_job

SECOND = 1_000_000


def job_id(number: int) -> str:
    return f"{number:08d}-e89b-42d3-a456-426614174000"


@pytest.fixture
def three_jobs(services: FakeServices) -> None:
    at = 1_718_359_200_000_000
    for number, (title, took, status) in enumerate(
        [
            ("beta", 5, JobStatus.COMPLETED),
            ("Alpha", 30, JobStatus.FAILED),
            ("gamma", 0, JobStatus.PROCESSING),
        ]
    ):
        job = a_job(
            id=job_id(number),
            title=title,
            status=status,
            created=at + number * SECOND,
            updated=at + (number + took) * SECOND,
        )
        services.store[job.id] = job


def titles(page: BeautifulSoup) -> list[str]:
    return [next(cell.stripped_strings) for cell in page.select("td[data-name=Title]")]


def heading(page: BeautifulSoup, title: str) -> tuple[str | None, str]:
    """The ``aria-sort`` of a column and where its name leads."""
    cell = next(cell for cell in page.select("thead th") if cell.get_text() == title)
    link = cell.find("a")
    assert link is not None
    return cell.get("aria-sort"), link["href"]


@pytest.mark.usefixtures("three_jobs")
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("title", ["Alpha", "beta", "gamma"]),
        ("-title", ["gamma", "beta", "Alpha"]),
        ("-took", ["Alpha", "beta", "gamma"]),  # one that runs has not taken any time yet
        ("took", ["beta", "Alpha", "gamma"]),
        ("submitted", ["beta", "Alpha", "gamma"]),
        ("status", ["beta", "Alpha", "gamma"]),
    ],
)
def test_jobs_are_sorted_by_a_column(page: Page, sort: str, expected: list[str]) -> None:
    assert titles(page(f"/ui/jobs?sort={sort}")) == expected


@pytest.mark.usefixtures("three_jobs")
@pytest.mark.parametrize("sort", ["", "nope", "--title", "title,took", "%00", "-"])
def test_an_unknown_column_leaves_the_order_of_the_list(page: Page, sort: str) -> None:
    found = page(f"/ui/jobs?sort={sort}")
    assert titles(found) == titles(page("/ui/jobs"))
    assert found.select("[aria-sort]") == []


@pytest.mark.usefixtures("three_jobs")
def test_a_click_on_a_heading_sorts_turns_and_ends(page: Page) -> None:
    assert heading(page("/ui/jobs?status=failed"), "Title") == (None, "?status=failed&sort=title")
    assert heading(page("/ui/jobs?sort=title"), "Title") == ("ascending", "?sort=-title")
    assert heading(page("/ui/jobs?sort=-title"), "Title") == ("descending", "?")
    assert heading(page("/ui/jobs?sort=title"), "Took") == (None, "?sort=-took")  # the longest first
    assert heading(page("/ui/jobs?sort=-took"), "Took") == ("descending", "?sort=took")
    assert heading(page("/ui/jobs?sort=took"), "Took") == ("ascending", "?")


def test_the_page_says_that_only_its_rows_are_sorted(page: Page, services: FakeServices) -> None:
    for number in range(60):
        services.store[job_id(number)] = a_job(id=job_id(number))
    assert page("/ui/jobs").find(class_="sorted") is None
    assert "newest first" in page("/ui/jobs?sort=title").find(class_="sorted").get_text()
    assert page("/ui/jobs?sort=title&size=100").find(class_="sorted") is None  # all of them are here


def test_sizes_of_pages(page: Page, services: FakeServices) -> None:
    for number in range(60):
        services.store[job_id(number)] = a_job(id=job_id(number))
    found = page("/ui/jobs?size=50&offset=0&sort=title")
    assert len(found.select("#list tbody tr")) == 50
    assert found.find("a", rel="next")["href"] == "?size=50&sort=title&offset=50"
    assert [link["href"] for link in found.select(".sizes a")] == [f"?sort=title&size={size}" for size in (25, 50, 100)]
    assert found.select_one(".sizes [aria-current]").get_text() == "50"
    for size in ("0", "26", "x", "-50"):
        assert len(page(f"/ui/jobs?size={size}").select("#list tbody tr")) == 25


@pytest.mark.parametrize(("name", "seconds"), [("1h", 3600), ("24h", 86_400), ("7d", 604_800)])
def test_ranges_of_time(page: Page, services: FakeServices, name: str, seconds: int) -> None:
    before = pages.now()
    found = page(f"/ui/jobs?within={name}&status=failed")
    wanted = services.filters[-1]
    assert wanted.created_after is not None
    # times of the API have milliseconds
    assert before - 1000 <= wanted.created_after + seconds * SECOND <= pages.now()
    assert wanted.status is JobStatus.FAILED
    current = found.select_one("nav[aria-label='Time of submission'] [aria-current]")
    assert current.get_text() == f"last {name}"


def test_times_of_the_form_go_before_a_range(page: Page, services: FakeServices) -> None:
    page("/ui/jobs?within=1h&created_before=2024-06-14T10:00")
    assert services.filters[-1].created_after is None
    assert services.filters[-1].created_before == 1_718_359_200_000_000


def test_an_unknown_range_is_any_time(page: Page, services: FakeServices) -> None:
    found = page("/ui/jobs?within=5y")
    assert services.filters[-1].created_after is None
    assert found.select_one("nav[aria-label='Time of submission'] [aria-current]").get_text() == "any time"


def test_a_search_by_submitter_error_and_text_goes_with_the_filters(page: Page, services: FakeServices) -> None:
    services.store[job_id(1)] = a_job(id=job_id(1), title="Patch", submitted_by="ada")
    services.store[job_id(2)] = a_job(id=job_id(2), title="Patch", submitted_by="bob")
    found = page("/ui/jobs?submitted_by=ada&q=patch&operation=node.hostname.get")
    assert [row["id"] for row in found.select("#list tbody tr")] == [f"row-{job_id(1)}"]
    assert services.filters[-1].operation == "node.hostname.get"
    assert "Jobs that contain “patch”: 1." in found.find(class_="notice").get_text()
    assert found.find(id="f-by")["value"] == "ada"
    assert page("/ui/jobs?submitted_by=eve").select("#list tbody tr") == []


def test_a_search_continues_by_cursor(page: Page, services: FakeServices) -> None:
    services.store[job_id(1)] = a_job(id=job_id(1), title="Patch")
    services.next_cursor = 1_718_359_200_000_000
    first = page("/ui/jobs?q=patch&size=25")
    assert "the next page continues" in first.find(class_="notice").get_text()
    following = first.find("a", rel="next")["href"]
    assert following.startswith("?q=patch&size=25&cursor=")
    second = page(f"/ui/jobs{following}")
    assert services.filters[-1].cursor == 1_718_359_200_000_000
    assert second.find("a", rel="prev")["href"] == "?q=patch&size=25"


def test_a_wrong_cursor_is_explained(page: Page) -> None:
    assert "cursor" in page("/ui/jobs?q=patch&cursor=nope", 400).find(class_="is-bad").get_text().lower()


def test_a_row_has_the_error_and_the_submitter(page: Page, services: FakeServices) -> None:
    failed = replace(a_job().executions[0], state=ExecutionState.FAILED, error="no <b>space</b>\x1b[31m left")
    services.store[job_id(1)] = a_job(
        id=job_id(1), submitted_by="ada", status=JobStatus.FAILED, executions=(failed,), title="Patch"
    )
    services.store[job_id(2)] = a_job(id=job_id(2))
    first, second = page("/ui/jobs").select("#list tbody tr")
    assert first.select_one(".bad").get_text() == "no <b>space</b> left"
    assert first.select_one(".by").get_text() == "by ada"
    assert (second.select(".bad"), second.select(".by")) == ([], [])


def test_an_empty_list_leads_on(page: Page, services: FakeServices) -> None:
    empty = page("/ui/jobs").select_one("#list .empty")
    assert empty.find("a")["href"] == "/ui/submit"
    services.store[job_id(1)] = a_job(id=job_id(1))
    nothing = page("/ui/jobs?error=disk").select_one("#list .empty")
    assert (nothing.get_text(), nothing.find("a")["href"]) == ("No job matches. Show all jobs", "/ui/jobs")


def test_agents_are_sorted(page: Page, services: FakeServices) -> None:
    idle = replace(AN_AGENT, hostname="web2", conditions=(), running=0, load=(3.0, 1.0, 1.0), memory={})
    away = replace(AN_AGENT, hostname="web3", live=False, conditions=(), load=None, running=5)
    services.agents_known = [AN_AGENT, idle, away]

    def hosts(query: str) -> list[str]:
        return [row["id"].removeprefix("agent-") for row in page(f"/ui/agents?{query}").select("#list tbody tr")]

    assert hosts("") == ["web3", "web1", "web2"]  # those that need attention first
    assert hosts("sort=agent") == ["web1", "web2", "web3"]
    assert hosts("sort=-load") == ["web2", "web1", "web3"]
    assert hosts("sort=load") == ["web1", "web2", "web3"]
    assert hosts("sort=-runs") == ["web3", "web1", "web2"]
    assert hosts("sort=-memory") == ["web3", "web1", "web2"]
    assert hosts("sort=labels") == hosts("")
    assert page("/ui/agents?sort=-load").find(class_="sorted") is None


def test_sizes_of_pages_of_agents(page: Page, services: FakeServices) -> None:
    services.agents_known = [replace(AN_AGENT, hostname=f"web{number:02d}") for number in range(30)]
    found = page("/ui/agents?size=25&sort=-load")
    assert len(found.select("#list tbody tr")) == 25
    assert "by hostname" in found.find(class_="sorted").get_text()
    assert services.agent_filters[-1].limit == 25
    page("/ui/agents?size=7")
    assert services.agent_filters[-1].limit == 100
