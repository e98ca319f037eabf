"""``jobqueue job``: what is sent, what is printed, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ACCEPTED, ID, broadcast, job
from tests.unit.client.fake_api import FakeApi, Reply


@pytest.fixture
def accepting(api: FakeApi) -> FakeApi:
    api.on("POST", "/job", Reply(201, ACCEPTED))
    return api


def sent(api: FakeApi) -> dict[str, Any]:
    body: dict[str, Any] = api.seen[0].body
    return body


# -- submit ------------------------------------------------------------------------------------------------------------


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
    assert sent(accepting)["operation"]["data"] == {"cwd": "/tmp", "command": "df -h | wc"}


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
        (["x", "--data", "{"], "no JSON"),
        (["x", "--data", "[1]"], "JSON object"),
        (["x", "--data", "[" * 100_000], "no JSON"),
        (["x", "--data", "@/nonexistent"], "cannot be read"),
        (["x", "-d", "novalue"], "key=text"),
        (["x", "-d", "=v"], "key=text"),
        (["x", "-d", "n:={"], "no JSON"),
        (["x", "-d", "a=1", "-d", "a=2"], "twice"),
        (["x", "--", "ls"], "take arguments"),
        (["command.exec.execute", "-d", 'argv:=["a"]', "--", "ls"], "twice"),
        (["x", "--timeout", "soon"], "no duration"),
        (["x", "--not-before", "then"], "no duration"),
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
    assert "did not end within 0.05 s; it is processing and goes on." in result.stderr


# -- list --------------------------------------------------------------------------------------------------------------


def page(*jobs: dict[str, Any], cursor: str | None = None) -> Reply:
    counts = {"submitted": 0, "completed": 7}
    return Reply(200, {"total_items": 7, "status_counts": counts, "items": list(jobs), "next_cursor": cursor})


def test_list_in_a_pipe(api: FakeApi, run: Run) -> None:
    api.on("GET", "/job", page(job(), job("failed", error="x" * 300)))
    result = run("job", "list")
    assert result.exit_code == 0
    head, first, second = result.stdout.splitlines()
    assert head.split() == ["ID", "STATUS", "CREATED", "OPERATION", "TARGET", "ERROR"]
    assert first.split() == [ID, "completed", "2026-01-01T00:00:00.000Z", "command.exec.execute", "web1", "-"]
    assert second.endswith("x" * 300)
    assert api.seen[0].query == {"limit": "10", "view": "summary"}


def test_list_passes_every_filter(api: FakeApi, run: Run) -> None:
    api.on("GET", "/job", page())
    filters = ["--status=failed", "--operation=o", "--target=_all", "--hostname=h", "--tag=a=b:c"]
    paging = ["--limit=5", "--offset=3", "--cursor=c9"]
    result = run(
        "job", "list", *filters, *paging, "--created-after", "2026-01-01", "--created-before", "2026-01-02", "--json"
    )
    assert json.loads(result.stdout)["total_items"] == 7
    assert api.seen[0].query == {
        "status": "failed",
        "operation": "o",
        "target": "_all",
        "hostname": "h",
        "tag": "a:b:c",
        "limit": "5",
        "offset": "3",
        "cursor": "c9",
        "created_after": "2026-01-01T00:00:00.000Z",
        "created_before": "2026-01-02T00:00:00.000Z",
    }


def test_list_all_walks_the_pages(api: FakeApi, run: Run) -> None:
    first, second = job(), job("failed", id="other")
    api.on("GET", "/job", page(first, cursor="c1"), page(second))
    found = json.loads(run("job", "list", "--all", "--json").stdout)
    assert found["items"] == [first, second]
    assert found["next_cursor"] is None
    assert [seen.query.get("cursor") for seen in api.seen] == [None, "c1"]


@pytest.mark.parametrize(
    "arguments", [["--limit", "101"], ["--limit", "0"], ["--status", "odd"], ["--all", "--offset", "1"]]
)
def test_list_bad_usage(api: FakeApi, run: Run, arguments: list[str]) -> None:
    assert run("job", "list", *arguments).exit_code == 2
    assert api.seen == []


# -- get, watch --------------------------------------------------------------------------------------------------------


def test_get_shows_the_job(api: FakeApi, run: Run) -> None:
    found = broadcast(
        "partial_failure",
        {
            "web1": {"status": "completed", "data": {"free": 12}, "duration": "45ms"},
            "web2": {"status": "completed", "data": {"free": 12}, "duration": "1.5s"},
            "db1": {"status": "failed", "error": "disk full", "duration": "2s"},
        },
    )
    found["error"] = "1 of 3 agents failed: db1: disk full"
    found["timeline"] = [
        {
            "timestamp": "2026-01-01T00:00:00.000Z",
            "event": "submitted",
            "hostname": "_api",
            "message": "Job submitted to queue",
            "error": None,
        }
    ]
    api.on("GET", f"/job/{ID}", Reply(200, found))
    result = run("job", "get", ID)
    assert result.exit_code == 0
    head, agents, timeline, shown = result.stdout.split("\n\n")
    assert "Status     partial_failure" in head
    assert "Error      1 of 3 agents failed: db1: disk full" in head
    assert "Tags       team=ops" in head
    assert [line.split()[0] for line in agents.splitlines()] == ["Agents", "HOSTNAME", "db1", "web1", "web2"]
    assert "Job submitted to queue" in timeline
    assert shown.splitlines() == [
        "Answers",
        "db1: failed",
        "  disk full",
        "web[1-2] (2 agents): completed",
        "  free: 12",
    ]


def test_get_json_passes_through(api: FakeApi, run: Run) -> None:
    found = {**job(), "unknown_field": {"x": [1.5, None, "\x1b[2J", 2**80]}}
    api.on("GET", f"/job/{ID}", Reply(200, found))
    result = run("job", "get", ID, "--json")
    assert json.loads(result.stdout) == found
    assert "\x1b" not in result.stdout


def test_watch_reports_changes_on_stderr(api: FakeApi, run: Run) -> None:
    waiting = broadcast("processing", {"a": {"status": "completed"}, "b": {"status": "started"}})
    ended = broadcast("completed", {"a": {"status": "completed"}, "b": {"status": "completed"}})
    api.on("GET", f"/job/{ID}", Reply(200, waiting), Reply(200, waiting), Reply(200, ended))
    result = run("job", "watch", ID)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        f"Job {ID}: a completed",
        f"Job {ID}: processing, 1 of 2 agents done (completed 1, started 1)",
        f"Job {ID}: b completed",
        f"Job {ID}: completed, 2 of 2 agents done (completed 2)",
    ]
    assert result.stdout == "a, b (2 agents): completed\n"


# -- cancel, retry, delete ---------------------------------------------------------------------------------------------


def test_cancel_several_and_one_is_refused(api: FakeApi, run: Run) -> None:
    api.on("POST", "/job/1/cancel", Reply(409, {"error": "The job has ended.", "code": 409, "details": None}))
    api.on("POST", "/job/2/cancel", Reply(202, {"id": "2", "status": "processing"}))
    api.on("POST", "/job/3/cancel", Reply(202, {"id": "3", "status": "cancelled"}))
    result = run("job", "cancel", "1", "2", "3")
    assert result.exit_code == 2
    assert result.stdout == "2  processing, cancel requested\n3  cancelled\n"
    assert result.stderr == "Error: 1: The job has ended.\n"


def test_retry_prints_the_new_id(api: FakeApi, run: Run) -> None:
    api.on("POST", "/job/1/retry", Reply(201, {**ACCEPTED, "job_id": "new"}))
    assert run("job", "retry", "1").stdout == "new\n"
    run("job", "retry", "1", "--target", "web2", "--only", "failed", "--only", "lost")
    assert [seen.body for seen in api.seen] == [{}, {"target_hostname": "web2", "only": ["failed", "lost"]}]


def test_delete(api: FakeApi, run: Run) -> None:
    api.on("DELETE", "/job/1", Reply(204))
    result = run("job", "delete", "1")
    assert (result.exit_code, result.stdout) == (0, "1  deleted\n")
    assert run("job", "delete").exit_code == 2
