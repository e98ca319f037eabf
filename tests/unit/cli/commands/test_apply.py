"""`jobqueue apply` and `jobqueue export` against the API itself, in this process."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.auth import gate
from jobqueue.cli.commands import apply as commands
from jobqueue.client import Client, errors
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.principal import Principal
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings

PING = (
    "kind: saved-job\nname: ping\noperation: {type: network.ping.do, data: {address: '{{ host }}'}}\n"
    "parameters: {host: {}}\n"
)
ODD = "kind: target\nname: odd\ntarget: web1, web3\n"
Run = Callable[..., Result]


class InProcess:
    """A transport that hands requests to the application."""

    def __init__(self, web: FlaskClient) -> None:
        self.web = web
        self.seen: list[tuple[str, str]] = []

    def request(self, method: str, path: str, *, body: Any = None, query: Any = None, **_: Any) -> Any:
        self.seen.append((method, path))
        answer = self.web.open(path, method=method, json=body, query_string=query)
        if answer.status_code >= 400:
            found = answer.get_json()
            kind = {404: errors.NotFound, 409: errors.Conflict}.get(answer.status_code, errors.InvalidRequest)
            raise kind(answer.status_code, found["error"], found["details"])
        return answer.get_json() if answer.status_code != 204 else None

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    settings = Settings(state_dir=tmp_path_factory.mktemp("state"), token="t" * 32, redis_url="redis://127.0.0.1:1/0")
    ledger = Ledger(fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True), settings)
    app = create_app(settings, Services.over(ledger, settings, Registry.load(())))
    gate.of(app).authenticate = lambda _environ: Principal("alice", frozenset({"*"}))
    app.config["ledger"] = ledger
    return app


@pytest.fixture
def http(app: Flask) -> InProcess:
    app.config["ledger"].client.flushall()
    return InProcess(app.test_client())


@pytest.fixture
def run(http: InProcess, monkeypatch: pytest.MonkeyPatch) -> Run:
    client = Client("http://127.0.0.1:1", "token")
    monkeypatch.setattr(client, "_http", http)
    monkeypatch.setattr(commands, "connect", lambda: client)
    return lambda *arguments, stdin=None: CliRunner().invoke(
        {"apply": commands.apply, "export": commands.export}[arguments[0]], list(arguments[1:]), input=stdin
    )


def last(result: Result) -> str:
    return result.stdout.splitlines()[-1]


def test_declared_records_are_stored_once(run: Run, http: InProcess, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "ping.yaml").write_text(PING)
    (tmp_path / "odd.yml").write_text(ODD)
    (tmp_path / "README.md").write_text("not a record")
    dry = run("apply", "-f", str(tmp_path), "--dry-run")
    assert last(dry) == "2 created, 0 changed, 0 unchanged, 0 deleted (dry run; nothing was stored)"
    assert '  + target: "web1,web3"' in dry.stdout.splitlines()
    assert http.web.get("/saved").json["saved"] == []
    assert last(run("apply", "-f", str(tmp_path))) == "2 created, 0 changed, 0 unchanged, 0 deleted"
    assert http.web.get("/saved/ping").json["managed_by"] == "apply"
    assert http.web.get("/target/odd").json["managed_by"] == "apply"
    again = run("apply", "-f", str(tmp_path))
    assert again.stdout == "0 created, 0 changed, 2 unchanged, 0 deleted\n"
    assert http.web.get("/saved/ping").json["version"] == 1
    (tmp_path / "deep" / "ping.yaml").write_text(f"{PING}title: Ping\n")
    changed = run("apply", "-f", str(tmp_path)).stdout
    assert changed.splitlines() == [
        "saved-job ping  changed",
        '  + job.title: "Ping"',
        "0 created, 1 changed, 1 unchanged, 0 deleted",
    ]
    assert http.web.get("/saved/ping").json["version"] == 2


def test_prune_deletes_what_the_same_manager_stored(run: Run, http: InProcess, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(f"{PING}---\n{ODD}")
    assert last(run("apply", "-f", str(file), "--manager", "shop")).startswith("2 created")
    http.web.put("/saved/by-hand", json={"operation": {"type": "node.hostname.get"}})
    other = tmp_path / "other.yaml"
    other.write_text(ODD.replace("odd", "even"))
    run("apply", "-f", str(other), "--manager", "other")
    file.write_text(ODD)
    assert last(run("apply", "-f", str(file), "--manager", "shop")) == "0 created, 0 changed, 1 unchanged, 0 deleted"
    dry = run("apply", "-f", str(file), "--manager", "shop", "--prune", "--dry-run")
    assert dry.stdout.splitlines()[0] == "saved-job ping  deleted"
    assert http.web.get("/saved/ping").status_code == 200
    pruned = run("apply", "-f", str(file), "--manager", "shop", "--prune")
    assert last(pruned) == "0 created, 0 changed, 1 unchanged, 1 deleted"
    assert [one["name"] for one in http.web.get("/saved").json["saved"]] == ["by-hand"]
    assert [one["name"] for one in http.web.get("/target").json["targets"]] == ["even", "odd"]
    file.write_text("# nothing\n")
    refused = run("apply", "-f", str(file), "--manager", "shop", "--prune")
    assert (refused.exit_code, "declare nothing" in refused.stderr) == (1, True)


def test_what_another_manager_manages_is_left(run: Run, http: InProcess, tmp_path: Path) -> None:
    file = tmp_path / "ping.yaml"
    file.write_text(PING)
    run("apply", "-f", str(file), "--manager", "shop")
    refused = run("apply", "-f", str(file), "--manager", "other")
    assert refused.exit_code == 1
    assert f"{file}:1: saved-job ping is managed by 'shop'; --take-over" in refused.stderr
    assert last(run("apply", "-f", str(file), "--manager", "other", "--take-over")).startswith("0 created, 1 changed")
    assert http.web.get("/saved/ping").json["managed_by"] == "other"


def test_an_edit_by_hand_is_shown_and_overwritten(run: Run, http: InProcess, tmp_path: Path) -> None:
    file = tmp_path / "odd.yaml"
    file.write_text(ODD)
    run("apply", "-f", str(file))
    http.web.put("/target/odd", json={"target": "web9"})
    shown = run("apply", "-f", str(file)).stdout.splitlines()
    assert shown[:4] == [
        "target odd  changed",
        '  + managed_by: "apply"',
        '  - target: "web9"',
        '  + target: "web1,web3"',
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{PING}---\n{PING}", "a.yaml:7: saved-job ping is declared twice; first in "),
        ("kind: saved-jobs\nname: a\n", "a.yaml:1: unknown kind saved-jobs; did you mean saved-job?"),
        (
            "name: a\n",
            "a.yaml:1: the field kind is missing; it is one of target, saved-job, workflow, schedule, notification.",
        ),
        ("kind: target\ntarget: web1\n", "a.yaml:1: the field name is missing"),
        (f"{ODD}managed_by: me\n", "a.yaml:4: the field managed_by is set by"),
        (f"{ODD}expression: web1\n", "a.yaml:4: target odd: expression: Unknown field"),
        (f"{PING}titel: a\n", "a.yaml:5: saved-job ping: titel: Unknown field; did you mean title?"),
        (PING.replace("host: {}", ""), "a.yaml:3: saved-job ping: operation.data.address: The parameter 'host' is not"),
        (ODD.replace("web1, web3", "'@nothing'"), "a.yaml:3: target odd"),
        (ODD.replace("name: odd", "name: _any"), "a.yaml:2: target _any"),
    ],
    ids=range(10),
)
def test_files_that_are_refused(run: Run, http: InProcess, tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    (tmp_path / "b.yaml").write_text(ODD.replace("odd", "fine"))
    answer = run("apply", "-f", str(tmp_path))
    assert answer.exit_code == 1
    assert message in answer.stderr
    assert http.web.get("/target").json["targets"] == []


def test_standard_input_and_export(run: Run, http: InProcess, tmp_path: Path) -> None:
    script = 'set -e\n# it\'s: "here" {#\necho "$V"\t\n'
    body = {
        "operation": {"type": "script.shell.execute", "data": {"script": script, "env": {"V": "{{ v }}", "N": "no"}}},
        "target_hostname": "group:web",
        "description": "12:30",
        "tags": {"a": "1e3", "b": "0o7", "c": "~"},
        "rollout": {"batch": "10%"},
        "parameters": {"v": {"pattern": "^[0-9]+$", "default": "010"}},
        "run_by": ["role:deploy"],
    }
    http.web.put("/saved/deploy", json=body)
    http.web.put("/target/odd", json={"target": "web1", "description": "one: two # three"})
    before = http.web.get("/saved/deploy").json
    exported = run("export").stdout
    assert exported.startswith("---\nkind: target\nname: odd\n")
    as_json = [json.loads(line) for line in run("export", "--kind", "saved-job", "--json").stdout.splitlines()]
    assert [one["name"] for one in as_json] == ["deploy"]
    for name in ("/saved/deploy", "/target/odd"):
        http.web.delete(name)
    assert last(run("apply", "-f", "-", stdin=exported)) == "2 created, 0 changed, 0 unchanged, 0 deleted"
    after = http.web.get("/saved/deploy").json
    assert {**after, "changed": 0} == {**before, "changed": 0, "managed_by": "apply"}
    assert run("export", "--manager", "nobody").stdout == ""


def test_a_change_meanwhile_is_not_overwritten(
    run: Run, http: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "ping.yaml"
    file.write_text(PING)
    show = commands._show

    def meanwhile(step: Any) -> None:
        show(step)
        http.web.put("/saved/ping", json={"operation": {"type": "node.hostname.get"}})

    monkeypatch.setattr(commands, "_show", meanwhile)
    answer = run("apply", "-f", str(file))
    assert answer.exit_code != 0
    assert http.web.get("/saved/ping").json["operation"]["type"] == "node.hostname.get"


def test_targets_that_use_each_other(run: Run, http: InProcess, tmp_path: Path) -> None:
    file = tmp_path / "targets.yaml"
    text = "kind: target\nname: {}\ntarget: '{}'\n---\n"
    file.write_text(text.format("a", "@b and not @c") + text.format("b", "web1 or @c") + text.format("c", "web2"))
    assert last(run("apply", "-f", str(file), "--dry-run")).startswith("3 created")
    assert last(run("apply", "-f", str(file))).startswith("3 created")
    assert last(run("apply", "-f", str(file))) == "0 created, 0 changed, 3 unchanged, 0 deleted"
    file.write_text(text.format("d", "@e"))
    assert "No target is stored as 'e'" in run("apply", "-f", str(file)).stderr
    file.write_text("kind: saved-job\nname: ping\noperation: {type: node.hostname.get}\n")
    assert last(run("apply", "-f", str(file), "--prune")) == "1 created, 0 changed, 0 unchanged, 3 deleted"


NIGHTLY = "kind: schedule\nname: nightly\nevery: 15m\njob: {saved: ping, parameters: {host: db1}}\n"


def test_a_schedule_with_the_saved_job_that_it_runs(run: Run, http: InProcess, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(f"{NIGHTLY}---\n{PING}")
    dry = run("apply", "-f", str(file), "--dry-run")
    assert last(dry) == "2 created, 0 changed, 0 unchanged, 0 deleted (dry run; nothing was stored)"
    assert '  + job: {"parameters": {"host": "db1"}, "saved": "ping"}' in dry.stdout.splitlines()
    assert http.web.get("/schedule").json["total"] == 0
    assert last(run("apply", "-f", str(file))).startswith("2 created")
    stored = http.web.get("/schedule/nightly").json
    assert (stored["managed_by"], stored["job"]) == ("apply", {"saved": "ping", "parameters": {"host": "db1"}})
    http.web.post("/schedule/nightly/pause", json={"reason": "freeze"})
    assert last(run("apply", "-f", str(file))) == "0 created, 0 changed, 2 unchanged, 0 deleted"
    file.write_text(f"{NIGHTLY.replace('15m', '20m')}overlap: allow\n---\n{PING}")
    shown = run("apply", "-f", str(file)).stdout.splitlines()
    assert shown[0] == "schedule nightly  changed"
    assert {'  - every: "15m"', '  + every: "20m"', '  - overlap: "skip"', '  + overlap: "allow"'} < set(shown)
    changed = http.web.get("/schedule/nightly").json
    assert (changed["every"], changed["pause"]["reason"]) == ("20m", "freeze")
    file.write_text(PING)
    pruned = run("apply", "-f", str(file), "--prune").stdout.splitlines()
    assert pruned == ["schedule nightly  deleted", "0 created, 0 changed, 1 unchanged, 1 deleted"]
    assert http.web.get("/schedule/nightly").status_code == 404


RULE = """kind: notification
name: on-call
events: [job.failed]
filter: {tags: {stage: prod}}
group: 5m
channel: {type: webhook, url: 'https://hooks.example.org/', secret: {$secret: hook-key}}
"""


def test_a_notification_rule(run: Run, http: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rule.yaml"
    file.write_text(RULE)
    assert "JOBQUEUE_SECRET_HOOK_KEY" in run("apply", "-f", str(file)).stderr
    monkeypatch.setenv("JOBQUEUE_SECRET_HOOK_KEY", "whsec_" + base64.b64encode(bytes(32)).decode())
    assert last(run("apply", "-f", str(file), "--dry-run")).startswith("1 created")
    assert http.web.get("/notification").json["total"] == 0
    assert last(run("apply", "-f", str(file))).startswith("1 created")
    assert http.web.get("/notification/on-call").json["managed_by"] == "apply"
    exported = tmp_path / "exported.yaml"
    exported.write_text(run("export").stdout)
    assert "hook-key" in exported.read_text()
    assert last(run("apply", "-f", str(exported))) == "0 created, 0 changed, 1 unchanged, 0 deleted"
    file.write_text(RULE.replace("5m", "10m"))
    assert '  + group: "10m"' in run("apply", "-f", str(file)).stdout.splitlines()
    file.write_text(RULE.replace("job.failed", "job.broken"))
    assert "Unknown event 'job.broken'" in run("apply", "-f", str(file)).stderr
    file.write_text(PING)
    assert last(run("apply", "-f", str(file), "--prune")) == "1 created, 0 changed, 0 unchanged, 1 deleted"


def test_prune_leaves_schedules_of_others(run: Run, http: InProcess, tmp_path: Path) -> None:
    job = {"operation": {"type": "node.hostname.get"}}
    http.web.put("/schedule/by-hand", json={"every": "1h", "job": job})
    http.web.put("/schedule/theirs", json={"every": "1h", "job": job, "managed_by": "other"})
    http.web.put("/schedule/gone", json={"every": "1h", "job": job, "managed_by": "apply"})
    file = tmp_path / "ping.yaml"
    file.write_text(PING)
    assert last(run("apply", "-f", str(file), "--prune")) == "1 created, 0 changed, 0 unchanged, 1 deleted"
    assert [one["name"] for one in http.web.get("/schedule").json["schedules"]] == ["by-hand", "theirs"]
    file.write_text("kind: schedule\nname: theirs\nevery: 1h\njob: {operation: {type: node.hostname.get}}\n")
    assert "schedule theirs is managed by 'other'; --take-over" in run("apply", "-f", str(file)).stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NIGHTLY, "a.yaml:4: schedule nightly: job.saved: No job is saved as 'ping'"),
        (f"{NIGHTLY}---\n{PING}", ""),
        (NIGHTLY.replace("every: 15m", "cron: '61 * * * *'") + f"---\n{PING}", "a.yaml:3: schedule nightly: cron: "),
        (f"{NIGHTLY}evry: 1h\n", "a.yaml:5: schedule nightly: evry: Unknown field; did you mean every?"),
        (f"{NIGHTLY.replace('parameters', 'params')}---\n{PING}", "a.yaml:4: schedule nightly: job.params: Unknown"),
        (NIGHTLY.replace("saved: ping, parameters: {host: db1}", "saved: [ping]"), "schedule nightly: job.saved: "),
        (
            NIGHTLY.replace("name: nightly", "name: preview") + f"---\n{PING}",
            "a.yaml:2: schedule preview: name: 'preview' is reserved",
        ),
        (
            NIGHTLY.replace("every: 15m", "at: '2001-01-01'") + f"---\n{PING}",
            "a.yaml:3: schedule nightly: at: The schedule would never",
        ),
        (
            "kind: schedule\nname: n\nevery: 1h\njob: {operation: {type: node.hostname.get}, target: '@odd'}\n---\n"
            + ODD,
            "",
        ),
        ("kind: schedule\nname: n\nevery: 1h\n", "schedule n: job: Missing"),
    ],
    ids=range(10),
)
def test_schedules_are_checked_before_anything_is_stored(
    run: Run, http: InProcess, tmp_path: Path, text: str, message: str
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    answer = run("apply", "-f", str(file))
    assert (answer.exit_code, message in answer.stderr) == (1 if message else 0, True), answer.output
    assert http.web.get("/schedule").json["total"] == (0 if message else 1)


def test_an_exported_schedule_is_applied_unchanged(run: Run, http: InProcess) -> None:
    body = {
        "cron": "0 3 * * 1-5",
        "time_zone": "Europe/Berlin",
        "jitter": "5m",
        "blackouts": [{"cron": "0 22 * * 5", "duration": "2d"}],
        "job": {"operation": {"type": "node.hostname.get"}, "target_hostname": "group:web", "tags": {"a": "1e3"}},
        "overlap": "buffer_one",
        "catch_up": "never",
        "expires_after": "1h",
        "description": "one: two",
        "paused": "not yet",
    }
    http.web.put("/schedule/full", json=body)
    http.web.put("/schedule/plain", json={"every": "1h", "job": {"operation": {"type": "node.hostname.get"}}})
    before = {name: http.web.get(f"/schedule/{name}").json for name in ("full", "plain")}
    exported = run("export", "--kind", "schedule").stdout
    declared = [json.loads(line) for line in run("export", "--json").stdout.splitlines()]
    assert declared[0] == {"kind": "schedule", "name": "full", **body}
    assert list(declared[1]) == ["kind", "name", "every", "anchor", "job"]
    for name in before:
        http.web.delete(f"/schedule/{name}")
    assert last(run("apply", "-f", "-", stdin=exported)) == "2 created, 0 changed, 0 unchanged, 0 deleted"
    assert last(run("apply", "-f", "-", stdin=exported)) == "0 created, 0 changed, 2 unchanged, 0 deleted"
    computed = ("created", "changed", "pause", "managed_by", "next_times")
    for name, known in before.items():
        after = http.web.get(f"/schedule/{name}").json
        assert {**after, **dict.fromkeys(computed)} == {**known, **dict.fromkeys(computed)}


def test_a_workflow_with_the_saved_job_that_it_runs(run: Run, http: InProcess, tmp_path: Path) -> None:
    """The example, as it is in the repository: compared before anything is stored, applied twice, exported, pruned."""
    example = Path(__file__).parents[4] / "examples/workflows/upgrade-shop.yaml"
    dry = run("apply", "-f", str(example), "--dry-run")
    assert last(dry) == "2 created, 0 changed, 0 unchanged, 0 deleted (dry run; nothing was stored)"
    assert http.web.get("/workflow").json["workflows"] == []
    assert last(run("apply", "-f", str(example))).startswith("2 created")
    stored = http.web.get("/workflow/upgrade-shop").json
    assert [node["name"] for node in stored["nodes"]] == ["drain", "upgrade", "smoke-test", "roll-back", "undrain"]
    assert (stored["managed_by"], stored["nodes"][2]["retries"]["max_attempts"]) == ("apply", 3)
    assert last(run("apply", "-f", str(example))) == "0 created, 0 changed, 2 unchanged, 0 deleted"
    exported = run("export", "--kind", "workflow").stdout
    again = tmp_path / "again.yaml"
    again.write_text(exported)
    assert last(run("apply", "-f", str(again))) == "0 created, 0 changed, 1 unchanged, 0 deleted"
    assert "when: success" not in exported
    file = tmp_path / "a.yaml"
    file.write_text(PING)
    assert "workflow upgrade-shop  deleted" in run("apply", "-f", str(file), "--prune").stdout
    file.write_text("kind: workflow\nname: w\nnodes: [{name: a, saved: nowhere}]\n")
    assert "a.yaml:3: workflow w: nodes[0].saved: No job is saved as 'nowhere'" in run("apply", "-f", str(file)).stderr
