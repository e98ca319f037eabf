from __future__ import annotations

import json

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply

GROUP = {
    "kind": "work_refused",
    "count": 3,
    "first": "2024-06-14T10:00:05.123Z",
    "last": "2024-06-14T12:00:05.123Z",
    "message": "an expired signature",
    "job_id": "",
    "hostname": "web2",
    "hosts": ["web2", "web1"],
    "version": "0badcafe0badcafe",
    "acknowledged": False,
    "acknowledgement": None,
}
SEEN = {
    **GROUP,
    "kind": "agents_lost",
    "acknowledged": True,
    "acknowledgement": {"by": "ada", "at": "2024-06-14T12:10:05.123Z", "note": "OPS-12"},
}
LIST = {"items": [GROUP, SEEN], "total": 2, "unacknowledged": 1}


def test_list(run: Run, api: FakeApi) -> None:
    api.on("GET", "/alert", Reply(200, LIST))
    lines = run("alert", "list").stdout.splitlines()
    assert " ".join(lines[1].split()) == "work_refused 3 2024-06-14T12:00:05.123Z - an expired signature (web2, web1)"
    assert lines[2:] == ["1 acknowledged kind is not shown; --all shows all."]
    every = run("alert", "list", "--all").stdout
    assert "by ada: OPS-12" in every
    assert json.loads(run("alert", "list", "--json").stdout) == LIST


def test_no_alerts(run: Run, api: FakeApi) -> None:
    api.on("GET", "/alert", Reply(200, {"items": [], "total": 0, "unacknowledged": 0}))
    assert run("alert", "list").stdout == "There are no alerts.\n"


def test_acknowledge_what_was_read(run: Run, api: FakeApi) -> None:
    api.on("GET", "/alert", Reply(200, LIST))
    api.on("POST", "/alert/work_refused/acknowledge", Reply(200, {**GROUP, "acknowledged": True}))
    done = run("alert", "acknowledge", "work_refused", "--note", "OPS-13").stdout
    assert done == "work_refused  acknowledged: 3 alerts, the newest: an expired signature\n"
    assert api.seen[-1].body == {"version": "0badcafe0badcafe", "note": "OPS-13"}


def test_an_alert_in_between(run: Run, api: FakeApi) -> None:
    api.on("GET", "/alert", Reply(200, LIST))
    refusal = {"error": "The alerts of kind 'work_refused' have changed.", "code": 409, "details": {}}
    api.on("POST", "/alert/work_refused/acknowledge", Reply(409, refusal))
    refused = run("alert", "acknowledge", "work_refused")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "have changed" in refused.stderr


def test_reopen(run: Run, api: FakeApi) -> None:
    api.on("DELETE", "/alert/work_refused/acknowledge", Reply(200, GROUP))
    assert run("alert", "reopen", "work_refused").stdout == "work_refused  reopened\n"
