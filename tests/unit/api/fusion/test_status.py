"""/job-launcher/launcher/status: what drivers elsewhere report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.ledger.world import World

from .conftest import HOST, Agent, Ask, fusion_error

AT = "/job-launcher/launcher/status"
(PAGE,) = json.loads((Path(__file__).parent / "status.json").read_text(encoding="utf-8"))


def report(ask: Ask, state: str, name: str = "run1", **more: Any) -> Any:
    return ask("POST", AT, {"state": state, "jobId": name, "jobConfig": {"id": "c", "type": "t"}, **more})


def test_the_page(ask: Ask) -> None:
    posted = ask("POST", AT, PAGE)
    assert (posted.status_code, posted.content_type) == (200, "application/json")
    assert posted.get_json() == PAGE
    for at in (AT, "/api" + AT):
        listed = ask("GET", at)
        assert (listed.status_code, listed.content_type) == (200, "application/hal+json")
        assert listed.get_json() == [PAGE]
    assert ask("POST", AT, PAGE).get_json() == PAGE
    assert list(listed.get_json()[0]) == list(PAGE)
    assert ask("GET", f"/api/spark/jobs/{PAGE['jobId']}").get_json() == PAGE
    (job,) = ask("GET", f"/job?tag=fusion.id:{PAGE['jobConfig']['id']}").get_json()["items"]
    assert (job["status"], job["hostname"], job["result"]) == ("completed", PAGE["hostname"], PAGE["result"])
    events = [event["event"] for event in job["timeline"]]
    assert events == ["submitted", "acknowledged", "started", "completed"]


def test_the_whole_way(ask: Ask, world: World) -> None:
    for state in ("idle", "starting", "running", "finishing"):
        answer = report(ask, state, hostname="driver-1", startTime="2025-10-16T19:49:15.106Z").get_json()
        assert answer == {
            "state": state,
            "jobId": "run1",
            "jobConfig": {"id": "c", "type": "t"},
            "hostname": "driver-1",
            "result": {},
        }
        world.clock.advance(1)
    ended = report(ask, "finished", result={"n": 1}, endTime="2025-10-16T19:49:42.276Z").get_json()
    assert ended["startTime"] == "2025-10-16T19:49:15.106Z"
    assert ended["duration"] == 27170
    assert ended["result"] == {"n": 1}


def test_the_ledgers_times_replace_missing_driver_times(ask: Ask, world: World) -> None:
    report(ask, "running")
    world.clock.advance(2.25)
    ended = report(ask, "finished").get_json()
    assert ended["duration"] == 2250
    assert ended["endTime"] > ended["startTime"]


def test_what_is_left_out_stays(ask: Ask) -> None:
    report(ask, "running", hostname="driver-1", result={"a": 1})
    answer = ask("POST", AT, {"state": "running", "jobId": "run1", "result": None, "hostname": ""}).get_json()
    assert answer["jobConfig"] == {"id": "c", "type": "t"}
    assert (answer["result"], answer["hostname"]) == ({"a": 1}, "driver-1")


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ("finished", "running", []),
        ("cancelled", "finished", []),
        ("error", "running", []),
        ("skipped", "running", []),
        ("running", "starting", ["running", "finishing", "cancelling", "finished", "cancelled", "error"]),
        ("running", "skipped", ["running", "finishing", "cancelling", "finished", "cancelled", "error"]),
        ("finishing", "cancelling", ["finishing", "finished", "error"]),
        ("cancelling", "running", ["cancelling", "cancelled", "error"]),
        ("running", "unknown", ["running", "finishing", "cancelling", "finished", "cancelled", "error"]),
        ("finished", "unknown", []),
    ],
)
def test_illegal_moves(ask: Ask, before: str, after: str, allowed: list[str]) -> None:
    assert report(ask, before).status_code == 200
    error = fusion_error(report(ask, after), 409, *allowed)
    assert error["details"]["allowed"] == allowed
    assert error["details"]["state"] == before
    assert ask("GET", "/api/spark/jobs/run1").get_json()["state"] == before


def test_a_run_cannot_begin_as_unknown(ask: Ask) -> None:
    error = fusion_error(report(ask, "unknown"), 409, "unknown")
    assert "running" in error["details"]["allowed"]
    assert "unknown" not in error["details"]["allowed"]
    assert ask("GET", AT).get_json() == []


def test_steps_may_be_left_out(ask: Ask) -> None:
    for number, (before, after) in enumerate(
        [("idle", "running"), ("starting", "finished"), ("running", "finished"), ("running", "cancelled")]
    ):
        report(ask, before, f"run{number}")
        assert report(ask, after, f"run{number}").get_json()["state"] == after


def test_an_end_stays(ask: Ask) -> None:
    first = report(ask, "finished", result={"n": 1}).get_json()
    error = fusion_error(report(ask, "finished", result={"n": 2}), 409, "ended as finished")
    assert error["details"] == {"state": "finished", "allowed": []}
    assert ask("GET", AT).get_json() == [first]


def test_cancel_shows_until_the_driver_reports(ask: Ask) -> None:
    report(ask, "running")
    for _ in range(2):
        assert ask("DELETE", "/api/spark/jobs/run1").get_json()["state"] == "cancelling"
        assert report(ask, "running").get_json()["state"] == "cancelling"
    assert report(ask, "finished").get_json()["state"] == "finished"


def test_an_error_says_why(ask: Ask) -> None:
    report(ask, "error", "a", result={"error": "out of memory"})
    report(ask, "error", "b")
    errors = {job["tags"]["fusion.reported"]: job["error"] for job in ask("GET", "/job").get_json()["items"]}
    assert errors == {"a": "out of memory", "b": "the driver reported an error"}


def test_no_driver_forges_the_state_of_an_agents_run(ask: Ask, agent: Agent) -> None:
    run_id = ask("POST", "/api/spark/jobs", {"id": "c", "type": "node.hostname.get"}).get_json()["jobId"]
    error = fusion_error(report(ask, "finished", run_id), 409, "agent")
    assert error["details"] == {"state": "starting", "allowed": []}
    agent.finish(agent.take())
    fusion_error(report(ask, "error", run_id), 409)
    assert ask("GET", f"/api/spark/jobs/{run_id}").get_json()["hostname"] == HOST


def test_a_reported_run_holds_up_no_start(ask: Ask) -> None:
    report(ask, "running")
    assert ask("POST", "/api/spark/jobs", {"id": "c", "type": "node.hostname.get"}).status_code == 200


def test_other_apis_show_it(ask: Ask) -> None:
    for number, state in enumerate(("idle", "running", "error", "skipped")):
        report(ask, state, f"run{number}")
        assert ask("GET", f"/api/jobs/run{number}").status_code == 404
    listed = ask("GET", "/api/jobs/").get_json()
    assert len(listed) == 4
    assert {job["submission_id"] for job in listed} == {job["id"] for job in ask("GET", "/job").get_json()["items"]}
    for item in ask("GET", "/job").get_json()["items"]:
        assert ask("GET", f"/job/{item['id']}").get_json() == item
        assert ask("GET", f"/job/{item['id']}/logs").get_json()["chunks"] == []


def test_it_is_run_again_only_elsewhere(ask: Ask) -> None:
    report(ask, "error")
    (job,) = ask("GET", "/job").get_json()["items"]
    response = ask("POST", f"/job/{job['id']}/retry")
    assert response.status_code == 409
    assert "was not run by an agent" in response.get_json()["error"]
    fusion_error(ask("GET", "/api/spark/driver/log/run1"), 404, "run1")


def test_pages(ask: Ask) -> None:
    names = [f"run{number}" for number in range(130)]
    for name in names:
        report(ask, "running", name)
    found = ask("GET", AT).get_json()
    assert [run["jobId"] for run in found] == names[::-1]
    assert [run["jobId"] for run in ask("GET", f"{AT}?limit=105&offset=10").get_json()] == names[-11:-116:-1]
    assert ask("GET", f"{AT}?limit=2&offset=129").get_json()[0]["jobId"] == "run0"
    for query in ("limit=0", "limit=1001", "limit=x", "offset=-1", "limit=1&limit=2"):
        fusion_error(ask("GET", f"{AT}?{query}"), 400)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "state"),
        ({"state": "finished"}, "jobId"),
        ({"jobId": "a"}, "state"),
        ({"state": "done", "jobId": "a"}, "unknown, idle, starting"),
        ({"state": "FINISHED", "jobId": "a"}, "state"),
        ({"state": 5, "jobId": "a"}, "state"),
        ({"state": "running", "jobId": 5}, "jobId"),
        ({"state": "running", "jobId": ""}, "jobId"),
        ({"state": "running", "jobId": "a/b"}, "jobId"),
        ({"state": "running", "jobId": "_any"}, "jobId"),
        ({"state": "running", "jobId": "a" * 129}, "jobId"),
        ({"state": "running", "jobId": "a", "jobConfig": []}, "jobConfig"),
        ({"state": "running", "jobId": "a", "result": "x"}, "result"),
        ({"state": "running", "jobId": "a", "hostname": "a|b"}, "Hostname"),
        ({"state": "running", "jobId": "a", "hostname": 5}, "hostname"),
        ({"state": "finished", "jobId": "a", "duration": -1}, "duration"),
        ({"state": "finished", "jobId": "a", "duration": 1.5}, "duration"),
        ({"state": "finished", "jobId": "a", "duration": "1"}, "duration"),
        ({"state": "finished", "jobId": "a", "startTime": "yesterday"}, "startTime"),
        ({"state": "finished", "jobId": "a", "endTime": 5}, "endTime"),
        ({"state": "finished", "jobId": "a", "startTime": "2025-01-02", "endTime": "2025-01-01"}, "endTime"),
        ({"state": "finished", "jobId": "a", "starttime": "2025-01-02"}, "did you mean startTime"),
        ([], "object"),
        ("x", "object"),
        (None, ""),
    ],
)
def test_bad_bodies(ask: Ask, body: Any, says: str) -> None:
    if body is None:
        fusion_error(ask("POST", AT, data="", content_type="application/json"), 400)
    else:
        fusion_error(ask("POST", AT, body), 400, says)
    assert ask("GET", AT).get_json() == []


# --- times ------------------------------------------------------------------------------------------------------------


def test_times_are_shown_in_utc_with_milliseconds(ask: Ask) -> None:
    times = {"startTime": "2025-10-16T21:49:15.1067+02:00", "endTime": "2025-10-16 19:49:42"}
    for _ in range(2):
        ended = report(ask, "finished", **times, duration=5).get_json()
        assert ended["startTime"] == "2025-10-16T19:49:15.106Z"
        assert ended["endTime"] == "2025-10-16T19:49:42.000Z"
        assert ended["duration"] == 26894


def test_a_given_duration_counts_without_both_times(ask: Ask) -> None:
    assert report(ask, "finished", "a", duration=5).get_json()["duration"] == 5
    assert report(ask, "finished", "b", duration=5, endTime="2025-01-01").get_json()["duration"] == 5
    report(ask, "running", "d", startTime="2025-01-01T00:00:00Z", duration=5)
    assert report(ask, "finished", "d", endTime="2025-01-01T00:00:01Z").get_json()["duration"] == 1000


def test_an_end_before_the_start_of_an_earlier_report(ask: Ask) -> None:
    report(ask, "running", startTime="2025-01-02T00:00:00Z")
    fusion_error(
        report(ask, "finished", endTime="2025-01-02T01:00:00+02:00"), 400, "endTime", "2025-01-02T00:00:00.000Z"
    )
    assert ask("GET", "/api/spark/jobs/run1").get_json()["state"] == "running"
    report(ask, "running", startTime="2025-01-01", endTime="2025-01-02")
    fusion_error(report(ask, "finished", startTime="2025-01-03"), 400, "startTime")
    assert report(ask, "finished").get_json()["duration"] == 86_400_000


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_reported_run_hides_no_configuration_of_its_name(ask: Ask, agent: Agent) -> None:
    at = "/api/spark/jobs/nightly"
    report(ask, "running", "nightly")
    assert ask("GET", at).get_json()["jobId"] == "nightly"
    ask("POST", "/api/spark/configurations", {"id": "nightly", "type": "node.hostname.get"})
    assert ask("GET", at).get_json()["state"] == "idle"
    fusion_error(ask("DELETE", at), 409, "nightly")
    run_id = ask("POST", at).get_json()["jobId"]
    assert ask("GET", at).get_json()["jobId"] == run_id
    assert ask("DELETE", at).get_json()["jobId"] == run_id
    report(ask, "running", "elsewhere", jobConfig={"id": "nightly"})
    assert ask("GET", at).get_json()["jobId"] == run_id
    for job in ask("GET", "/job?tag=fusion:run").get_json()["items"]:
        assert ask("DELETE", f"/job/{job['id']}").status_code == 204
    ask("DELETE", "/api/spark/configurations/nightly")
    assert ask("DELETE", at).get_json()["state"] == "cancelling"
    assert ask("GET", at).get_json()["jobId"] == "nightly"
