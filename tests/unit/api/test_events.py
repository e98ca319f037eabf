"""/events and /job/{id}/events as server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from jobqueue.errors import JobNotFound
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
