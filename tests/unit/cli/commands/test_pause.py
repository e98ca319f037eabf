from __future__ import annotations

import json

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply

PAUSE = {
    "id": "0badcafe",
    "what": "target group:web",
    "kind": "target",
    "value": "group:web",
    "reason": "the disk is being replaced",
    "created": "2024-06-14T10:00:05.123Z",
    "created_by": "alice",
    "until": "2024-06-14T12:00:05.123Z",
    "hosts": 20,
    "rate": None,
    "held_back": 3,
}


@pytest.mark.parametrize(
    ("words", "body"),
    [
        (("operation", "command.*"), {"operation": "command.*"}),
        (("tag", "team:web"), {"tag": "team:web"}),
        (("target", "group:web"), {"target": "group:web"}),
        (("everything",), {"everything": True}),
    ],
)
def test_begin(run: Run, api: FakeApi, words: tuple[str, ...], body: dict[str, object]) -> None:
    api.on("POST", "/pause", Reply(201, PAUSE))
    assert run("pause", *words, "--reason", "why").stdout == "0badcafe  target group:web (20 hosts) is paused\n"
    assert api.seen[-1].body == {**body, "reason": "why"}


def test_rate(run: Run, api: FakeApi) -> None:
    limited = {**PAUSE, "what": "operation command.* above 10/m", "hosts": 0, "rate": "10/m"}
    api.on("POST", "/pause", Reply(201, limited))
    answer = run("pause", "operation", "command.*", "--rate", "10/m", "--reason", "why")
    assert answer.stdout == "0badcafe  operation command.* above 10/m is paused\n"
    assert api.seen[-1].body == {"operation": "command.*", "reason": "why", "rate": "10/m"}


def test_until(run: Run, api: FakeApi) -> None:
    api.on("POST", "/pause", Reply(201, PAUSE))
    answer = run("pause", "everything", "--reason", "why", "--until", "2099-01-31T12:00:00Z", "--json")
    assert json.loads(answer.stdout) == PAUSE
    assert api.seen[-1].body["until"].startswith("2099-01-31T12:00:00")


def test_a_reason_is_required(run: Run) -> None:
    answer = run("pause", "everything")
    assert answer.exit_code == 2
    assert "--reason" in answer.stderr


def test_list(run: Run, api: FakeApi) -> None:
    api.on("GET", "/pause", Reply(200, {"pauses": [PAUSE], "total": 1}))
    line = run("pause", "list").stdout.splitlines()[1]
    for text in ("0badcafe", "target group:web (20 hosts)", "alice", "3", "the disk is being replaced"):
        assert text in " ".join(line.split())
    assert json.loads(run("pause", "list", "--json").stdout)["total"] == 1


def test_resume(run: Run, api: FakeApi) -> None:
    api.on("DELETE", "/pause/0badcafe", Reply(204))
    assert run("pause", "resume", "0badcafe").stdout == "0badcafe  resumed\n"
