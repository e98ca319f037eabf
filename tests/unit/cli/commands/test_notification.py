from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply

DELIVERY = {
    "at": "2027-01-01T02:00:00.000Z",
    "result": "failed",
    "message_id": "msg_1",
    "event": "job.failed",
    "count": 3,
    "error": "The receiver answered 500.",
}
STORED: dict[str, Any] = {
    "name": "on-call",
    "description": "pages",
    "events": ["job.failed", "schedule.*"],
    "filter": {"hosts": ["web1"], "tags": {"stage": "prod"}},
    "channel": {"type": "webhook", "url": "https://hooks.example.org/", "secret": {"$secret": "hook-key"}},
    "group": "5m",
    "quiet_hours": [{"cron": "0 22 * * *", "duration": "8h"}],
    "pause": None,
    "managed_by": "",
    "owner": "alice",
    "changed": "2026-12-31T10:00:05.123Z",
    "changed_by": "alice",
    "delivered": 7,
    "failed": 2,
    "dead_letters": 1,
    "attempts": 1,
    "next_attempt": "2027-01-01T02:00:05.000Z",
    "error": "The receiver answered 500.",
    "deliveries": [DELIVERY],
}
LETTER = {
    "id": "msg_1",
    "event": "job.failed",
    "count": 1,
    "given_up": "2027-01-01T02:00:00.000Z",
    "error": "The receiver answered 500.",
    "content": {"data": {"summary": "restart on web1 failed"}},
}


def test_set(run: Run, api: FakeApi) -> None:
    api.on("PUT", "/notification/on-call", Reply(201, STORED))
    words = "set on-call --event job.failed --event schedule.* --webhook https://hooks.example.org/ --secret hook-key"
    terms = (
        "--host web1 --operation op.* --saved deploy --submitter alice --tag stage=prod --schedule nightly --alert x"
    )
    times = ("--group", "5m", "--quiet-hours", "0 22 * * * / 8h", "--time-zone", "Europe/Berlin", "--paused", "later")
    result = run("notification", *words.split(), *terms.split(), *times, "--description", "pages")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("on-call  stored")
    assert api.seen[-1].body == {
        "events": ["job.failed", "schedule.*"],
        "channel": STORED["channel"],
        "filter": {
            "hosts": ["web1"],
            "operations": ["op.*"],
            "saved": ["deploy"],
            "submitters": ["alice"],
            "schedules": ["nightly"],
            "alerts": ["x"],
            "tags": {"stage": "prod"},
        },
        "group": "5m",
        "quiet_hours": [{"cron": "0 22 * * *", "duration": "8h"}],
        "time_zone": "Europe/Berlin",
        "description": "pages",
        "paused": "later",
    }


def test_set_with_a_secret_address_and_as_a_whole(run: Run, api: FakeApi) -> None:
    api.on("PUT", "/notification/n", Reply(200, STORED))
    run("notification", "set", "n", "--event", "*", "--webhook", "$hook-url", "--secret", "k", "--json")
    assert api.seen[-1].body["channel"] == {
        "type": "webhook",
        "url": {"$secret": "hook-url"},
        "secret": {"$secret": "k"},
    }
    run("notification", "set", "n", "--event", "*", "--apprise", "team-mail", "--json")
    assert api.seen[-1].body["channel"] == {"type": "apprise", "url": {"$secret": "team-mail"}}
    rule = {"events": ["*"], "channel": {"type": "webhook"}}
    assert run("notification", "set", "n", "--rule", json.dumps(rule)).exit_code == 0
    assert api.seen[-1].body == rule


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("set", "n"), "Give --event, and --webhook or --apprise"),
        (("set", "n", "--event", "*"), "Give --event, and --webhook or --apprise"),
        (("set", "n", "--event", "*", "--webhook", "https://h", "--apprise", "k"), "--webhook or --apprise"),
        (("set", "n", "--event", "*", "--webhook", "https://h"), "--webhook needs --secret NAME, the API's secret"),
        (("set", "n", "--rule", "{}", "--event", "*"), "as a whole"),
    ],
)
def test_wrong_options(run: Run, words: tuple[str, ...], sentence: str) -> None:
    result = run("notification", *words)
    assert result.exit_code == 2
    assert sentence in result.output


def test_list_and_show(run: Run, api: FakeApi) -> None:
    page = {"notifications": [STORED], "total": 1, "next_cursor": None}
    api.on("GET", "/notification", Reply(200, page))
    api.on("GET", "/notification/on-call", Reply(200, STORED))
    listed = run("notification", "list").stdout
    assert "on-call" in listed
    assert "job.failed, schedule.*" in listed
    assert json.loads(run("notification", "list", "--json").stdout)["total"] == 1
    shown = run("notification", "show", "on-call").stdout
    for text in ("$hook-key", "stage=prod", "0 22 * * * for 8h", "The receiver answered 500.", "msg_1"):
        assert text in shown
    assert json.loads(run("notification", "show", "on-call", "--json").stdout) == STORED


def test_test_and_resend(run: Run, api: FakeApi) -> None:
    good, bad = {"sent": 1, "left": 0, "error": ""}, {"sent": 0, "left": 1, "error": "The receiver answered 500."}
    for verb in ("test", "resend"):
        api.on("POST", f"/notification/n/{verb}", Reply(200, good), Reply(200, bad))
    assert run("notification", "test", "n").stdout == "1 delivered, 0 left\n"
    failed = run("notification", "test", "n")
    assert (failed.exit_code, failed.stdout) == (1, "0 delivered, 1 left: The receiver answered 500.\n")
    assert run("notification", "resend", "n", "--id", "msg_1").exit_code == 0
    assert (api.seen[-1].path, api.seen[-1].body) == ("/notification/n/resend", {"id": "msg_1"})
    assert run("notification", "resend", "n", "--json").exit_code == 1


def test_dead_letters_and_delete(run: Run, api: FakeApi) -> None:
    letters = {"dead_letters": [LETTER]}
    api.on("GET", "/notification/n/dead-letters", Reply(200, letters))
    api.on("DELETE", "/notification/n", Reply(204, None))
    listed = run("notification", "dead-letters", "n").stdout
    assert "restart on web1 failed" in listed
    assert json.loads(run("notification", "dead-letters", "n", "--json").stdout) == letters
    assert run("notification", "delete", "n").stdout == "n  deleted\n"
