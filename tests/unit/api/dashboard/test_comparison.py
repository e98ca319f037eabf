"""Two groups of answers of a job, compared on its page."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.model.job import Execution
from jobqueue.model.states import ExecutionState as S
from tests.unit.api.dashboard.conftest import Page
from tests.unit.api.fakes import FakeServices, a_job

ID = "123e4567-e89b-42d3-a456-426614174000"


def answer(host: str, stdout: str, **more: Any) -> Execution:
    return Execution(host, host, S.COMPLETED, attempt=1, data={"stdout": stdout, "duration_ms": len(host)}, **more)


@pytest.fixture
def job(services: FakeServices) -> None:
    executions = (
        answer("web1", "one\ntwo\n"),
        answer("web2-long", "one\ntwo\n"),
        answer("db1", "one\n<b>three</b>\x1b[31m\n"),
        Execution("db2", "db2", S.FAILED, attempt=1, error="no space"),
    )
    services.store[ID] = a_job(id=ID, target="_all", is_broadcast=True, executions=executions)


@pytest.mark.usefixtures("job")
def test_groups_can_be_chosen(page: Page) -> None:
    found = page(f"/ui/jobs/{ID}?bars=all")
    options = found.select("#compare-first option")
    assert [option["value"] for option in options] == ["db2", "web1", "db1"]
    assert options[0].get_text() == "db2, failed: no space"
    assert options[1].get_text().startswith("web1 and 1 more, completed")
    assert found.select_one("#compare-first [selected]")["value"] == "db2"  # what failed
    assert found.select_one("#compare-second [selected]")["value"] == "web1"  # with the largest of the others
    assert found.select_one(".compare input[name=bars]")["value"] == "all"
    assert found.select(".diff") == []


@pytest.mark.usefixtures("job")
def test_the_difference(page: Page) -> None:
    found = page(f"/ui/jobs/{ID}?compare=web1&with=db1")
    assert [cell.get_text() for cell in found.select(".diff tr.diff-minus td:nth-of-type(2)")] == ["two"]
    assert [cell.get_text() for cell in found.select(".diff tr.diff-plus td:nth-of-type(2)")] == ["<b>three</b>"]
    assert "web1 and 1 more" in found.select_one(".diff caption").get_text()


@pytest.mark.usefixtures("job")
def test_a_host_stands_for_its_group(page: Page) -> None:
    found = page(f"/ui/jobs/{ID}?compare=web2-long&with=db1")
    assert found.select_one("#compare-first [selected]")["value"] == "web1"
    assert len(found.select(".diff tr.diff-minus")) == 1


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("compare=web1&with=web2-long", "web1 and web2-long gave the same answer."),
        ("compare=web1&with=web1", "web1 and web1 gave the same answer."),
        ("compare=nope&with=web1", "No answer of nope is shown on this page."),
        ("compare=web1&with=%3Cscript%3E", "No answer of <script> is shown on this page."),
        ("with=%00", "No answer of \x00"),
    ],
)
def test_what_cannot_be_compared(page: Page, query: str, sentence: str) -> None:
    found = page(f"/ui/jobs/{ID}?{query}")
    assert found.select(".diff") == []
    assert any(sentence.replace("\x00", "")[:14] in notice.get_text() for notice in found.select(".notice"))


def test_nothing_to_compare(page: Page, services: FakeServices) -> None:
    services.store[ID] = a_job(id=ID)
    assert page(f"/ui/jobs/{ID}?compare=web1&with=web2").select(".compare") == []
    services.store[ID] = a_job(
        id=ID, target="_all", is_broadcast=True, executions=(answer("web1", "x"), answer("web2", "x"))
    )
    assert page(f"/ui/jobs/{ID}").select(".compare") == []
