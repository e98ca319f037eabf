"""``jobqueue event follow``."""

from __future__ import annotations

import json

from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ID, job
from tests.unit.cli.views.test_watch import event_of, stream
from tests.unit.client.fake_api import FakeApi, Reply

EVENTS = (
    ("job", event_of("started", "web1", timestamp="2026-01-01T00:00:00.000Z")),
    ("job", event_of("failed", "web1", "failed", "disk \x1b[2J full", timestamp="2026-01-01T00:00:01.000Z")),
    ("end", {"job_id": ID, "status": "failed"}),
)


def test_follow_a_job(api: FakeApi, run: Run) -> None:
    api.on("GET", f"/job/{ID}", Reply(200, job()))
    api.on("GET", f"/job/{ID}/events", stream(*EVENTS))
    result = run("event", "follow", "--job", ID)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"2026-01-01T00:00:00.000Z  {ID}  started       web1",
        f"2026-01-01T00:00:01.000Z  {ID}  failed        web1  disk \\x1b[2J full",
        f"Job {ID} is failed.",
    ]


def test_json_is_one_object_a_line_and_can_be_taken_up(api: FakeApi, run: Run) -> None:
    api.on("GET", "/events", stream(*EVENTS))
    result = run("event", "follow", "--json", "--event", "failed", "--after", "1-0")
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(one["kind"], one.get("event"), one["id"]) for one in found] == [
        ("job", "failed", "1-1"),
        ("end", None, "1-2"),
    ]
    assert api.seen[0].headers["Last-Event-ID"] == "1-0"


def test_what_is_missing_is_said(api: FakeApi, run: Run) -> None:
    result = run("event", "follow")
    assert (result.exit_code, "has no event stream" in result.stderr) == (2, True)
    api.on("GET", f"/job/{ID}", Reply(404, {"error": f"No job has the id {ID}.", "code": 404, "details": None}))
    result = run("event", "follow", "--job", ID)
    assert (result.exit_code, "No job has the id" in result.stderr) == (2, True)


def test_an_error_on_the_way_is_the_last_line(api: FakeApi, run: Run) -> None:
    api.on("GET", "/events", stream(EVENTS[0], ("error", {"error": "The ledger is away.", "details": None})))
    result = run("event", "follow")
    assert (result.exit_code, result.stderr) == (2, "Error: The ledger is away.\n")


def test_a_front_names_the_cell_of_each_event(api: FakeApi, run: Run) -> None:
    step = event_of("started", "web1", timestamp="2026-01-01T00:00:00.000Z", cell="west")
    about = {"cell": "east", "reason": "Cell east does not answer: no answer."}
    api.on(
        "GET",
        f"/job/{ID}/events",
        stream(("waiting", about), ("job", step), ("resumed", about), ("reset", about), EVENTS[-1]),
    )
    api.on("GET", f"/job/{ID}", Reply(200, job()))
    result = run("event", "follow", "--job", ID)
    assert result.stdout.splitlines()[0] == f"2026-01-01T00:00:00.000Z  {ID}  started       web1 (west)"
    assert result.stderr.splitlines() == [
        f"Error: {about['reason']}",
        "Cell east sends events again; none is missing.",
        f"Error: {about['reason']}",
    ]


def test_it_resumes_behind_an_event_that_it_does_not_show(api: FakeApi, run: Run) -> None:
    """A front's first event is its position, of which the client shows nothing."""
    api.on("GET", f"/job/{ID}", Reply(200, job()))
    api.on("GET", f"/job/{ID}/events", stream(("position", {})), stream(EVENTS[-1]))
    assert run("event", "follow", "--job", ID).exit_code == 0
    first, second = [seen for seen in api.seen if seen.path.endswith("/events")]
    assert ("Last-Event-ID" in first.headers, second.headers["Last-Event-ID"]) == (False, "1-0")
