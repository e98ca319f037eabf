"""/schedule, over real services."""

from __future__ import annotations

import time
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.scheduling import submission_of
from jobqueue.errors import InvalidInput
from jobqueue.model.timestamps import from_iso
from jobqueue.schedules import times as schedule_times
from jobqueue.services import Services
from jobqueue.services.schedule_owner import OwnerReader
from jobqueue.services.scheduler import Scheduler
from jobqueue.settings import Settings
from tests.unit.api.over_a_ledger import act, services_with, settings_in

JOB = {"operation": {"type": "node.hostname.get"}, "target_hostname": "web1"}
NIGHTLY = {"name": "nightly", "cron": "0 3 * * 1-5", "time_zone": "Europe/Berlin", "job": JOB}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def services(settings: Settings) -> Services:
    return services_with(settings, {"web1": {}})


@pytest.fixture
def app(settings: Settings, services: Services) -> Flask:
    return create_app(settings, services)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return act(app, "*")


def create(client: FlaskClient, **fields: Any) -> Any:
    answer = client.post("/schedule", json={**NIGHTLY, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json


def test_create_and_get(client: FlaskClient) -> None:
    created = create(client, jitter="5m", catch_up=3600, description="updates")
    assert created["name"] == "nightly"
    assert (created["cron"], created["time_zone"], created["every"]) == ("0 3 * * 1-5", "Europe/Berlin", None)
    assert (created["jitter"], created["catch_up"], created["overlap"]) == ("5m", "1h", "skip")
    assert (created["owner"], created["job"], created["results"], created["pause"]) == ("alice", JOB, [], None)
    found = client.get("/schedule/nightly").json
    assert found is not None
    assert found["next_times"][0] == found["next_time"] == created["next_time"]
    assert len(found["next_times"]) == 10


def test_a_schedule_whose_time_zone_is_no_longer_known(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    create(client)

    def unknown(name: str) -> tzinfo:
        raise InvalidInput.of("time_zone", f"Unknown time zone {name!r}.")

    monkeypatch.setattr(schedule_times, "zone_of", unknown)
    schedule_times.times_of.cache_clear()
    shown = client.get("/schedule/nightly")
    assert (shown.status_code, shown.json["next_times"]) == (200, [])
    assert client.get("/schedule").status_code == 200
    for path in ("/ui/schedules", "/ui/schedules/nightly", "/ui/calendar"):
        assert client.get(path).status_code == 200, path
    refused = client.put("/schedule/nightly", json={"cron": "@daily", "time_zone": "Europe/Berlin", "job": JOB})
    assert (refused.status_code, "Unknown time zone" in refused.text) == (400, True)


def test_list_in_pages(client: FlaskClient) -> None:
    for name in ("b", "a", "c"):
        create(client, name=name)
    first = client.get("/schedule?limit=2").json
    assert first is not None
    assert ([one["name"] for one in first["schedules"]], first["total"]) == (["a", "b"], 3)
    second = client.get("/schedule", query_string={"limit": 2, "cursor": first["next_cursor"]}).json
    assert second is not None
    assert ([one["name"] for one in second["schedules"]], second["next_cursor"]) == (["c"], None)
    assert client.get("/schedule?cursor=x").status_code == 400


def test_put_creates_and_replaces(client: FlaskClient) -> None:
    body = {"every": "15m", "job": JOB}
    assert client.put("/schedule/pings", json=body).status_code == 201
    assert client.put("/schedule/pings", json={**body, "every": "20m"}).status_code == 200
    found = client.get("/schedule/pings").json
    assert found is not None
    assert found["every"] == "20m"
    assert client.post("/schedule", json={**body, "name": "pings"}).status_code == 409


def test_pause_resume_and_delete(client: FlaskClient) -> None:
    create(client)
    paused = client.post("/schedule/nightly/pause", json={"reason": "freeze"}).json
    assert paused is not None
    assert (paused["pause"]["reason"], paused["pause"]["by"]) == ("freeze", "alice")
    resumed = client.post("/schedule/nightly/resume").json
    assert resumed is not None
    assert resumed["pause"] is None
    assert client.post("/schedule/nightly/pause").status_code == 200
    assert client.delete("/schedule/nightly").status_code == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/trigger")):
        answer = client.open(f"/schedule/nightly{path}", method=method)
        assert (answer.status_code, "nightly" in answer.text) == (404, True), path


def test_trigger_submits_for_the_caller_and_is_audited_once(client: FlaskClient, services: Services) -> None:
    create(client)
    answer = client.post("/schedule/nightly/trigger")
    assert answer.status_code == 201, answer.text
    assert answer.json is not None
    assert answer.headers["Location"].endswith(f"/job/{answer.json['job_id']}")
    job = client.get(f"/job/{answer.json['job_id']}").json
    assert job is not None
    assert (job["submitted_by"], job["tags"]) == ("alice", {"schedule": "nightly"})
    found = client.get("/schedule/nightly").json
    assert found is not None
    (result,) = found["results"]
    assert (result["outcome"], result["job_id"]) == ("triggered", answer.json["job_id"])
    entries = [entry.content for entry in services.audit_trail.newest(10) if entry.content.path.endswith("/trigger")]
    assert [(entry.details["job"], entry.status) for entry in entries] == [(answer.json["job_id"], 201)]
    assert client.post("/schedule/nightly/trigger").status_code == 409
    refused = client.post("/schedule/nightly/trigger", headers={"Idempotency-Key": "k"})
    assert refused.status_code == 400


def test_backfill(app: Flask, client: FlaskClient, services: Services) -> None:
    body = {"cron": "0 * * * *", "overlap": "allow", "job": JOB}
    assert client.put("/schedule/s", json=body).status_code == 201
    span = {"from": "2020-01-01T00:00:00Z", "to": "2020-01-03T05:00:00Z"}
    planned = client.post("/schedule/s/backfill", json={**span, "dry_run": True}).json
    assert planned is not None
    assert (planned["total"], planned["next_from"]) == (54, "2020-01-03T02:00:00.000Z")
    assert {(one["outcome"], one["job_id"]) for one in planned["times"]} == {("planned", None)}
    assert client.get("/job?tag=schedule:s").json["items"] == []  # type: ignore[index]
    first = client.post("/schedule/s/backfill", json=span).json
    assert first is not None
    assert [one["outcome"] for one in first["times"]] == ["backfilled"] * 50
    rest = client.post("/schedule/s/backfill", json={**span, "from": first["next_from"]}).json
    assert rest is not None
    assert ([one["outcome"] for one in rest["times"]], rest["next_from"]) == (["backfilled"] * 4, None)
    again = client.post("/schedule/s/backfill", json={**span, "from": first["next_from"]}).json
    assert again is not None
    assert [(one["outcome"], one["job_id"]) for one in again["times"]] == [
        ("exists", one["job_id"]) for one in rest["times"]
    ]
    job = client.get(f"/job/{rest['times'][0]['job_id']}").json
    assert job is not None
    assert (job["submitted_by"], job["tags"]) == ("alice", {"schedule": "s"})
    newest = client.get("/schedule/s").json
    assert newest is not None
    assert (newest["results"][0]["outcome"], newest["results"][0]["time"]) == ("backfilled", "2020-01-03T05:00:00.000Z")
    entries = [entry.content for entry in services.audit_trail.newest(100) if entry.content.path.endswith("/backfill")]
    assert len([entry for entry in entries if "time" in entry.details]) == 54
    assert [entry.details["jobs"] for entry in entries if "jobs" in entry.details] == [0, 4, 50, 0]
    assert act(app, "schedule:*").post("/schedule/s/backfill", json=span).status_code == 403


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "from"),
        ({"from": "2020-01-01"}, "to"),
        ({"from": "2020-01-02", "to": "2020-01-01"}, "from"),
        ({"from": "2020-01-01", "to": "2150-01-01"}, "to"),
        ({"from": "2020-01-01", "to": "2020-12-31"}, "to"),
        ({"from": "x", "to": "2020-01-01"}, "from"),
        ({"from": "2020-01-01", "to": "2020-01-02", "begin": 1}, "begin"),
    ],
)
def test_ranges_that_cannot_be_backfilled_are_refused(client: FlaskClient, body: Any, field: str) -> None:
    assert client.put("/schedule/s", json={"cron": "0 * * * *", "job": JOB}).status_code == 201
    answer = client.post("/schedule/s/backfill", json=body)
    assert answer.status_code == 400
    assert answer.json is not None
    assert field in answer.json["details"]
    assert client.post("/schedule/none/backfill", json={"from": "2020-01-01", "to": "2020-01-01"}).status_code == 404


def test_fired_by_the_scheduler(client: FlaskClient, services: Services) -> None:
    body = {"every": "1s", "anchor": "2020-01-01", "job": JOB}
    assert client.put("/schedule/s", json=body).status_code == 201
    owners = OwnerReader(services.ledger.credentials)
    scheduler = Scheduler(
        services.ledger,
        services.submitter,
        services.canceller.cancel,
        owners,
        partial(submission_of, services=services),
        services.workflow_engine,
    )
    found: Any = client.get("/schedule/s").json
    deadline = time.monotonic() + 60
    outcomes: set[str] = set()
    while "fired" not in outcomes and time.monotonic() < deadline:
        time.sleep(scheduler.turn())
        found = client.get("/schedule/s").json
        outcomes = {result["outcome"] for result in found["results"]}
    assert outcomes <= {"fired", "missed"}  # on a slow machine, the first times may be over when they are looked at
    assert "fired" in outcomes
    listed = client.get("/job?tag=schedule:s").json
    assert listed is not None
    assert [job["id"] for job in listed["items"]] == [found["last_job_id"]]


def test_the_anchor_that_is_shown_is_the_stored_one(client: FlaskClient, services: Services) -> None:
    for number in range(5):  # a time has no microseconds now and then
        created: Any = client.put(f"/schedule/s{number}", json={"every": "1h", "job": JOB}).json
        before = services.schedules.get(f"s{number}").schedule.timing
        shown = {"every": "1h", "anchor": created["anchor"], "description": "d", "job": JOB}
        assert client.put(f"/schedule/s{number}", json=shown).status_code == 200
        assert services.schedules.get(f"s{number}").schedule.timing == before


@pytest.mark.parametrize(
    "timing",
    [
        {"every": "1h", "anchor": "2020-01-01T00:00:00.000001Z"},
        {"cron": "@daily", "starts": "2020-01-01T00:00:00.123456Z", "ends": "2150-01-01T00:00:00.999999Z"},
    ],
)
def test_moments_that_are_sent_back_as_they_were_shown_remain(
    client: FlaskClient, services: Services, timing: dict[str, str]
) -> None:
    shown: Any = client.put("/schedule/s", json={**timing, "job": JOB}).json
    before = services.schedules.get("s")
    again = {name: shown[name] for name in timing}
    assert again != timing  # milliseconds are shown
    assert client.put("/schedule/s", json={**again, "description": "d", "job": JOB}).status_code == 200
    after = services.schedules.get("s")
    assert (after.schedule.timing, after.progress) == (before.schedule.timing, before.progress)


def test_preview(client: FlaskClient) -> None:
    answer = client.post("/schedule/preview", json={"cron": "30 2 * * *", "time_zone": "Europe/Berlin"}).json
    assert answer is not None
    assert len(answer["times"]) == 10
    assert all(from_iso(time["time"]) == from_iso(time["local"]) for time in answer["times"])
    assert {time["local"][11:16] for time in answer["times"]} <= {"02:30", "03:00"}
    window = {"cron": "@daily", "blackouts": [{"cron": "@daily", "duration": "1h"}]}
    blacked = client.post("/schedule/preview", json=window).json
    assert blacked is not None
    assert blacked["times"] == []


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"cron": "61 * * * *"}, "cron"),
        ({"cron": "0 0 31 2 *"}, "cron"),
        ({"cron": "0 0 0 * * *"}, "cron"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"every": "15m"}, "every"),
        ({"cron": 5}, "cron"),
        ({"ends": "2031-01-01", "starts": "2032-01-01"}, "ends"),
        ({"ends": "2001-01-01"}, "cron"),
        ({"catch_up": "365d"}, "catch_up"),
        ({"catch_up": True}, "catch_up"),
        ({"catch_up": "soon"}, "catch_up"),
        ({"jitter": "2d"}, "jitter"),
        ({"jitter": -1}, "jitter"),
        ({"jitter": 1e300}, "jitter"),
        ({"overlap": "both"}, "overlap"),
        ({"expires_after": 0}, "expires_after"),
        ({"blackouts": [{"cron": "0 25 * * *", "duration": "1h"}]}, "blackouts[0].cron"),
        ({"blackouts": [{"cron": "@daily", "duration": "90d"}]}, "blackouts[0].duration"),
        ({"blackouts": [{"cron": "@daily", "duration": "1h"}] * 21}, "blackouts"),
        ({"name": "a b"}, "name"),
        ({"name": "preview"}, "name"),
        ({"croon": "@daily"}, "croon"),
        ({"job": {}}, "job.operation"),
        ({"job": {**JOB, "operation": {"type": "node.hostname.gt"}}}, "operation.type"),
        ({"job": {**JOB, "timeout_seconds": 0}}, "job.timeout_seconds"),
        ({"job": {**JOB, "idempotency_key": "k"}}, "job.idempotency_key"),
        ({"job": {**JOB, "expires_at": "2031-01-01"}}, "job.expires_at"),
        ({"job": {**JOB, "not_before": "2031-01-01"}}, "job.not_before"),
        ({"job": []}, "job"),
    ],
)
def test_what_is_refused(client: FlaskClient, fields: dict[str, Any], name: str) -> None:
    answer = client.post("/schedule", json={**NIGHTLY, **fields})
    assert answer.status_code == 400, answer.text
    assert answer.json is not None
    assert name in answer.json["details"], answer.json
    assert client.get("/schedule").json == {"schedules": [], "total": 0, "next_cursor": None}


@pytest.mark.parametrize("every", [0, "0s", -5, "0.5s"])
def test_an_interval_must_not_be_short(client: FlaskClient, every: Any) -> None:
    answer = client.post("/schedule", json={"name": "s", "every": every, "job": JOB})
    assert answer.status_code == 400
    assert answer.json is not None
    assert "1s" in answer.json["error"] or "duration" in answer.json["error"]


def test_permissions(app: Flask) -> None:
    client = act(app, "schedule:read", "schedule:write")
    answer = client.post("/schedule", json=NIGHTLY)
    assert (answer.status_code, "job:write" in answer.text) == (403, True)
    assert act(app, "schedule:read", "job:write", "agent:read").post("/schedule", json=NIGHTLY).status_code == 403
    assert act(app, "schedule:write", "job:write", "agent:read").post("/schedule", json=NIGHTLY).status_code == 201
    assert act(app, "schedule:read").get("/schedule/nightly").status_code == 200
    assert act(app, "job:read").get("/schedule").status_code == 403
    # who may change schedules cannot submit their jobs without the permissions for these
    assert act(app, "schedule:write").post("/schedule/nightly/trigger").status_code == 403


def test_an_owner_whose_permissions_cannot_be_looked_up_is_refused(app: Flask) -> None:
    answer = act(app, "*", kind="jwt").post("/schedule", json=NIGHTLY)
    assert (answer.status_code, "API key" in answer.text) == (400, True)


def test_a_saved_job_in_a_schedule(client: FlaskClient, app: Flask) -> None:
    saved = {
        "operation": {"type": "command.exec.execute", "data": {"argv": ["deploy", "{{ version }}"]}},
        "target_hostname": "web1",
        "parameters": {"version": {"pattern": "^[0-9.]+$"}},
        "target_override": True,
    }
    assert client.put("/saved/deploy", json=saved).status_code == 201
    content = {"saved": "deploy", "parameters": {"version": "1.4"}, "target": "_all"}
    assert create(client, job=content)["job"] == content
    answer = client.post("/schedule/nightly/trigger")
    assert answer.status_code == 201, answer.text
    job: Any = client.get(f"/job/{answer.json and answer.json['job_id']}").json
    assert (job["saved"], job["target_hostname"]) == ({"name": "deploy", "version": 1}, "_all")
    assert job["operation"]["data"]["argv"] == ["deploy", "1.4"]
    listed: Any = client.get("/job?saved=deploy").json
    assert [one["id"] for one in listed["items"]] == [job["id"]]
    refused: Any = client.put("/schedule/nightly", json={"every": "1h", "job": {"saved": "deploy"}})
    assert (refused.status_code, list(refused.json["details"])) == (400, ["job.parameters.version"])
    assert client.delete("/saved/deploy").status_code == 204
    gone = client.post("/schedule/nightly/trigger")
    assert (gone.status_code, "No job is saved as 'deploy'" in gone.text) == (400, True)
    denied = act(app, "schedule:write", "job:write", "command:execute").post(
        "/schedule", json={**NIGHTLY, "name": "other", "job": content}
    )
    assert (denied.status_code, "saved:run" in denied.text) == (403, True)


def test_a_dry_run_compares_and_stores_nothing(client: FlaskClient, app: Flask) -> None:
    body = {"every": "15m", "job": JOB}
    new: Any = client.put("/schedule/s?dry_run=true", json=body).json
    assert (new["change"], new["next_time"], new["owner"]) == ("created", None, "alice")
    assert client.get("/schedule/s").status_code == 404
    stored: Any = client.put("/schedule/s", json=body).json
    same: Any = client.put("/schedule/s?dry_run=true", json=body).json
    assert (same["change"], same["changes"]) == ("unchanged", [])
    paused: Any = client.put("/schedule/s?dry_run=true", json={**body, "paused": "freeze", "managed_by": "git"}).json
    assert paused["changes"] == [
        {"field": "managed_by", "before": None, "after": "git"},
        {"field": "paused", "before": None, "after": "freeze"},
    ]
    assert client.get("/schedule/s").json == {**stored, "next_times": client.get("/schedule/s").json["next_times"]}
    unknown = {**body, "job": {"saved": "later"}}
    assert client.put("/schedule/s?dry_run=true", json=unknown).status_code == 400
    assert client.put("/schedule/s?dry_run=true&assume=true", json=unknown).status_code == 200
    malformed = {**body, "job": {"saved": "later", "titel": "x"}}
    assert client.put("/schedule/s?dry_run=true&assume=true", json=malformed).status_code == 400
    assert client.put("/schedule/s", json={**body, "managed_by": "a b"}).status_code == 400
    denied = act(app, "schedule:write").put("/schedule/s?dry_run=true", json=body)
    assert denied.status_code == 403
