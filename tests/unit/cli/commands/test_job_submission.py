"""``jobqueue job submit`` and ``retry``: what is sent, what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.commands.test_job import ONE
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ACCEPTED, ID, broadcast, job
from tests.unit.cli.test_submission import CATALOGUE
from tests.unit.client.fake_api import FakeApi, Reply


@pytest.fixture
def accepting(api: FakeApi) -> FakeApi:
    api.on("POST", "/job", Reply(201, ACCEPTED))
    api.on("GET", "/operation", Reply(200, {"operations": CATALOGUE, "total": len(CATALOGUE)}))
    return api


def sent(api: FakeApi) -> dict[str, Any]:
    body: dict[str, Any] = api.seen[-1].body
    return body


def test_submit_prints_the_id(accepting: FakeApi, run: Run) -> None:
    result = run("job", "submit", "node.uptime.get")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{ID}\n", "")
    assert sent(accepting)["operation"] == {"type": "node.uptime.get", "data": {}}
    assert sent(accepting)["target_hostname"] == "_any"
    assert accepting.seen[0].headers["Authorization"] == "Bearer t0ken"


def test_submit_json_is_the_answer_of_the_api(accepting: FakeApi, run: Run) -> None:
    assert json.loads(run("job", "submit", "x", "--json").stdout) == ACCEPTED


def test_submit_with_every_option(accepting: FakeApi, run: Run) -> None:
    options = ["--target=group:web", "--timeout=1m30s", "--priority=9", "--retries=2", "--idempotency-key=k1"]
    times = ["--not-before", "2030-01-01", "--expires-at", "2030-01-02T00:00:00+01:00"]
    result = run("job", "submit", "x", *options, *times, "--tag", "a=b", "--tag", "c=d=e")
    assert result.exit_code == 0, result.output
    assert sent(accepting) == {
        "operation": {"type": "x", "data": {}},
        "target_hostname": "group:web",
        "timeout_seconds": 90.0,
        "priority": 9,
        "retries": {"max_attempts": 3},
        "idempotency_key": "k1",
        "not_before": "2030-01-01T00:00:00.000Z",
        "expires_at": "2030-01-01T23:00:00.000Z",
        "tags": {"a": "b", "c": "d=e"},
    }


def test_words_after_the_dashes_are_the_argv(accepting: FakeApi, run: Run) -> None:
    result = run("job", "submit", "command.exec.execute", "--target", "web1", "--", "ls", "-l", "--json", "/a b")
    assert result.stdout == f"{ID}\n"
    assert sent(accepting)["operation"]["data"] == {"argv": ["ls", "-l", "--json", "/a b"]}


def test_words_for_a_shell_are_one_line(accepting: FakeApi, run: Run) -> None:
    run("job", "submit", "command.shell.execute", "-d", "cwd=/tmp", "--", "df", "-h", "|", "wc")
    assert sent(accepting)["operation"]["data"] == {"cwd": "/tmp", "command": "df -h '|' wc"}


def test_data_from_pairs(accepting: FakeApi, run: Run) -> None:
    pairs = ["-d", "host=db1", "-d", "count:=3", "-d", "version=1.10", "-d", 'list:=["a=b"]', "-d", "text=a:=b"]
    assert run("job", "submit", "x", "--data", '{"host": "old", "kept": null}', *pairs).exit_code == 0
    assert sent(accepting)["operation"]["data"] == {
        "host": "db1",
        "kept": None,
        "count": 3,
        "version": "1.10",
        "list": ["a=b"],
        "text": "a:=b",
    }


def test_data_from_a_file_and_from_input(accepting: FakeApi, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    file.write_text('{"from": "file"}')
    run("job", "submit", "x", "--data", f"@{file}")
    run("job", "submit", "x", "--data", "@-", stdin='{"from": "input"}')
    assert [seen.body["operation"]["data"]["from"] for seen in accepting.seen] == ["file", "input"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "OPERATION"),
        (["x", "--data", "{"], "valid JSON"),
        (["x", "--data", "[1]"], "JSON object"),
        (["x", "--data", "[" * 100_000], "valid JSON"),
        (["x", "--data", "@/no/such/file"], "cannot be read"),
        (["x", "-d", "novalue"], "key=text"),
        (["x", "-d", "=v"], "key=text"),
        (["x", "-d", "n:={"], "valid JSON"),
        (["x", "-d", "a=1", "-d", "a=2"], "twice"),
        (["x", "--tag", "a=1", "--tag", "a=2"], "--tag a is given twice"),
        (["x", "--timeout", "soon"], "a duration"),
        (["x", "--not-before", "then"], "a duration"),
        (["x", "--priority", "10"], "0<=x<=9"),
        (["x", "--tag", "a"], "key=value"),
        (["x", "--retries", "-1"], "x>=0"),
        (["x", "--token", "secret"], "No such option"),
    ],
)
def test_bad_usage_is_exit_code_2_and_sends_nothing(
    api: FakeApi, run: Run, arguments: list[str], complaint: str
) -> None:
    result = run("job", "submit", *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert result.stdout == ""
    assert api.seen == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["x", "--", "ls"], "Unknown operation 'x'. `jobqueue operation list` shows all."),
        (["node.uptime.get", "--", "ls"], "Only command.exec.execute and command.shell.execute take arguments"),
        (["command.exec.execute", "-d", 'argv:=["a"]', "--", "ls"], "twice"),
    ],
)
def test_words_that_the_operation_does_not_take(
    accepting: FakeApi, run: Run, arguments: list[str], complaint: str
) -> None:
    result = run("job", "submit", *arguments)
    assert result.exit_code == 2
    assert complaint in " ".join(result.stderr.split())
    assert [seen.method for seen in accepting.seen] == ["GET"]


@pytest.mark.parametrize(
    ("status", "code"),
    [("completed", 0), ("skipped", 0), ("failed", 1), ("partial_failure", 1), ("cancelled", 1)],
)
def test_submit_and_wait_exits_as_the_job_ends(accepting: FakeApi, run: Run, status: str, code: int) -> None:
    ended = broadcast(status, {"web1": {"status": "completed", "data": {"stdout": "Linux\n"}}})
    accepting.on("GET", f"/job/{ID}", Reply(200, job("processing")), Reply(200, ended))
    result = run("job", "submit", "x", "--wait")
    assert result.exit_code == code
    assert result.stdout == "web1: completed\n  stdout: Linux\n"
    assert ID in result.stderr
    result = run("job", "watch", ID, "--json")
    assert result.exit_code == code
    assert json.loads(result.stdout) == ended


def test_waiting_ends_in_time(accepting: FakeApi, run: Run) -> None:
    accepting.on("GET", f"/job/{ID}", Reply(200, job("processing")))
    result = run("job", "submit", "x", "--wait", "--wait-timeout", "50ms")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "Error: Job" in result.stderr
    assert "did not end within 0.05 s; it is processing and continues." in result.stderr


def test_retry_prints_the_new_id(api: FakeApi, run: Run) -> None:
    api.on("POST", f"/job/{ONE}/retry", Reply(201, {**ACCEPTED, "job_id": "new"}))
    assert run("job", "retry", ONE, "--yes").stdout == "new\n"
    run("job", "retry", ONE, "-y", "--target", "web2", "--only", "failed", "--only", "lost")
    assert [seen.body for seen in api.seen] == [{}, {"target_hostname": "web2", "only": ["failed", "lost"]}]


def test_submit_with_a_concurrency_key(accepting: FakeApi, run: Run) -> None:
    options = ["--concurrency-key=deploy", "--concurrency-limit=2", "--concurrency-policy=replace"]
    result = run("job", "submit", "x", "--target=_all", *options)
    assert result.exit_code == 0, result.output
    assert sent(accepting)["concurrency"] == {"key": "deploy", "limit": 2, "policy": "replace"}
    run("job", "submit", "x", "--target=_all", "--concurrency-key=patch-{host}")
    assert sent(accepting)["concurrency"] == {"key": "patch-{host}"}
    run("job", "submit", "x")
    assert "concurrency" not in sent(accepting)


@pytest.mark.parametrize(
    "options",
    [
        ["--concurrency-limit=2"],
        ["--concurrency-key=a b"],
        ["--concurrency-key=a", "--concurrency-limit=0"],
        ["--concurrency-key={host}", "--concurrency-policy=refuse"],
    ],
)
def test_bad_concurrency_is_refused_before_anything_is_sent(accepting: FakeApi, run: Run, options: list[str]) -> None:
    before = len(accepting.seen)
    assert run("job", "submit", "x", *options).exit_code == 2
    assert len(accepting.seen) == before


def test_submit_a_rollout(accepting: FakeApi, run: Run) -> None:
    options = ["--canary=1", "--batch=10%", "--max-failures=3", "--pause=1m", "--spread=zone", "--between=approve"]
    result = run("job", "submit", "x", "--target=_all", *options, "--on-failure=cancel", "--deadline=1h")
    assert result.exit_code == 0, result.output
    assert sent(accepting)["rollout"] == {
        "canary": 1,
        "batch": "10%",
        "max_failures": 3,
        "pause_seconds": 60.0,
        "spread": "zone",
        "between": "approve",
        "on_failure": "cancel",
        "deadline_seconds": 3600.0,
    }
    run("job", "submit", "x", "--target=_all", "--batch=5")
    assert sent(accepting)["rollout"] == {"batch": 5}


def test_submit_a_rollout_that_is_verified(accepting: FakeApi, run: Run) -> None:
    check = ["--verify=command.exec.execute", '--verify-data={"argv": ["/bin/true"]}', "--verify-within=2m"]
    assert run("job", "submit", "x", "--target=_all", "--batch=5", *check).exit_code == 0
    operation = {"type": "command.exec.execute", "data": {"argv": ["/bin/true"]}}
    assert sent(accepting)["rollout"] == {"batch": 5, "verify": {"operation": operation, "within_seconds": 120.0}}
    assert run("job", "submit", "x", "--target=_all", "--batch=5", "--verify=node.ping.get").exit_code == 0
    assert sent(accepting)["rollout"] == {"batch": 5, "verify": {"operation": {"type": "node.ping.get"}}}
    before = len(accepting.seen)
    for wrong in (["--verify-within=2m"], ["--verify=x", "--verify-data=7"], ["--verify=x", "--verify-within=0s"]):
        assert run("job", "submit", "x", "--target=_all", "--batch=5", *wrong).exit_code == 2
    assert len(accepting.seen) == before


@pytest.mark.parametrize("options", [["--batch=0"], ["--batch=0%"], ["--batch=101%"], ["--max-failures=2"]])
def test_bad_terms_are_refused_before_anything_is_sent(accepting: FakeApi, run: Run, options: list[str]) -> None:
    result = run("job", "submit", "x", "--target=_all", *options)
    assert result.exit_code == 2
    assert "atch" in result.stderr
    assert not accepting.seen


def test_a_misspelt_operation_with_words(accepting: FakeApi, run: Run) -> None:
    result = run("job", "submit", "command.shel.execute", "--on", "web1", "--", "echo", "hi")
    assert result.exit_code == 2
    assert "Unknown operation 'command.shel.execute'. Did you mean command.shell.execute" in result.stderr
    assert [seen.method for seen in accepting.seen] == ["GET"]


def test_an_option_of_the_program_without_the_dashes(api: FakeApi, run: Run) -> None:
    result = run("job", "submit", "command.exec.execute", "ls", "-l")
    assert "No such option '-l'. Quote a command that has options ('ls -l'), or put it after --" in result.stderr
