"""``jobqueue job``: what is sent, what is printed, and the exit codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from rich.console import Console

from jobqueue.cli.views.job_view import show_job, show_list
from jobqueue.cli.views.output import PlainScreen, TerminalScreen
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ID, broadcast, job
from tests.unit.client.fake_api import FakeApi, Reply


def execution(hostname: str, status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"hostname": hostname, "status": status, "attempt": 1, "duration": "5ms", "error": None, **fields}


def part(cursor: str | None, **fields: Any) -> Reply:
    return Reply(200, {"job_id": ID, "status": "completed", "total": 3, "next_cursor": cursor, **fields})


def group(key: str, status: str, hostnames: list[str], **fields: Any) -> dict[str, Any]:
    return {
        "key": key,
        "status": status,
        "count": len(hostnames),
        "hostnames": hostnames,
        "hostnames_left_out": 0,
        "data": None,
        "error": None,
        **fields,
    }


def test_executions_of_all_pages(api: FakeApi, run: Run) -> None:
    first, second = [execution("web1"), execution("web2")], [execution("web3", "failed", error="broke")]
    api.on("GET", f"/job/{ID}/executions", part("c", items=first), part(None, items=second))
    result = run("job", "show", ID, "--state", "completed,failed")
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["HOSTNAME", "web1", "web2", "web3"]
    assert "broke" in result.stdout
    assert [seen.query.get("cursor") for seen in api.seen] == [None, "c"]
    assert {seen.query["state"] for seen in api.seen} == {"completed,failed"}


def test_groups_with_the_same_key_are_one(api: FakeApi, run: Run) -> None:
    first = [group("a", "completed", ["web1"], data={"x": 1})]
    second = [group("b", "failed", ["web2"], error="broke"), group("a", "completed", ["web3"], data={"x": 1})]
    api.on(
        "GET", f"/job/{ID}/executions", part("c", groups=first, is_least=True), part(None, groups=second, is_least=True)
    )
    result = run("job", "show", ID, "--group", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [(one["key"], one["count"]) for one in found["groups"]] == [("b", 1), ("a", 2)]
    assert found["groups"][1]["hostnames"] == ["web1", "web3"]
    assert (found["is_least"], found["next_cursor"]) == (False, None)


def test_executions_or_groups(api: FakeApi, run: Run) -> None:
    assert run("job", "show", ID, "--group", "--executions").exit_code == 2
    assert run("job", "show", ID, "--state", "odd").exit_code == 2


def test_a_large_job_says_what_is_left_out(api: FakeApi, run: Run) -> None:
    counts = {"completed": 9_999, "failed": 1}
    api.on("GET", f"/job/{ID}", Reply(200, job(executions_left_out=9_000, execution_counts=counts)))
    assert "completed 9999, failed 1" in run("job", "show", ID).stdout


def page(*jobs: dict[str, Any], cursor: str | None = None) -> Reply:
    counts = {"submitted": 0, "completed": 7}
    return Reply(200, {"total_items": 7, "status_counts": counts, "items": list(jobs), "next_cursor": cursor})


def test_list_in_a_pipe(api: FakeApi, run: Run) -> None:
    api.on("GET", "/job", page(job(title="uname", submitted_by="ann"), job("failed", error="x" * 300)))
    result = run("job", "list")
    assert result.exit_code == 0
    head, first, second = result.stdout.splitlines()
    assert head.split() == ["ID", "STATUS", "CREATED", "TOOK", "TITLE", "TARGET", "BY", "ERROR"]
    started = "2026-01-01T00:00:00.000Z"
    assert first.split() == [ID, "completed", started, "1.5s", "uname", "(command.exec.execute)", "web1", "ann", "-"]
    assert second.endswith("x" * 300)
    assert api.seen[0].query == {"limit": "10", "view": "summary"}


def test_list_passes_every_filter(api: FakeApi, run: Run) -> None:
    api.on("GET", "/job", page())
    filters = [
        "--status=failed",
        "--operation=o",
        "--target=_all",
        "--hostname=h",
        "--tag=a=b:c",
        "--by=ann",
        "--q=disk",
        "--error=full",
    ]
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
        "q": "disk",
        "error": "full",
        "submitted_by": "ann",
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
    result = run("job", "show", ID)
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
    result = run("job", "show", ID, "--json")
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


def test_one_line_a_host(api: FakeApi, run: Run) -> None:
    out = {"stdout": "one\ntwo\n", "stderr": "", "exit_code": 0}
    states = {"web1": {"status": "completed", "data": out}, "db1": {"status": "failed", "error": "disk full"}}
    api.on("GET", f"/job/{ID}", Reply(200, broadcast("partial_failure", states)))
    expected = "db1  | failed | disk full\nweb1 | 0      | one\n"
    assert run("job", "show", ID, "--oneline").stdout == expected
    watched = run("job", "watch", ID, "--oneline")
    assert (watched.exit_code, watched.stdout) == (1, expected)


ONE, TWO, THREE = (f"6f1c2f8e-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
OTHER = "6f1c9999-0000-4000-8000-000000000001"


@pytest.fixture
def listed(api: FakeApi) -> FakeApi:
    """Two pages: two jobs whose ids begin alike, and one with an alias."""
    api.on(
        "GET",
        "/job",
        page(job(id=ONE), job(id=OTHER), cursor="c1"),
        page(job(id="abcd0000-0000-4000-8000-000000000001", alias="raysubmit_x")),
        page(job(id=ONE), job(id=OTHER), cursor="c1"),
        page(job(id="abcd0000-0000-4000-8000-000000000001", alias="raysubmit_x")),
    )
    return api


@pytest.mark.parametrize(
    "arguments", [["show"], ["watch"], ["logs"], ["cancel"], ["retry"], ["delete"]], ids=lambda words: str(words[0])
)
@pytest.mark.parametrize(
    ("word", "job_id"),
    [
        ("6f1c2f8e", ONE),
        ("6F1C2", ONE),
        ("6f1c2f8e-0000", ONE),
        ("abcd", "abcd0000-0000-4000-8000-000000000001"),
        ("raysubmit_x", "abcd0000-0000-4000-8000-000000000001"),
    ],
)
def test_a_job_is_found_by_the_beginning_of_its_id_and_by_its_alias(
    listed: FakeApi, run: Run, arguments: list[str], word: str, job_id: str
) -> None:
    run("job", *arguments, word)
    assert listed.seen[-1].path.split("/")[2] == job_id


def test_an_event_stream_is_found_so_too(listed: FakeApi, run: Run) -> None:
    run("event", "follow", "--job", "6f1c2")
    assert listed.seen[-1].path == f"/job/{ONE}"


def test_an_ambiguous_beginning_names_the_candidates(listed: FakeApi, run: Run) -> None:
    result = run("job", "cancel", "6f1c")
    assert (result.exit_code, result.stdout) == (2, "")
    assert ONE in result.stderr
    assert OTHER in result.stderr
    assert all(seen.method == "GET" for seen in listed.seen)


@pytest.mark.parametrize("word", ["6f1", "ffff", "nobody"])
def test_a_job_that_is_not_found_is_said_to_be_so(listed: FakeApi, run: Run, word: str) -> None:
    result = run("job", "show", word)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"No job has the id or the alias '{word}'" in result.stderr


def test_only_the_newest_jobs_are_looked_through(api: FakeApi, run: Run) -> None:
    full = {**page(*(job(id=f"{n:08x}-0000-4000-8000-000000000001") for n in range(100)), cursor="c1").body}
    api.on("GET", "/job", Reply(200, {**full, "total_items": 5000}))
    result = run("job", "show", "ffff")
    assert (result.exit_code, len(api.seen)) == (2, 10)
    assert "among the newest 1000; give the whole id" in result.stderr


def test_several_statuses(api: FakeApi, run: Run) -> None:
    api.on("GET", "/job", page())
    assert run("job", "list", "--status", "failed,partial_failure").exit_code == 0
    assert api.seen[0].query["status"] == "failed,partial_failure"
    assert "'odd' is not one of submitted" in run("job", "list", "--status", "failed,odd").stderr


ROW = {"operation": {"type": "command.exec.execute"}, "created": "2026-01-01T00:00:00.000Z", "target_hostname": "web1"}


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_list_on_a_narrow_terminal_can_be_read(width: int) -> None:
    file = io.StringIO()
    screen = TerminalScreen(Console(file=file, width=width, force_terminal=True, color_system=None))
    jobs = [
        {**ROW, "id": ID, "status": "partial_failure", "error": "disk full on every host that was asked " * 3},
        {
            **ROW,
            "id": OTHER,
            "status": "completed",
            "error": None,
            "target_hostname": "a-host-with-a-long-name.example",
        },
    ]
    show_list(screen, {"items": jobs, "total_items": 2, "status_counts": {}})
    head, first, second, *_ = file.getvalue().splitlines()
    assert max(len(line) for line in (head, first, second)) <= width + 2
    assert first.startswith(f"{ID[:8]}  partial_failure")
    assert second.startswith(f"{OTHER[:8]}  completed")
    assert [name for name in ("ID", "STATUS", "CREATED", "TARGET", "ERROR") if name in head.split()][:3]
    if width >= 80:
        more = (["TOOK"], ["BY"]) if width >= 110 else ([], [])
        assert head.split() == ["ID", "STATUS", "CREATED", *more[0], "TITLE", "TARGET", *more[1], "ERROR"]
        assert "command.exec.ex" in first
        assert "disk " in first


def test_full_shows_the_whole_id_on_a_terminal() -> None:
    file = io.StringIO()
    screen = TerminalScreen(Console(file=file, width=60, force_terminal=True, color_system=None), full=True)
    show_list(screen, {"items": [{**ROW, "id": ID, "status": "completed"}], "total_items": 1, "status_counts": {}})
    assert ID in file.getvalue()


def test_the_timeline_shows_the_day_only_when_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [
        {
            "timestamp": f"2026-01-0{day}T00:00:00.000Z",
            "event": "started",
            "hostname": "a",
            "message": "m",
            "error": None,
        }
        for day in (1, 2)
    ]
    file = io.StringIO()
    console = Console(file=file, width=80, force_terminal=True, color_system=None)
    show_job(TerminalScreen(console), job(timeline=steps))
    text = file.getvalue()
    assert "\n00:00:00.000 " in text
    assert "\n2026-01-02T00:00:00.000Z" in text
    show_job(PlainScreen(), job(timeline=steps))
    assert "\n2026-01-01T00:00:00.000Z" in capsys.readouterr().out


def test_a_closed_pipe_is_no_failure(api: FakeApi) -> None:
    """As `jobqueue job list --all | head -1`."""
    api.on("GET", "/job", page(*(job(error="x" * 1000) for _ in range(200))))
    command = [sys.executable, "-m", "jobqueue", "job", "list", "--all", "--url", api.url]
    environment = {**os.environ, "JOBQUEUE_TOKEN": "t0ken"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        complaint = process.stderr.read()
    assert (process.returncode, complaint) == (141, b"")


def test_a_job_shows_its_batches(api: FakeApi, run: Run) -> None:
    batch = {"state": "ended", "hosts": 2, "first_hosts": ["a", "b"], "opened": "2026-01-01T00:00:01.000Z"}
    batches = [
        {"number": number, "ended": "2026-01-01T00:00:02.000Z", "counts": {"completed": 2}, **batch}
        for number in range(1, 31)
    ]
    rollout = {"terms": {"batch": 2}, "state": "stopped", "stopped_because": "3 of 60 hosts failed", "batches": batches}
    api.on("GET", f"/job/{ID}", Reply(200, job("failed", rollout=rollout)))
    result = run("job", "show", ID)
    assert "3 of 60 hosts failed" in result.stdout
    assert "completed 2" in result.stdout
