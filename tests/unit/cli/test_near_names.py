"""The question for an unknown name: names like it that the caller may see."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply


def page(kind: str, *names: str) -> Reply:
    return Reply(200, {kind: [{"name": name} for name in names], "total": len(names), "next_cursor": None})


def missing(text: str, status: int = 404) -> Reply:
    return Reply(status, {"error": text, "code": status, "details": None})


LISTS: dict[str, Reply] = {
    "/saved": page("saved", "deploy", "backup"),
    "/schedule": page("schedules", "nightly", "weekly"),
    "/notification": page("notifications", "on-call", "mail"),
    "/file": page("files", "nginx.conf", "motd"),
    "/target": Reply(200, {"targets": [{"name": "frontends"}], "total": 1}),
    "/operation": Reply(200, {"operations": []}),
    "/role": page("roles", "read", "operator"),
    "/user": page("users", "ada", "grace"),
}


@pytest.fixture
def records(api: FakeApi) -> FakeApi:
    for path, reply in LISTS.items():
        api.on("GET", path, reply)
    return api


CASES: list[tuple[tuple[str, ...], str, str, str, str]] = [
    (("saved", "show", "deplyo"), "GET", "/saved/deplyo", "No job is saved as 'deplyo'", "deploy"),
    (("saved", "delete", "bakup"), "DELETE", "/saved/bakup", "No job is saved as 'bakup'", "backup"),
    (("schedule", "show", "nigthly"), "GET", "/schedule/nigthly", "No schedule has the name 'nigthly'", "nightly"),
    (("schedule", "delete", "weekyl"), "DELETE", "/schedule/weekyl", "No schedule has the name 'weekyl'", "weekly"),
    (("notification", "show", "oncall"), "GET", "/notification/oncall", "No rule has the name 'oncall'", "on-call"),
    (("file", "show", "ngnix.conf"), "GET", "/file/ngnix.conf", "There is no object 'ngnix.conf'", "nginx.conf"),
    (("target", "show", "frontend"), "GET", "/target/frontend", "No target is stored as 'frontend'", "frontends"),
    (("role", "delete", "opertor"), "DELETE", "/role/opertor", "Unknown custom role 'opertor'", "operator"),
    (("user", "delete", "grase"), "DELETE", "/user/grase", "Unknown user 'grase'", "grace"),
    (("user", "disable", "adda"), "POST", "/user/adda/disable", "Unknown user 'adda'", "ada"),
]


@pytest.mark.parametrize(("words", "method", "path", "text", "name"), CASES, ids=lambda value: str(value)[:20])
def test_names_like_it(
    records: FakeApi, run: Run, words: tuple[str, ...], method: str, path: str, text: str, name: str
) -> None:
    records.on(method, path, missing(f"{text}; the list shows all."))
    result = run(*words)
    assert result.exit_code == 2
    assert result.stderr.strip().endswith(f"{text}; the list shows all. Did you mean {name}?")


def test_a_saved_job_that_is_to_run(records: FakeApi, run: Run) -> None:
    records.on("GET", "/saved/deplyo", missing("No job is saved as 'deplyo'; the list shows all."))
    records.on("POST", "/saved/deplyo/run", missing("No job is saved as 'deplyo'; the list shows all."))
    result = run("run", "@deplyo")
    assert result.exit_code == 2
    assert "Did you mean @deploy?" in result.stderr


def test_a_role_of_a_new_key(records: FakeApi, run: Run) -> None:
    """The API answers 400, as the name is a part of the request."""
    records.on("POST", "/key", missing("roles: Unknown role 'opertor'; the list shows all.", 400))
    assert "Did you mean operator?" in run("key", "create", "ci", "--role", "opertor").stderr


def test_an_object_that_is_to_be_deployed(records: FakeApi, run: Run) -> None:
    """The API answers 400, as the name is a part of the data."""
    records.on("GET", "/operation", Reply(200, {"operations": [{"type": "file.deploy.execute", "changes": True}]}))
    records.on("POST", "/job", missing("object: There is no object 'mtod'; the list shows all.", 400))
    result = run("file", "deploy", "mtod", "/etc/motd", "--on", "web1")
    assert "Did you mean motd?" in result.stderr


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("No schedule has the name 'nigthly'; did you mean weekly?", LISTS["/schedule"]),  # the API asks itself
        ("No schedule has the name 'other'.", LISTS["/schedule"]),  # the error is about another record
        ("No schedule has the name 'nigthly'.", missing("Forbidden.", 403)),
        ("No schedule has the name 'nigthly'.", page("schedules", "zzz")),
    ],
)
def test_no_question(records: FakeApi, run: Run, text: str, listed: Any) -> None:
    records.on("GET", "/schedule/nigthly", missing(text))
    records.on("GET", "/schedule", listed)
    result = run("schedule", "show", "nigthly")
    assert (result.exit_code, result.stderr.strip()) == (2, f"Error: {text}")
