"""The pages of schedules, and their buttons."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from bs4 import BeautifulSoup
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from jobqueue.ledger.schedules import Step
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import SavedJob
from jobqueue.model.schedule import Outcome, Overlap, Owner, Result, Schedule, Timing
from jobqueue.model.submission import Submission
from jobqueue.model.timestamps import to_iso
from tests.unit.api.dashboard.conftest import ORIGIN, Page, Send, form_to, parse, values_of
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


def _times(shown: BeautifulSoup, name: str) -> list[str]:
    """The days on which the calendar shows the schedule, each with how often."""
    return [
        f"{str(day['id'])[4:]}{' '.join(item.get_text(' ').split()).partition(name)[2]}"
        for day in shown.select("td[id^=day-]")
        for item in day.select("li")
        if item.find("a", string=name) is not None
    ]


def create(services: FakeServices, name: str, timing: Timing) -> None:
    draft = Schedule(name, "", "", timing, JOB, Owner("", "", ""))
    services.schedules.create(draft, Submission("node.hostname.get", principal=Principal("alice", frozenset({"*"}))))


def test_the_calendar_of_a_month_to_come(page: Page, services: FakeServices) -> None:
    create(services, "weekly", Timing(cron="30 23 * * 1", time_zone="America/New_York"))
    create(services, "twice", Timing(cron="0 3,15 7 2 *"))
    create(services, "often", Timing(every=3600 * 1_000_000))
    shown = page("/ui/calendar?month=2199-02")
    # 2199-02-01 is a Friday; New York's Monday evening is Tuesday in UTC. The weeks show days of other months, too
    assert _times(shown, "weekly") == ["2199-01-29", "2199-02-05", "2199-02-12", "2199-02-19", "2199-02-26"]
    assert _times(shown, "twice") == ["2199-02-07 \N{MULTIPLICATION SIGN}2"]
    assert _times(shown, "often") == []
    (frequent,) = shown.select("#frequent")
    assert "often (every 1h)" in frequent.get_text()
    assert [str(link["href"]) for link in shown.select('nav[aria-label="Months"] a')] == [
        "?month=2199-01",
        "?month=2199-03",
    ]


def test_the_calendar_shows_what_has_happened(page: Page, schedule: Schedule, services: FakeServices) -> None:
    time = services.schedules.get("nightly").results[-1].begin
    shown = page(f"/ui/calendar?month={to_iso(time)[:7]}")
    (day,) = shown.select(f"#day-{to_iso(time)[:10]}")
    assert "skipped nightly \N{MULTIPLICATION SIGN}2" in " ".join(day.get_text(" ").split())


@pytest.mark.parametrize("month", ["", "x", "2026-13", "0001-01", "9999-12", "2026-1", "2026-12-01", "-1"])
def test_the_calendar_shows_the_present_month_for_an_invalid_one(
    page: Page, services: FakeServices, month: str
) -> None:
    assert len(page(f"/ui/calendar?month={month}").select("td[aria-current=date]")) == 1


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
    assert "@deploy, which no longer exists" in gone.get_text()
    admin = Principal("alice", frozenset({"*"}))
    services.saved_jobs.put(SavedJob("deploy", {"operation": "node.hostname.get", "data": {}, "target": "web1"}), admin)
    shown = page(AT)
    link = shown.find("a", href="/ui/saved/deploy")
    assert link is not None
    assert link.get_text() == "@deploy"
    assert "no longer exists" not in shown.get_text()
    row = page("/ui/schedules").find(id="row-nightly")
    assert row is not None
    assert "@deploy" in row.get_text()


FORM = "/ui/schedule"
EDIT = f"{FORM}?name=nightly"


def problems_of(answer: TestResponse) -> dict[str, str]:
    """The errors of a form by the id of their field."""
    return {str(each["id"]): each.get_text() for each in parse(answer).select(".field-problem")}


def test_the_form_creates_a_schedule(send: Send, services: FakeServices) -> None:
    fields = {"name": "weekly", "cron": "0 3 * * 1", "time_zone": "Europe/Berlin", "jitter": "5m", "catch_up": "never"}
    blackouts = "0 22 * * 5 / 2d\r\n\r\n0 0 24 12 * / 3d\r\n"
    answer = send(FORM, FORM, **fields, blackouts=blackouts, overlap="allow", job=json.dumps(JOB))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/ui/schedules/weekly?done=stored")
    stored = services.schedules.get("weekly").schedule
    assert stored.timing == Timing(cron="0 3 * * 1", time_zone="Europe/Berlin", jitter=300_000_000)
    assert (stored.overlap, stored.catch_up, stored.content) == (Overlap.ALLOW, None, JOB)
    assert [(one.cron, one.duration // 86_400_000_000) for one in stored.blackouts] == [
        ("0 22 * * 5", 2),
        ("0 0 24 12 *", 3),
    ]
    again = send(FORM, FORM, name="weekly", cron="@daily", job=json.dumps(JOB))
    assert again.status_code == 409
    assert "exists; choose another name" in parse(again).get_text()


def test_the_form_changes_a_schedule_and_keeps_what_it_does_not_show(send: Send, services: FakeServices) -> None:
    draft = Schedule("nightly", "", "", Timing(every=3_600_000_000, jitter=60_000_000), JOB, Owner("", "", ""))
    admin = Principal("alice", frozenset({"*"}))
    services.schedules.create(draft, Submission("node.hostname.get", principal=admin))
    services.schedules.pause("nightly", "moving", admin)
    before = services.schedules.get("nightly")
    assert send(EDIT, FORM, description="updates").status_code == 303
    after = services.schedules.get("nightly")
    assert after.schedule.description == "updates"
    assert (after.schedule.timing, after.schedule.pause) == (before.schedule.timing, before.schedule.pause)
    assert (after.progress, after.schedule.uid) == (before.progress, before.schedule.uid)


def test_the_form_refuses_to_overwrite_a_concurrent_change(
    signed_in: FlaskClient, services: FakeServices, schedule: Schedule
) -> None:
    values = values_of(form_to(parse(signed_in.get(EDIT)), FORM))
    services.schedules.pause("nightly", "", Principal("bob", frozenset({"*"})))
    answer = signed_in.post(FORM, data={**values, "description": "mine"}, headers={"Origin": ORIGIN})
    assert answer.status_code == 409
    assert "bob has changed the schedule meanwhile" in parse(answer).get_text()
    assert services.schedules.get("nightly").schedule.description == EVIL
    services.schedules.remove("nightly")
    gone = signed_in.post(FORM, data=values, headers={"Origin": ORIGIN})
    assert problems_of(gone) == {"o-name-problem": "No schedule has this name; a name cannot be changed."}
    assert signed_in.get(EDIT).status_code == 404


def test_the_form_previews_the_next_times(send: Send, services: FakeServices) -> None:
    shown = parse(send(FORM, FORM, cron="30 2 * * *", time_zone="Europe/Berlin", job="{", do="preview"))
    times = shown.select('#times ol[aria-label="Next times"] li')
    assert len(times) == 10
    assert all(" 02:30:00+0" in time.get_text() for time in times)
    field = shown.find(id="o-job")
    assert field is not None
    assert field.get_text().strip() == "{"
    assert services.schedules.page("", 10, 0)[1] == 0


def test_the_form_works_as_it_begins(send: Send, services: FakeServices) -> None:
    assert send(FORM, FORM, name="hourly", every="1h").status_code == 303
    assert services.schedules.get("hourly").schedule.content["target_hostname"] == "_any"


def test_the_form_follows_a_saved_job(send: Send, signed_in: FlaskClient, services: FakeServices) -> None:
    saved = SavedJob("deploy", {"operation": "node.hostname.get", "data": {}, "target": "web1"})
    services.saved_jobs.put(saved, Principal("alice", frozenset({"*"})))
    answer = send(FORM, FORM, name="smoke", after="@deploy", after_status="failed, cancelled")
    assert answer.status_code == 303, problems_of(answer)
    after = services.schedules.get("smoke").schedule.after
    assert after is not None
    assert (after.kind, after.name, after.status) == ("saved", "deploy", ("failed", "cancelled"))
    assert "after @deploy failed or cancelled" in parse(signed_in.get("/ui/schedules")).get_text()
    shown = parse(signed_in.get("/ui/schedules/smoke"))
    assert "after @deploy failed or cancelled" in shown.get_text()
    assert shown.find(id="backfill") is None
    form = values_of(form_to(parse(signed_in.get(f"{FORM}?name=smoke")), FORM))
    assert (form["after"], form["after_status"]) == ("deploy", "failed, cancelled")
    wrong = send(FORM, FORM, name="other", after="nothing")
    assert problems_of(wrong) == {"o-after-problem": "after.saved: There is no 'nothing'; store it first."}


def test_the_form_begins_with_a_saved_job(page: Page) -> None:
    field = page(f"{FORM}?saved=deploy").find(id="o-job")
    assert field is not None
    assert json.loads(field.get_text()) == {"saved": "deploy", "parameters": {}}


@pytest.mark.parametrize(
    ("fields", "problems"),
    [
        ({"cron": "61 * * * *"}, {"o-cron-problem": "The minute '61' is not within 0-59."}),
        ({"cron": "@daily", "every": "1h"}, {"o-every-problem": "Give one of cron, every, at and rrule"}),
        ({"cron": "@daily", "time_zone": "Europe/Berln"}, {"o-time_zone-problem": "Unknown time zone"}),
        ({"cron": "@daily", "blackouts": "x"}, {"o-blackouts-problem": "'x' is not a cron expression and a duration"}),
        ({"cron": "@daily", "blackouts": "x / 1d"}, {"o-blackouts-problem": "blackouts[0].cron: "}),
        ({"every": "soon", "jitter": "x"}, {"o-every-problem": "Must be a duration", "o-jitter-problem": "Must be a"}),
        ({"cron": "@daily", "job": "{"}, {"o-job-problem": "Not valid JSON"}),
        ({"cron": "@daily", "job": "3"}, {"o-job-problem": ""}),
        ({"cron": "@daily", "job": "{}"}, {"o-job-problem": "job.operation: Missing"}),
        ({"cron": "@daily", "name": "a b"}, {"o-name-problem": "Must be 1 to 64 letters"}),
        ({"cron": "@daily", "name": ""}, {"o-name-problem": "Missing"}),
        ({"cron": "@daily", "overlap": "maybe"}, {"o-overlap-problem": "Must be one of"}),
    ],
)
def test_errors_are_shown_beside_the_fields(
    send: Send, services: FakeServices, fields: dict[str, str], problems: dict[str, str]
) -> None:
    answer = send(FORM, FORM, **{"name": "s", "job": json.dumps(JOB), **fields})
    assert answer.status_code == 400
    shown = problems_of(answer)
    assert shown.keys() == problems.keys()
    assert all(shown[field].startswith(text) for field, text in problems.items()), shown
    assert services.schedules.page("", 10, 0)[1] == 0


SPAN = {"from": "2026-01-05T00:00:00Z", "to": "2026-01-10"}  # Monday to Friday, at 3 in Berlin


def _filled(answer: TestResponse) -> list[str]:
    rows = parse(answer).select("#backfill tbody tr")
    return [" ".join(cell.get_text(" ").split()) for row in rows for cell in row.select("[data-name=Outcome]")]


def test_backfill(send: Send, services: FakeServices, schedule: Schedule) -> None:
    listed = send(AT, f"{AT}/backfill", do="preview", **SPAN)
    assert listed.status_code == 200
    assert _filled(listed) == ["planned"] * 5
    assert services.fired == []
    done = send(AT, f"{AT}/backfill", do="run", **SPAN)
    assert _filled(done) == ["backfilled"] * 5
    assert "5 of 5 times" in parse(done).get_text()
    assert {job.submission.principal.name for job in services.fired} == {"admin"}
    assert len({job.id for job in services.fired}) == 5


def test_a_backfill_without_times_says_so(send: Send, services: FakeServices, schedule: Schedule) -> None:
    answer = send(AT, f"{AT}/backfill", do="preview", **{"from": "2026-01-10", "to": "2026-01-11"})  # a weekend
    assert "The schedule has no times in this range." in parse(answer).get_text()


def test_a_long_backfill_goes_on_where_it_ended(send: Send, services: FakeServices, schedule: Schedule) -> None:
    answer = send(AT, f"{AT}/backfill", do="run", **{"from": "2026-01-05", "to": "2026-03-31"})
    assert len(_filled(answer)) == 50
    form = form_to(parse(answer), f"{AT}/backfill")
    assert values_of(form)["from"] == "2026-03-16T02:00:00.000Z"
    assert values_of(form)["to"] == "2026-03-31"


@pytest.mark.parametrize(
    ("span", "words"),
    [
        ({"from": "soon"}, "'soon' is neither a time"),
        ({"from": "2026-01-02", "to": "2026-01-01"}, "not be later than to"),
        ({"from": "2026-01-01", "to": "2190-01-01"}, "not be later than now"),
        ({"from": "999999999999d"}, "more than 1000 times"),
        ({"from": "x" * 5000}, "neither a time"),
    ],
)
def test_a_wrong_range(
    send: Send, services: FakeServices, schedule: Schedule, span: dict[str, str], words: str
) -> None:
    answer = send(AT, f"{AT}/backfill", do="run", **span)
    assert answer.status_code == 400
    assert words in parse(answer).get_text()
    assert services.fired == []


def test_times_ago(send: Send, schedule: Schedule) -> None:
    answer = send(AT, f"{AT}/backfill", do="preview", **{"from": "7d", "to": ""})
    assert len(_filled(answer)) in (4, 5), "a week has five weekdays, of which one may be today's, yet to come"
