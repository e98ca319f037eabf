"""The pages of schedules, and their buttons."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobqueue.ledger.schedules import Step
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import SavedJob
from jobqueue.model.schedule import Outcome, Owner, Result, Schedule, Timing
from jobqueue.model.submission import Submission
from tests.unit.api.dashboard.conftest import Page, Send, parse
from tests.unit.api.dashboard.test_pages import EVIL
from tests.unit.api.fakes import FakeServices

JOB = {"operation": {"type": "node.hostname.get"}, "target_hostname": "web1"}
AT = "/ui/schedules/nightly"


@pytest.fixture
def schedule(services: FakeServices) -> Schedule:
    """A schedule whose first time was skipped."""
    principal = Principal("alice", frozenset({"*"}))
    draft = Schedule("nightly", "", "", Timing(cron="0 3 * * 1-5", time_zone="Europe/Berlin"), JOB, Owner("", "", ""))
    view = services.schedules.create(
        replace(draft, description=EVIL), Submission("node.hostname.get", principal=principal)
    )
    time = view.progress.next
    assert time is not None
    result = Result(time, time, time, Outcome.SKIPPED, 2, "", EVIL)
    services.ledger.schedules.settle([Step(view.schedule, view.progress, time + 1, time + 1, result)])
    return view.schedule


def test_list(page: Page, schedule: Schedule) -> None:
    row = page("/ui/schedules").find(id="row-nightly")
    assert row is not None
    shown = " ".join(row.get_text(" ").split())
    for words in ("nightly", "0 3 * * 1-5 (Europe/Berlin)", "node.hostname.get", "web1", "skipped", "alice"):
        assert words in shown
    (mark,) = row.select(".strip .mark")
    assert "skipped (2 times)" in str(mark["title"])


def test_empty_list_says_how_to_create_one(page: Page) -> None:
    assert "jobqueue schedule create" in page("/ui/schedules").get_text()


def test_one(page: Page, schedule: Schedule) -> None:
    shown = page(AT)
    assert not shown.find_all("script", string=lambda text: "evil" in (text or ""))
    assert EVIL in shown.get_text()
    times = shown.select_one('ol[aria-label="Next times"]')
    assert times is not None
    assert len(times.find_all("li")) == 10
    assert "03:00:00+0" in times.get_text()
    assert "nowhere" in page("/ui/schedules/nowhere", 404).get_text()


def test_pause_and_resume(send: Send, services: FakeServices, schedule: Schedule) -> None:
    paused = send(AT, f"{AT}/pause")
    assert (paused.status_code, paused.headers["Location"]) == (303, f"{AT}?done=paused")
    pause = services.schedules.get("nightly").schedule.pause
    assert pause is not None
    assert pause.by == "admin"
    assert send(AT, f"{AT}/resume").status_code == 303
    assert services.schedules.get("nightly").schedule.pause is None


def test_trigger_submits_for_the_person(send: Send, services: FakeServices, schedule: Schedule) -> None:
    answer = send(AT, f"{AT}/trigger")
    (job,) = services.fired
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/ui/jobs/{job.id}")
    assert (job.submission.principal.name, job.submission.tags) == ("admin", {"schedule": "nightly"})


def test_delete(send: Send, services: FakeServices, schedule: Schedule) -> None:
    answer = send(AT, f"{AT}/delete")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/ui/schedules?done=deleted")
    assert services.schedules.page("", 10, 0)[1] == 0


def test_a_refusal_is_shown_on_the_page(send: Send, services: FakeServices, schedule: Schedule) -> None:
    stored = services.schedules.get("nightly").schedule
    services.ledger.schedules.change(replace(stored, content={"operation": {}}, serial="s"), stored.serial)
    answer = send(AT, f"{AT}/trigger")
    assert answer.status_code == 400
    assert "operation.type" in parse(answer).get_text()


def test_the_page_links_the_saved_job(page: Page, services: FakeServices, schedule: Schedule) -> None:
    content = {"saved": "deploy", "parameters": {"version": "1.4"}}
    stored = replace(schedule, content=content, serial="2")
    services.ledger.schedules.change(stored, schedule.serial)
    gone = page(AT)
    assert "@deploy, which does not exist any more" in gone.get_text()
    admin = Principal("alice", frozenset({"*"}))
    services.saved.put(SavedJob("deploy", {"operation": "node.hostname.get", "data": {}, "target": "web1"}), admin)
    shown = page(AT)
    link = shown.find("a", href="/ui/saved/deploy")
    assert link is not None
    assert link.get_text() == "@deploy"
    assert "does not exist any more" not in shown.get_text()
    row = page("/ui/schedules").find(id="row-nightly")
    assert row is not None
    assert "@deploy" in row.get_text()
