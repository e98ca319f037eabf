from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply

SAVED = {
    "name": "deploy",
    "version": 2,
    "changed": "2026-06-14T10:00:05.123Z",
    "changed_by": "alice",
    "managed_by": "shop",
    "operation": {"type": "script.shell.execute", "data": {"script": "true", "env": {"V": "{{ version }}"}}},
    "target_hostname": "group:web",
    "title": "Deploy \x1b[31mred",
    "description": None,
    "timeout_seconds": None,
    "retries": None,
    "rollout": {"canary": 1},
    "priority": 4,
    "tags": {},
    "parameters": {
        "version": {"type": "string", "description": "The release."},
        "count": {"type": "integer", "default": 3},
        "hosts": {"type": "array", "items": {"type": "string"}, "required": False},
        "ports": {"type": "array", "items": {"type": "integer"}, "required": False},
        "force": {"type": "boolean", "required": False},
        "token": {"type": "string", "secret": True, "required": False},
    },
    "target_override": False,
    "run_by": ["role:deploy"],
    "edit_by": [],
}
CHANGES = [
    {"field": "job.title", "before": "Old", "after": "New"},
    {"field": "job.data.script", "before": "a\nb\nc\n", "after": "a\nB\nc\n"},
]
PUT = {"saved": SAVED, "change": "changed", "dry_run": False, "changes": CHANGES}


def test_list(run: Run, api: FakeApi) -> None:
    api.on("GET", "/saved", Reply(200, {"saved": [SAVED], "next_cursor": None}))
    shown = run("saved", "list").stdout
    row = " ".join(shown.splitlines()[1].split())
    assert row.startswith(
        "deploy 2 script.shell.execute group:web version, count, hosts, ports, force, token alice shop"
    )
    assert "\x1b" not in shown
    assert json.loads(run("saved", "list", "--json").stdout) == {"saved": [SAVED]}


def test_show(run: Run, api: FakeApi) -> None:
    api.on("GET", "/saved/deploy", Reply(200, SAVED))
    shown = run("saved", "show", "@deploy").stdout
    assert "-p version=...  string, required: The release." in shown
    assert "-p count=...  integer, default 3" in shown
    assert "-p token=...  secret" in shown
    assert "role:deploy" in shown
    assert "\x1b" not in shown
    run("saved", "show", "deploy", "--version", "1")
    assert api.seen[-1].query == {"version": "1"}


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_set(run: Run, api: FakeApi, tmp_path: Path, suffix: str) -> None:
    api.on("PUT", "/saved/deploy", Reply(200, PUT))
    file = tmp_path / f"deploy.{suffix}"
    body = {"operation": {"type": "node.hostname.get"}, "parameters": {"version": {"pattern": "^[0-9]$"}}}
    text = json.dumps(body)
    if suffix == "yaml":
        text = "operation:\n  type: node.hostname.get\nparameters:\n  version: {pattern: '^[0-9]$'}\n"
    file.write_text(text)
    shown = run("saved", "set", "deploy", "-f", str(file), "--version", "1").stdout
    assert api.seen[-1].body == {**body, "version": 1}
    assert shown.splitlines() == [
        "@deploy  changed, version 2",
        '  - job.title: "Old"',
        '  + job.title: "New"',
        "    job.data.script:",
        "      @@ -1,3 +1,3 @@",
        "       a",
        "      -b",
        "      +B",
        "       c",
    ]
    run("saved", "set", "deploy", "-f", str(file), "--dry-run")
    assert api.seen[-1].query == {"dry_run": "true"}


def test_versions_diff_restore_delete(run: Run, api: FakeApi) -> None:
    api.on("GET", "/saved/deploy/versions", Reply(200, {"name": "deploy", "versions": [SAVED]}))
    assert run("saved", "versions", "deploy").stdout.splitlines()[1].split()[0] == "2"
    api.on("GET", "/saved/deploy/diff", Reply(200, {"name": "deploy", "from": 1, "to": 2, "changes": CHANGES[:1]}))
    shown = run("saved", "diff", "deploy", "--from", "1").stdout
    assert shown.splitlines() == ["deploy: version 1 to 2", '  - job.title: "Old"', '  + job.title: "New"']
    assert api.seen[-1].query == {"from": "1"}
    api.on("POST", "/saved/deploy/restore", Reply(200, PUT))
    assert run("saved", "restore", "deploy", "1").stdout.startswith("@deploy  changed, version 2\n")
    assert api.seen[-1].body == {"version": 1}
    api.on("DELETE", "/saved/deploy", Reply(204))
    assert run("saved", "delete", "@deploy").stdout == "deploy  deleted\n"


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        ("version=1.4", "1.4"),
        ("version=10", "10"),
        ("version:=10", 10),
        ("count=5", 5),
        ("count=five", "five"),
        ("hosts=web1,web2", ["web1", "web2"]),
        ('hosts=["web1"]', ["web1"]),
        ("ports=80,443", [80, 443]),
        ("force=true", True),
        ("token=deploy.token", {"$secret": "deploy.token"}),
        ("unknown=1", "1"),
    ],
)
def test_run_converts_values_to_the_types_of_parameters(run: Run, api: FakeApi, pair: str, value: object) -> None:
    api.on("GET", "/saved/deploy", Reply(200, SAVED))
    api.on("POST", "/saved/deploy/run", Reply(201, {"job_id": "123e4567-e89b-42d3-a456-426614174000"}))
    shown = run("run", "@deploy", "-p", pair, "--no-wait").stdout
    assert shown == "123e4567-e89b-42d3-a456-426614174000\n"
    body = api.seen[-1].body
    assert body is not None
    assert body.pop("idempotency_key")
    assert body == {"parameters": {pair.partition("=")[0].rstrip(":"): value}}


def test_run_with_a_target_and_as_a_dry_run(run: Run, api: FakeApi) -> None:
    plan = {"operation": "x", "target_hostname": "web1", "hosts": ["web1"], "plan_hash": "ab", "permissions": []}
    api.on("POST", "/saved/deploy/plan", Reply(200, plan))
    shown = run("run", "@deploy", "--on", "web1", "--on", "web2", "--dry-run").stdout
    assert shown.splitlines()[0] == "x on web1: 1 agents; nothing was submitted"
    assert api.seen[-1].body == {"parameters": {}, "target_hostname": "web1,web2"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("@deploy", "-d", "a=b"),
        ("@deploy", "--title", "a"),
        ("@deploy", "--tag", "a=b"),
        ("@deploy", "--timeout", "3s"),
        ("@deploy", "--canary", "1"),
        ("@deploy", "word"),
        ("@deploy", "-p", "a=1", "-p", "a=2"),
        ("uptime", "--on", "web1", "-p", "a=1"),
    ],
)
def test_options_that_a_saved_job_does_not_take(run: Run, api: FakeApi, arguments: tuple[str, ...]) -> None:
    answer = run("run", *arguments)
    assert answer.exit_code == 2
    assert api.seen == []


class Editor:
    """Stands for the user's editor: each call makes the next change to the text it is shown."""

    def __init__(self, *changes: Callable[[str], str | None]) -> None:
        self.changes, self.shown = list(changes), list[str]()

    def __call__(self, text: str, extension: str) -> str | None:
        assert extension == ".yaml"
        self.shown.append(text)
        return self.changes.pop(0)(text)


Edit = Callable[..., Editor]


@pytest.fixture
def editor(monkeypatch: pytest.MonkeyPatch, api: FakeApi, tmp_path: Path) -> Edit:
    api.on("GET", "/saved/deploy", Reply(200, SAVED))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def start(*changes: Callable[[str], str | None]) -> Editor:
        started = Editor(*changes)
        monkeypatch.setattr("click.edit", started)
        return started

    return start


def test_edit_stores_the_changed_text_for_the_version_that_was_read(run: Run, api: FakeApi, editor: Edit) -> None:
    api.on("PUT", "/saved/deploy", Reply(200, PUT))
    started = editor(lambda text: text.replace("canary: 1", "canary: 2"))
    result = run("saved", "edit", "@deploy")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("@deploy  changed, version 2")
    assert "It is managed by shop: `jobqueue apply` will undo a change by hand." in started.shown[0]
    body = api.seen[-1].body
    assert (body["version"], body["rollout"], "managed_by" in body) == (2, {"canary": 2}, False)


@pytest.mark.parametrize(
    "change",
    [lambda _: None, lambda text: text, lambda _: "", lambda text: text + "", lambda text: f"# x\n{text}"],
    ids=["not saved", "the same", "empty", "the same again", "only a comment"],
)
def test_edit_without_a_change_stores_nothing(run: Run, api: FakeApi, editor: Edit, change: Any) -> None:
    editor(change)
    assert run("saved", "edit", "deploy").stdout == "@deploy  not changed\n"
    assert [seen.method for seen in api.seen] == ["GET"]


def test_edit_shows_a_refused_text_again_with_the_reason(run: Run, api: FakeApi, editor: Edit) -> None:
    refused = Reply(400, {"error": "title: Too long.", "code": "invalid_input", "details": {"title": ["Too long."]}})
    api.on("PUT", "/saved/deploy", refused, Reply(200, PUT))
    started = editor(lambda text: f"{text}: [", lambda _: "title: long", lambda text: text.replace("long", "Deploy"))
    assert run("saved", "edit", "deploy").exit_code == 0
    assert started.shown[1].startswith("# It was refused: the text:")
    assert started.shown[1].endswith(": [")
    assert started.shown[2].startswith("# It was refused: title: Too long.")
    assert api.seen[-1].body == {"title": "Deploy", "version": 2}


def test_edit_keeps_a_text_that_cannot_be_stored(run: Run, api: FakeApi, editor: Edit, tmp_path: Path) -> None:
    conflict = Reply(409, {"error": "Version 3 by bob is stored.", "code": "record_changed", "details": {}})
    api.on("PUT", "/saved/deploy", conflict)
    editor(lambda _: "title: Mine\n")
    result = run("saved", "edit", "deploy")
    assert result.exit_code != 0
    assert "Version 3 by bob is stored." in result.stderr
    (kept,) = tmp_path.glob("jobqueue-deploy-*.yaml")
    assert kept.read_text() == "title: Mine\n"
    assert str(kept) in result.stderr.replace("\n", "")
    editor(lambda _: "title: [", lambda _: None)
    given_up = run("saved", "edit", "deploy")
    assert "The text was refused and not changed again. Your text is kept in" in given_up.stderr
    assert len(list(tmp_path.glob("jobqueue-deploy-*.yaml"))) == 2


@pytest.mark.parametrize(("status", "code"), [(403, "permission_denied"), (404, "saved_job_not_found"), (429, "busy")])
def test_edit_keeps_a_text_whatever_the_api_answers(
    run: Run, api: FakeApi, editor: Edit, tmp_path: Path, status: int, code: str
) -> None:
    api.on("PUT", "/saved/deploy", Reply(status, {"error": "Not stored.", "code": code, "details": {}}))
    editor(lambda _: "title: Mine\n")
    result = run("saved", "edit", "deploy")
    assert result.exit_code != 0
    assert "Not stored. Your text is kept in" in " ".join(result.stderr.split())
    (kept,) = tmp_path.glob("jobqueue-deploy-*.yaml")
    assert kept.read_text() == "title: Mine\n"
