"""``job retry`` and ``job rerun``: what is asked before, and what is sent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from jobqueue.cli import again
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ACCEPTED, ID, broadcast, job
from tests.unit.client.fake_api import FakeApi, Reply

FAILED = job("failed", agent_states={"web1": {"status": "failed"}})
COMPLETED = job("completed", agent_states={"web1": {"status": "completed"}})
MANY = broadcast(
    "partial_failure", {"a": {"status": "completed"}, "b": {"status": "failed"}, "c": {"status": "failed"}}
)


@pytest.fixture
def accepting(api: FakeApi) -> FakeApi:
    api.on("POST", f"/job/{ID}/retry", Reply(201, {**ACCEPTED, "job_id": "new"}))
    api.on("POST", "/job", Reply(201, {**ACCEPTED, "job_id": "new"}))
    return api


def posted(api: FakeApi) -> list[dict[str, Any]]:
    return [seen.body for seen in api.seen if seen.method == "POST"]


@pytest.mark.parametrize(
    ("found", "options", "asked"),
    [
        (FAILED, [], None),
        (COMPLETED, [], f"Job {ID} (command.exec.execute) has completed."),
        (MANY, [], f"Job {ID} (command.exec.execute) will run again on 3 hosts, of which 1 have completed it."),
        (MANY, ["--only", "failed"], f"Job {ID} (command.exec.execute) will run again on 2 hosts."),
        (MANY, ["--only", "lost"], None),
        (COMPLETED, ["--target", "web2"], None),
        (FAILED, ["--target", "_any"], None),
        (FAILED, ["--target", "group:web"], f"Job {ID} (command.exec.execute) will run on every host of group:web."),
        (MANY, ["--yes"], None),
    ],
)
def test_a_retry_asks_before_it_touches_more(
    accepting: FakeApi, run: Run, found: dict[str, Any], options: list[str], asked: str | None
) -> None:
    accepting.on("GET", f"/job/{ID}", Reply(200, found))
    result = run("job", "retry", ID, *options)
    if asked is None:
        assert (result.exit_code, result.stdout) == (0, "new\n")
    else:
        assert result.exit_code == 2
        assert f"{asked} Add --yes to run it again." in " ".join(result.stderr.split())
        assert posted(accepting) == []


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_the_answer_on_a_terminal(
    accepting: FakeApi, run: Run, monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    class Terminal:
        """A standard input or error that a person sits at."""

        def __init__(self, stream: Any) -> None:
            self._stream = stream

        def isatty(self) -> bool:
            return True

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

    class Streams:
        @property
        def stdin(self) -> Terminal:
            return Terminal(sys.stdin)

        @property
        def stderr(self) -> Terminal:
            return Terminal(sys.stderr)

    monkeypatch.setattr(again, "sys", Streams())
    accepting.on("GET", f"/job/{ID}", Reply(200, MANY))
    result = run("job", "retry", ID, stdin=answer)
    assert result.exit_code == code
    assert len(posted(accepting)) == (code == 0)
    assert "will run again on 3 hosts" in result.stderr


def test_a_rerun_keeps_everything_but_what_is_changed(accepting: FakeApi, run: Run) -> None:
    first = {**FAILED, "title": "T", "timeout_seconds": 5.0, "retries": {"max_attempts": 3}, "priority": 7}
    accepting.on("GET", f"/job/{ID}", Reply(200, first))
    result = run("job", "rerun", ID, "-d", 'argv:=["id"]', "-d", "cwd=/tmp")
    assert (result.exit_code, result.stdout) == (0, "new\n")
    body = posted(accepting)[0]
    body.pop("idempotency_key")
    assert body == {
        "operation": {"type": "command.exec.execute", "data": {"argv": ["id"], "cwd": "/tmp"}},
        "target_hostname": "web1",
        "title": "T",
        "timeout_seconds": 5.0,
        "retries": {"max_attempts": 3},
        "priority": 7,
        "tags": {"team": "ops"},
    }


def test_a_rerun_elsewhere_asks_like_a_retry(accepting: FakeApi, run: Run) -> None:
    accepting.on("GET", f"/job/{ID}", Reply(200, FAILED))
    assert run("job", "rerun", ID, "--on", "group:web").exit_code == 2
    assert run("job", "rerun", ID, "--on", "web2").exit_code == 0
    assert run("job", "rerun", ID, "--on", "group:web", "--yes").exit_code == 0
    assert [body["target_hostname"] for body in posted(accepting)] == ["web2", "group:web"]


def editor(tmp_path: Path, text: str) -> dict[str, str]:
    """The environment of an editor that runs ``text`` with the file in $1."""
    script = tmp_path / "editor"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return {"EDITOR": str(script), "VISUAL": ""}


def test_a_rerun_edited(accepting: FakeApi, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accepting.on("GET", f"/job/{ID}", Reply(200, FAILED))
    changed = 'sed -i "s/uname/hostname/; s/\\"web1\\"/\\"web2\\"/" "$1"; touch -d "+1 hour" "$1"'
    assert run("job", "rerun", ID, "--edit", env=editor(tmp_path, changed)).exit_code == 0
    body = posted(accepting)[0]
    assert (body["operation"]["data"], body["target_hostname"]) == ({"argv": ["hostname"]}, "web2")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("true", "saved nothing"),
        ('echo "{" > "$1"', "is not valid JSON"),
        ('echo "[]" > "$1"', "is not a JSON object"),
        ('echo "{}" > "$1"', 'has no "operation"'),
        ("""echo '{"operation": {"type": "x"}, "hosts": 1}' > "$1\"""", "unknown fields: hosts"),
    ],
)
def test_nothing_is_submitted_if_the_edit_is_not_a_request(
    accepting: FakeApi, run: Run, tmp_path: Path, text: str, says: str
) -> None:
    accepting.on("GET", f"/job/{ID}", Reply(200, FAILED))
    later = '; touch -d "+1 hour" "$1"' if text != "true" else ""
    result = run("job", "rerun", ID, "--edit", env=editor(tmp_path, text + later))
    assert (result.exit_code, posted(accepting)) == (2, [])
    assert says in " ".join(result.stderr.split())


def test_a_rerun_keeps_the_concurrency_key(accepting: FakeApi, run: Run) -> None:
    accepting.on("GET", f"/job/{ID}", Reply(200, MANY | {"concurrency": {"key": "deploy"}}))
    assert run("job", "rerun", ID, "--yes").exit_code == 0
    assert posted(accepting)[-1]["concurrency"] == {"key": "deploy"}


@pytest.mark.parametrize(("options", "is_kept"), [([], True), (["--on", "group:db"], True), (["--on", "web2"], False)])
def test_a_rerun_keeps_the_batches(accepting: FakeApi, run: Run, options: list[str], is_kept: bool) -> None:
    rollout = {"terms": {"canary": 1, "batch": "5%"}, "state": "ended", "batches": []}
    accepting.on("GET", f"/job/{ID}", Reply(200, MANY | {"rollout": rollout}))
    assert run("job", "rerun", ID, "--yes", *options).exit_code == 0
    assert posted(accepting)[-1].get("rollout") == (rollout["terms"] if is_kept else None)
