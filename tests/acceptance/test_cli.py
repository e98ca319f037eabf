"""The command line, as people and scripts use it: what it prints, and its exit codes 0, 1 and 2."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support.stack import Stack

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def ok(stack: Stack, *arguments: str) -> str:
    done = stack.run(*arguments)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def as_json(stack: Stack, *arguments: str) -> Any:
    return json.loads(ok(stack, *arguments, "--json"))


def test_submit_and_wait(stack: Stack) -> None:
    done = stack.run("job", "submit", "node.hostname.get", "--target", "_all", "--wait")
    assert done.returncode == 0
    assert all(f"agent{number}: completed" in done.stdout for number in (1, 2, 3))
    assert "completed" in done.stderr  # progress goes there, so that the answer can be piped
    found = json.loads(
        stack.run("job", "submit", "command.exec.execute", "--wait", "--json", "--", "echo", "-n", "a b").stdout
    )
    assert (found["status"], found["result"]["stdout"]) == ("completed", "a b")


def test_exit_code_1_when_the_job_failed(stack: Stack) -> None:
    done = stack.run("job", "submit", "command.exec.execute", "--wait", "--", "/nowhere")
    assert done.returncode == 1
    assert "Command '/nowhere' was not found." in done.stdout
    slow = stack.run("job", "submit", "command.exec.execute", "--wait", "--wait-timeout", "200ms", "--", "sleep", "600")
    assert slow.returncode == 1
    job_id = UUID.search(slow.stderr)
    assert job_id
    assert "did not end within" in slow.stderr
    ok(stack, "job", "cancel", job_id[0])
    watched = stack.run("job", "watch", job_id[0])
    assert (watched.returncode, "cancelled" in watched.stdout) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["job", "submit", "node.hostnam.get"], "node.hostname.get"),
        (["job", "submit", "node.hostname.get", "--target", "nowhere"], "nowhere"),
        (["job", "submit", "node.hostname.get", "--priority", "10"], "priority"),
        (["job", "submit"], "OPERATION"),
        (["job", "show", "123e4567-e89b-42d3-a456-426614174000"], "No job has the id"),
        (["job", "show", "x"], "No job has the id or the alias"),
        (["job", "frobnicate"], "frobnicate"),
        (["agent", "show", "nobody"], "nobody"),
        (["--url", "http://127.0.0.1:1", "job", "list"], "--url"),
        (["job", "list", "--url", "http://127.0.0.1:1"], "Cannot reach the jobqueue API at http://127.0.0.1:1"),
        (["job", "list", "--status", "done"], "done"),
        (["up", "--agents", "-1"], "--agents"),
    ],
)
def test_exit_code_2_for_usage_and_refusals(stack: Stack, arguments: list[str], words: str) -> None:
    done = stack.run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_life_of_a_job(stack: Stack, tmp_path: Path) -> None:
    job_id = ok(
        stack, "job", "submit", "file.status.get", "--data", json.dumps({"path": str(tmp_path)}),
        "--target", "agent1", "--tag", "of=cli", "--priority", "6",
    ).strip()  # fmt: skip
    assert UUID.fullmatch(job_id)
    watched = stack.run("job", "watch", job_id)
    assert (watched.returncode, "agent1: completed" in watched.stdout) == (0, True)
    shown = ok(stack, "job", "show", job_id)
    for words in (job_id, "file.status.get", "agent1", "Timeline", "Job processing started on agent1", "of=cli"):
        assert words in shown
    assert as_json(stack, "job", "show", job_id)["priority"] == 6
    assert as_json(stack, "job", "show", job_id[:12])["id"] == job_id

    again = ok(stack, "job", "retry", job_id, "--target", "agent2").strip()
    assert stack.run("job", "watch", again).returncode == 0
    assert as_json(stack, "job", "show", again)["retry_of"] == job_id
    listed = as_json(stack, "job", "list", "--tag", "of=cli")
    assert [item["id"] for item in listed["items"]] == [again, job_id]
    table = ok(stack, "job", "list", "--tag", "of=cli", "--limit", "1")
    assert again in table
    assert job_id not in table
    assert again in ok(stack, "job", "list", "--tag", "of=cli", "--all", "--limit", "1")

    assert "deleted" in ok(stack, "job", "delete", job_id, again)
    assert as_json(stack, "job", "list", "--tag", "of=cli")["total_items"] == 0
    gone = stack.run("job", "delete", job_id)
    assert (gone.returncode, "No job has the id" in gone.stderr) == (2, True)


def test_agents_and_operations(stack: Stack) -> None:
    table = ok(stack, "agent", "list")
    assert all(words in table for words in ("agent1", "agent2", "agent3", "live", "Ready", "group=web.dev"))
    assert "Facts" in ok(stack, "agent", "show", "agent1")
    assert as_json(stack, "agent", "show", "agent3")["labels"]["group"] == "db"
    assert "command.exec.execute" in ok(stack, "operation", "list")
    found = as_json(stack, "operation", "list")
    assert "accept.note.do" in [info["type"] for info in found["operations"]]


def test_what_is_read_from_the_environment(stack: Stack, tmp_path: Path) -> None:
    elsewhere = {"JOBQUEUE_STATE_DIR": str(tmp_path / "none"), "JOBQUEUE_URL": stack.api.url}
    without = stack.run("job", "list", **elsewhere)
    assert (without.returncode, "JOBQUEUE_TOKEN" in without.stderr) == (2, True)
    assert stack.run("job", "list", **elsewhere, JOBQUEUE_TOKEN=stack.api.token).returncode == 0
    (tmp_path / "token").write_text(f"{stack.api.token}\n")
    assert stack.run("job", "list", "--token-file", str(tmp_path / "token"), **elsewhere).returncode == 0
    wrong = stack.run("worker", JOBQUEUE_LEASE_SECOND="5")
    assert (wrong.returncode, "did you mean JOBQUEUE_LEASE_SECONDS" in wrong.stderr) == (2, True)


def test_check(stack: Stack, tmp_path: Path) -> None:
    well = stack.run("check")
    assert well.returncode == 0, well
    assert "answers" in well.stdout
    away = stack.run("check", JOBQUEUE_REDIS_URL=f"unix://{tmp_path}/none.sock")
    assert (away.returncode, "cannot be used" in away.stdout) == (2, True)
    wrong = stack.run("check", JOBQUEUE_HEARTBEAT_SECONDS="soon", JOBQUEUE_COLOUR="red")
    assert wrong.returncode == 2
    assert "JOBQUEUE_HEARTBEAT_SECONDS" in wrong.stdout
    assert "JOBQUEUE_COLOUR" in wrong.stdout
    for word in (stack.api.token,):
        assert word not in well.stdout


def test_watch_and_top(stack: Stack) -> None:
    done = stack.run("job", "submit", "command.shell.execute", "--target", "_all", "--watch", "--", "sleep 0.5")
    assert done.returncode == 0, done
    assert "3 of 3 agents done (completed 3)" in done.stderr
    assert all(f"agent{number} completed" in done.stderr for number in (1, 2, 3))
    assert "agent[1-3] (3 agents): completed" in done.stdout
    shown = ok(stack, "top")
    assert all(words in shown for words in ("agent1", "agent2", "agent3", "healthy", "command.shell.execute"))
    found = as_json(stack, "top", "--jobs", "1")
    assert found["status_counts"]["completed"] >= 1
    assert (len(found["jobs"]), len(found["agents"])) == (1, 3)
    assert found["health"]["components"]["ledger"]["status"] == "ok"


def test_events_are_followed(stack: Stack) -> None:
    job_id = ok(stack, "job", "submit", "node.hostname.get", "--target", "agent1").strip()
    shown = ok(stack, "event", "follow", "--job", job_id)
    steps = [line.split()[2] for line in shown.splitlines()[:-1]]
    assert steps == ["submitted", "acknowledged", "started", "completed"]
    assert shown.splitlines()[-1] == f"Job {job_id} is completed."
    found = [json.loads(line) for line in ok(stack, "event", "follow", "--job", job_id, "--json").splitlines()]
    assert [item["kind"] for item in found] == ["job"] * 4 + ["end"]
