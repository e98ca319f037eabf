"""``jobqueue run --check --diff``: what is sent, and how the changes of many hosts are shown."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.operations.builtin import user
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ACCEPTED, ID, broadcast
from tests.unit.cli.test_submission import CATALOGUE
from tests.unit.client.fake_api import FakeApi, Reply

_CREATE = user.user_create.info()
OPERATIONS = [
    *CATALOGUE,
    {"type": _CREATE.type, "positional": None, "schema": _CREATE.schema, "changes": True},
]
DIFF = "--- user deploy\n+++ user deploy\n@@ -0,0 +1 @@\n+name: deploy\n"
WOULD = {"name": "deploy", "changed": False, "check": True, "would_change": True, "diff": DIFF}
WOULD_NOT = {"name": "deploy", "changed": False, "check": True, "would_change": False}
CHECKED = broadcast(
    "completed",
    {
        "web1": {"status": "completed", "data": WOULD},
        "web2": {"status": "completed", "data": WOULD_NOT},
        "web3": {"status": "completed", "data": WOULD},
    },
)


@pytest.fixture
def accepting(api: FakeApi) -> FakeApi:
    api.on("POST", "/job", Reply(201, ACCEPTED))
    api.on("GET", "/operation", Reply(200, {"operations": OPERATIONS, "total": len(OPERATIONS)}))
    api.on("GET", f"/job/{ID}", Reply(200, CHECKED))
    return api


def sent(api: FakeApi) -> dict[str, Any]:
    body: dict[str, Any] = next(seen.body for seen in api.seen if seen.method == "POST")
    found: dict[str, Any] = body["operation"]["data"]
    return found


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        (["--check"], {"check": True}),
        (["--check", "--diff"], {"check": True, "diff": True}),
        (["--diff"], {"diff": True}),
        (["--check", "-d", "check:=true"], {"check": True}),
        ([], {}),
    ],
)
def test_the_options_are_fields_of_the_data(
    accepting: FakeApi, run: Run, options: list[str], fields: dict[str, bool]
) -> None:
    result = run("run", "node.user.create", "--on", "_all", "-d", "name=deploy", *options)
    assert result.exit_code == 0
    assert sent(accepting) == {"name": "deploy", **fields}


def test_equal_changes_are_shown_once(accepting: FakeApi, run: Run) -> None:
    result = run("run", "node.user.create", "--on", "_all", "-d", "name=deploy", "--check", "--diff")
    assert result.stdout.splitlines() == [
        "web[1,3] (2 agents): completed",
        "  name: deploy",
        "  changed: false",
        "  check: true",
        "  would_change: true",
        "  diff:",
        "    --- user deploy",
        "    +++ user deploy",
        "    @@ -0,0 +1 @@",
        "    +name: deploy",
        "web2: completed",
        "  name: deploy",
        "  changed: false",
        "  check: true",
        "  would_change: false",
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["uname", "--check"], "A shell command cannot be checked: it has no --check."),
        (["node.uptime.get", "--check"], "The operation node.uptime.get cannot be checked: it has no --check."),
        (["uname", "--diff"], "it has no --diff"),
        (["node.user.create", "--check", "-d", "check:=false"], "--check contradicts -d check."),
        (["@deploy", "--check"], "--check"),
    ],
)
def test_what_cannot_be_checked_is_not_run(accepting: FakeApi, run: Run, arguments: list[str], says: str) -> None:
    result = run("run", *arguments, "--on", "web1")
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in " ".join(result.stderr.split())
    assert not [seen for seen in accepting.seen if seen.method == "POST"], "nothing was submitted"
