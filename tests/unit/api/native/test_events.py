"""/events and /job/{id}/events as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from api.native import events as events_module
from jobqueue.errors import JobNotFound, LedgerUnavailable
from jobqueue.model.job_event import JobEvent
from jobqueue.model.states import JobStatus
from jobqueue.model.timeline import Event
from jobqueue.services.event_feed import MissedEvents
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import FakeServices, a_job
from tests.unit.api.shapes import error

JOB = a_job()
AT = 1_718_359_200_123_456


def news(number: int, event: str = "started", status: JobStatus = JobStatus.PROCESSING, note: str = "") -> JobEvent:
    return JobEvent(f"{number}-0", JOB.id, status, (Event(AT, event, "web1", note),))


def events(text: str) -> list[dict[str, str]]:
    """The events of a stream, as {field: value}."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append(fields)
    return found


def test_each_step_is_an_event(ask: Ask, services: FakeServices) -> None:
    seen: list[str | None] = []

    def follow(after: str | None = None) -> Iterator[list[JobEvent]]:
        seen.append(after)
        yield [news(7), news(8, "failed", JobStatus.FAILED, "disk full")]
        yield []

    services.events.follow = follow
    response = ask("GET", "/events", headers={"Last-Event-ID": "5-0"})
    assert response.mimetype == "text/event-stream"
    first, second = events(response.get_data(as_text=True))
    assert seen == ["5-0"]
    assert (first["event"], first["id"], second["id"]) == ("job", "7-0", "8-0")
    assert json.loads(second["data"]) == {
        "job_id": JOB.id,
        "status": "failed",
        "timestamp": "2024-06-14T10:00:00.123Z",
        "event": "failed",
        "hostname": "web1",
        "message": "Job failed on web1",
        "error": "disk full",
    }


def test_each_step_by_itself_and_where_the_stream_is(ask: Ask, services: FakeServices) -> None:
    """For callers that merge streams: many equal steps stay events of their own, and positions have ids."""
    many = [JobEvent(f"8-{n}", JOB.id, JobStatus.PROCESSING, (Event(AT, "started", f"web{n}"),)) for n in range(30)]

    def follow(after: str | None = None) -> Iterator[list[JobEvent]]:
        return iter([many] if after == "8-0" else [])

    services.events.follow, services.events.position = follow, lambda: "8-0"
    first, *others = events(ask("GET", "/events?each=true").get_data(as_text=True))
    assert (first["event"], first["id"]) == ("position", "8-0")
    assert [each["id"] for each in others] == [event.id for event in many]
    resumed = events(ask("GET", "/events?each=true", headers={"Last-Event-ID": "5-0"}).get_data(as_text=True))
    assert [(each["event"], each["id"]) for each in resumed] == [("position", "5-0")]
    assert error(ask("GET", "/events?each=perhaps"), 400)
    assert error(ask("GET", "/events?other=1"), 400)


def test_a_gap_begins_anew(ask: Ask, services: FakeServices) -> None:
    def follow(after: str | None = None) -> Iterator[list[JobEvent]]:
        if after is not None:
            raise MissedEvents
        return iter([[news(9)]])

    services.events.follow = follow
    found = events(ask("GET", "/events", headers={"Last-Event-ID": "5-0"}).get_data(as_text=True))
    assert [(each["event"], each.get("id")) for each in found] == [("reset", None), ("job", "9-0")]
    assert "no longer stored" in found[0]["data"]


def test_one_job_to_its_end(ask: Ask, services: FakeServices) -> None:
    services.store[JOB.id] = JOB
    turns = [
        [
            JobEvent(
                "8-0", JOB.id, JobStatus.PROCESSING, (Event(AT, "acknowledged", "web1"), Event(AT, "started", "web1"))
            )
        ],
        [],
        [news(9, "completed")],
    ]
    services.events.follow_job = lambda job_id, after=None: iter(turns)
    found = events(ask("GET", f"/job/{JOB.id}/events").get_data(as_text=True))
    assert [(each["event"], each.get("id")) for each in found] == [
        ("job", None),
        ("job", "8-0"),
        ("job", "9-0"),
        ("end", None),
    ]
    assert json.loads(found[-1]["data"]) == {"job_id": JOB.id, "status": JOB.status.value}


def test_an_unknown_job(ask: Ask, services: FakeServices) -> None:
    error(ask("GET", "/job/00000000-0000-4000-8000-000000000000/events"), 404)


def test_a_job_that_is_deleted_meanwhile(ask: Ask, services: FakeServices) -> None:
    services.store[JOB.id] = JOB

    def follow(job_id: str, after: str | None = None) -> Iterator[list[JobEvent]]:
        yield [news(9)]
        raise JobNotFound("deleted meanwhile")

    services.events.follow_job = follow
    found = events(ask("GET", f"/job/{JOB.id}/events").get_data(as_text=True))
    assert [each["event"] for each in found] == ["job", "error"]


@pytest.mark.parametrize("path", ["/events", f"/job/{JOB.id}/events"])
@pytest.mark.parametrize("given", ["x", "1", "1-x", "-1", "9" * 30])
def test_a_bad_last_event_id(ask: Ask, services: FakeServices, path: str, given: str) -> None:
    services.store[JOB.id] = JOB
    error(ask("GET", path, headers={"Last-Event-ID": given}), 400, field="Last-Event-ID")


def of_many(count: int, first: int = 1, job_id: str = JOB.id, event: str = "cancelled") -> list[JobEvent]:
    """The same step of many agents."""
    return [
        JobEvent(f"{number}-0", job_id, JobStatus.CANCELLED, (Event(AT + number, event, f"web{number}", "on request"),))
        for number in range(first, first + count)
    ]


def test_equal_steps_of_many_agents_are_one_event(ask: Ask, services: FakeServices) -> None:
    other = "423e4567-e89b-42d3-a456-426614174000"
    turn = [*of_many(300), *of_many(2, 301, other), *of_many(100, 303, event="expired")]
    services.events.follow = lambda after: iter([turn, of_many(1, 403)])
    found = events(ask("GET", "/events").get_data(as_text=True))
    documents = [json.loads(one["data"]) for one in found]
    assert [(one["job_id"], one["event"], one.get("count", 0)) for one in documents] == [
        (JOB.id, "cancelled", 300),
        (other, "cancelled", 0),
        (other, "cancelled", 0),
        (JOB.id, "expired", 100),
        (JOB.id, "cancelled", 0),
    ]
    assert (documents[0]["hostname"], documents[0]["message"]) == ("", "300 agents: cancelled")
    assert documents[1]["hostname"] == "web301"
    # what was sent in part is sent again as a whole
    assert [one.get("id") for one in found] == [None, None, None, "402-0", "403-0"]
    assert len(json.dumps(documents)) < 2_000


def test_the_steps_of_one_job_are_not_counted(ask: Ask, services: FakeServices) -> None:
    services.store[JOB.id] = JOB
    services.events.follow_job = lambda job_id, after: iter([of_many(300)])
    found = events(ask("GET", f"/job/{JOB.id}/events").get_data(as_text=True))
    assert [one["event"] for one in found] == ["job"] * 300 + ["end"]


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "_PAUSE_SECONDS", 0.0)


@pytest.mark.usefixtures("no_pause")
@pytest.mark.parametrize("begins", [True, False], ids=["while it joins", "later"])
def test_a_ledger_that_does_not_answer(ask: Ask, services: FakeServices, begins: bool) -> None:
    calls: list[str | None] = []

    def broken() -> Iterator[list[JobEvent]]:
        yield [news(1)]
        raise LedgerUnavailable

    def follow(after: str | None = None) -> Iterator[list[JobEvent]]:
        calls.append(after)
        if begins and len(calls) == 1:
            raise LedgerUnavailable
        if not begins and len(calls) == 1:
            return broken()
        if len(calls) < 4:
            raise LedgerUnavailable
        return iter([[news(9)]])

    services.events.follow = follow
    found = events(ask("GET", "/events").get_data(as_text=True))
    assert [one["event"] for one in found] == [*([] if begins else ["job"]), "waiting", "reset", "job"]
    assert "Redis" in json.loads(found[-3]["data"])["reason"]
    assert calls == [None] * 4
