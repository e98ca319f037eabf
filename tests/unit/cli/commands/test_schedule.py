from __future__ import annotations

import json

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply

RESULT = {
    "time": "2027-01-01T02:00:00.000Z",
    "last_time": "2027-01-01T02:00:00.000Z",
    "decided": "2027-01-01T02:00:00.010Z",
    "outcome": "skipped",
    "count": 3,
    "job_id": None,
    "reason": "job 1 has not ended",
}
STORED = {
    "name": "nightly",
    "description": "updates",
    "cron": "0 3 * * 1-5",
    "every": None,
    "at": None,
    "rrule": None,
    "time_zone": "Europe/Berlin",
    "jitter": "0s",
    "blackouts": [{"cron": "0 0 20 12 *", "duration": "14d"}],
    "job": {"operation": {"type": "node.uptime.get"}, "target_hostname": "group:web"},
    "overlap": "skip",
    "catch_up": "0s",
    "expires_after": "1h",
    "pause": None,
    "owner": "alice",
    "changed": "2026-12-31T10:00:05.123Z",
    "changed_by": "alice",
    "next_time": "2027-01-04T02:00:00.000Z",
    "results": [RESULT],
}
DETAIL = {**STORED, "next_times": ["2027-01-04T02:00:00.000Z", "2027-01-05T02:00:00.000Z"]}


def test_backfill(run: Run, api: FakeApi) -> None:
    path = "/schedule/nightly/backfill"
    made = {"time": "2027-01-01T02:00:00.000Z", "outcome": "backfilled", "job_id": "j1", "reason": ""}
    refused = {"time": "2027-01-02T02:00:00.000Z", "outcome": "refused", "job_id": None, "reason": "no agent"}
    api.on(
        "POST",
        path,
        Reply(200, {"times": [made], "total": 2, "next_from": "2027-01-02T02:00:00.000Z"}),
        Reply(200, {"times": [refused], "total": 1, "next_from": None}),
    )
    span = ("--from", "2027-01-01T00:00:00Z", "--to", "2027-01-03T00:00:00Z")
    result = run("schedule", "backfill", "nightly", *span)
    assert (result.exit_code, len(result.stdout.splitlines())) == (1, 3)
    assert "refused" in result.stdout
    assert [seen.body["from"] for seen in api.seen[-2:]] == ["2027-01-01T00:00:00.000Z", "2027-01-02T02:00:00.000Z"]
    api.on("POST", path, Reply(200, {"times": [made], "total": 1, "next_from": None}))
    dry = run("schedule", "backfill", "nightly", *span, "--dry-run", "--json")
    assert (dry.exit_code, json.loads(dry.stdout)) == (0, {"times": [made]})
    assert api.seen[-1].body["dry_run"] is True


def test_create(run: Run, api: FakeApi) -> None:
    api.on("POST", "/schedule", Reply(201, STORED))
    options = ("--cron", "0 3 * * 1-5", "--time-zone", "Europe/Berlin", "--jitter", "90s", "--catch-up", "never")
    blackout = ("--blackout", "0 0 20 12 * / 14d", "--overlap", "allow", "--expires-after", "1h", "--batch", "10%")
    shown = run("schedule", "create", "nightly", *options, *blackout, "--on", "group:web", "apt-get update").stdout
    assert shown == "nightly  next 2027-01-04T02:00:00.000Z\n"
    assert api.seen[-1].body == {
        "name": "nightly",
        "job": {
            "operation": {"type": "command.shell.execute", "data": {"command": "apt-get update"}},
            "target_hostname": "group:web",
            "rollout": {"batch": "10%"},
        },
        "cron": "0 3 * * 1-5",
        "time_zone": "Europe/Berlin",
        "jitter": "1m30s",
        "catch_up": "never",
        "blackouts": [{"cron": "0 0 20 12 *", "duration": "14d"}],
        "overlap": "allow",
        "expires_after": "1h",
    }


def test_create_from_a_whole_job_and_replace(run: Run, api: FakeApi) -> None:
    api.on("PUT", "/schedule/nightly", Reply(200, STORED))
    job = {"operation": {"type": "node.uptime.get"}}
    run("schedule", "create", "nightly", "--every", "15m", "--job", json.dumps(job), "--replace")
    assert api.seen[-1].body == {"job": job, "every": "15m"}
    refused = run("schedule", "create", "nightly", "--every", "15m", "--job", "{}", "--on", "web1")
    assert "--job gives the jobs as a whole" in refused.stderr


def test_preview_and_dry_run(run: Run, api: FakeApi) -> None:
    times = [{"time": "2027-03-28T01:00:00.000Z", "local": "2027-03-28T03:00:00+02:00"}]
    answer = {"time_zone": "Europe/Berlin", "times": times}
    api.on("POST", "/schedule/preview", Reply(200, answer), Reply(200, answer))
    shown = run("schedule", "preview", "--cron", "30 2 * * *", "--time-zone", "Europe/Berlin").stdout
    assert "2027-03-28T03:00:00+02:00" in shown
    assert api.seen[-1].body == {"cron": "30 2 * * *", "time_zone": "Europe/Berlin"}
    run("schedule", "create", "n", "--cron", "@daily", "--overlap", "allow", "--on", "web1", "true", "--dry-run")
    assert api.seen[-1].body == {"cron": "@daily"}


def test_preview_of_a_stored_schedule(run: Run, api: FakeApi) -> None:
    answer = {"time_zone": "Europe/Berlin", "times": []}
    detail = {**DETAIL, "ends": "2030-01-31T12:00:00.000Z"}
    api.on("GET", "/schedule/nightly", *[Reply(200, detail)] * 3, Reply(200, {**detail, "after": {"saved": "x"}}))
    api.on("POST", "/schedule/preview", *[Reply(200, answer)] * 3)
    blackouts = DETAIL["blackouts"]
    own = {"time_zone": "Europe/Berlin", "ends": detail["ends"], "blackouts": blackouts}
    run("schedule", "preview", "nightly")
    assert api.seen[-1].body == {"cron": "0 3 * * 1-5", **own}
    run("schedule", "preview", "nightly", "--time-zone", "UTC")
    assert api.seen[-1].body == {"cron": "0 3 * * 1-5", **own, "time_zone": "UTC"}
    run("schedule", "preview", "nightly", "--every", "15m")
    assert api.seen[-1].body == {"every": "15m", **own}
    assert "no times to show: it follows another job" in run("schedule", "preview", "nightly").stderr


def test_list(run: Run, api: FakeApi) -> None:
    first = {"schedules": [STORED], "total": 2, "next_cursor": "c"}
    second = {"schedules": [{**STORED, "name": "pings", "cron": None, "every": "15m"}], "total": 2, "next_cursor": None}
    api.on("GET", "/schedule", Reply(200, first), Reply(200, second))
    lines = [" ".join(line.split()) for line in run("schedule", "list").stdout.splitlines()]
    assert "0 3 * * 1-5 Europe/Berlin" in lines[1]
    assert "skipped" in lines[1]
    assert "pings every 15m" in lines[2]


def test_show(run: Run, api: FakeApi) -> None:
    pause = {"reason": "freeze", "by": "bob", "at": "2026-12-31T10:00:05.123Z"}
    api.on("GET", "/schedule/nightly", Reply(200, {**DETAIL, "pause": pause}), Reply(200, DETAIL))
    shown = run("schedule", "show", "nightly").stdout
    for words in (
        "0 0 20 12 * for 14d",
        "by bob: freeze",
        "job 1 has not ended",
        "2027-01-05T02:00:00.000Z",
        "group:web",
    ):
        assert words in shown
    assert json.loads(run("schedule", "show", "nightly", "--json").stdout) == DETAIL


def test_pause_resume_trigger_delete(run: Run, api: FakeApi) -> None:
    api.on("POST", "/schedule/nightly/pause", Reply(200, STORED))
    api.on("POST", "/schedule/nightly/resume", Reply(200, STORED))
    api.on("POST", "/schedule/nightly/trigger", Reply(201, {"job_id": "j1"}))
    api.on("DELETE", "/schedule/nightly", Reply(204))
    assert run("schedule", "pause", "nightly", "--reason", "freeze").stdout == "nightly  paused\n"
    assert api.seen[-1].body == {"reason": "freeze"}
    assert run("schedule", "resume", "nightly").stdout == "nightly  resumed\n"
    assert run("schedule", "trigger", "nightly").stdout == "j1\n"
    assert run("schedule", "delete", "nightly").stdout == "nightly  deleted\n"


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--every", "soon", "duration"),
        ("--blackout", "@daily", "cron expression and a duration"),
        ("--catch-up", "always", "duration"),
        ("--starts", "tomorrow", "duration"),
    ],
)
def test_values_that_are_refused(run: Run, option: str, value: str, words: str) -> None:
    refused = run("schedule", "create", "n", option, value)
    assert (refused.exit_code, words in refused.stderr) == (2, True), refused.stderr


SAVED = {
    "name": "deploy",
    "parameters": {"version": {"type": "string"}, "count": {"type": "integer"}, "token": {"secret": True}},
}


def test_create_with_a_saved_job(run: Run, api: FakeApi) -> None:
    api.on("GET", "/saved/deploy", Reply(200, SAVED))
    api.on("POST", "/schedule", Reply(201, STORED))
    values = ("-p", "version=1.4", "-p", "count=3", "-p", "token=shop.deploy")
    run("schedule", "create", "nightly", "--cron", "@daily", "@deploy", *values, "--on", "web1")
    parameters = {"version": "1.4", "count": 3, "token": {"$secret": "shop.deploy"}}
    job = {"saved": "deploy", "parameters": parameters, "target_hostname": "web1"}
    assert api.seen[-1].body == {"name": "nightly", "job": job, "cron": "@daily"}


@pytest.mark.parametrize(
    "words",
    [
        ("@deploy", "--title", "x"),
        ("@deploy", "--tag", "a=b"),
        ("@deploy", "--timeout", "3s"),
        ("@deploy", "--batch", "1"),
        ("@deploy", "-d", "a=b"),
        ("@deploy", "more"),
        ("@deploy", "--job", "{}"),
        ("true", "--on", "web1", "-p", "a=b"),
        ("-p", "a=b", "--job", "{}"),
    ],
)
def test_options_that_do_not_go_with_a_saved_job(run: Run, api: FakeApi, words: tuple[str, ...]) -> None:
    refused = run("schedule", "create", "nightly", "--cron", "@daily", *words)
    assert refused.exit_code == 2, refused.stderr
    assert all(request.method == "GET" for request in api.seen)


def test_show_names_the_saved_job(run: Run, api: FakeApi) -> None:
    job = {"saved": "deploy", "parameters": {"version": "1.4", "count": 3}}
    api.on("GET", "/schedule/nightly", Reply(200, {**DETAIL, "job": job}))
    shown = " ".join(run("schedule", "show", "nightly").stdout.split())
    assert "Saved job @deploy Parameters version=1.4 count=3 Overlap" in shown


def test_create_with_a_workflow(run: Run, api: FakeApi) -> None:
    api.on("GET", "/workflow/upgrade", Reply(200, {"name": "upgrade", "parameters": {"count": {"type": "integer"}}}))
    api.on("POST", "/schedule", Reply(201, STORED))
    run("schedule", "create", "nightly", "--cron", "@daily", "--workflow", "upgrade", "-p", "count=3")
    job = {"workflow": "upgrade", "parameters": {"count": 3}}
    assert api.seen[-1].body == {"name": "nightly", "job": job, "cron": "@daily"}


@pytest.mark.parametrize(
    "words", [("true",), ("--on", "web1"), ("--job", "{}"), ("--title", "x"), ("--batch", "1"), ("@deploy",)]
)
def test_options_that_do_not_go_with_a_workflow(run: Run, api: FakeApi, words: tuple[str, ...]) -> None:
    refused = run("schedule", "create", "nightly", "--cron", "@daily", "--workflow", "upgrade", *words)
    assert (refused.exit_code, "--workflow has jobs of its own" in refused.stderr) == (2, True), refused.stderr
    assert api.seen == []


def test_show_names_the_workflow(run: Run, api: FakeApi) -> None:
    job = {"workflow": "upgrade", "parameters": {"count": 3}}
    api.on("GET", "/schedule/nightly", Reply(200, {**DETAIL, "job": job}))
    shown = " ".join(run("schedule", "show", "nightly").stdout.split())
    assert "Workflow upgrade Parameters count=3 Overlap" in shown
