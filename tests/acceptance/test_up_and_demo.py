"""`jobqueue up` and `jobqueue demo`: what they start, and that nothing of it is left."""

from __future__ import annotations

import contextlib
import os
import signal
import stat
from pathlib import Path

import psutil
import pytest
from urllib3.exceptions import HTTPError

from jobqueue.ledger.connection import connect
from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.processes import describe, marked, unique_seconds, with_argument, working_in
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until
from tests.alive import is_running


def test_a_second_up_on_the_same_directory_says_so(stack: Stack) -> None:
    second = stack.run("up", "--port", "0", "--state-dir", str(stack.state))
    assert second.returncode == 2
    assert "jobqueue is already up as process" in second.stderr
    assert str(stack.state) in second.stderr
    assert "Traceback" not in second.stderr
    assert stack.api.get("/health/ready").status == 200  # the first one was left alone


def test_the_token_is_private(stack: Stack) -> None:
    assert stat.S_IMODE((stack.state / "admin.token").stat().st_mode) == 0o600
    assert stat.S_IMODE(stack.state.stat().st_mode) == 0o700
    for process in marked(stack.mark):
        with contextlib.suppress(psutil.NoSuchProcess):  # what other tests ran may just end
            assert stack.api.token not in " ".join(process.cmdline())


def test_jobs_and_token_outlive_a_restart(make_stack: MakeStack, with_own_plugin: dict[str, str]) -> None:
    stack = make_stack(with_own_plugin)
    first = stack.up(1)
    token = stack.api.token
    job = stack.api.run("node.hostname.get", target="agent1")
    waits = stack.api.submit("node.hostname.get", target="agent1", not_before="2100-01-01T00:00:00Z")
    first.send(signal.SIGINT)  # Ctrl-C
    assert first.wait() == 0
    assert describe(marked(stack.mark)) == describe(working_in(stack.state)) == []
    assert not (stack.state / "api.url").exists()
    assert not (stack.state / "redis.url").exists()
    assert "Stopped." in first.log()

    second = stack.up(1)
    assert stack.api.token == token
    assert stack.api.job(job["id"]) == job
    assert stack.api.job(waits)["status"] == "submitted"
    assert stack.api.run("node.hostname.get", target="agent1")["status"] == "completed"

    # killed outright: no process is left to stop the others, yet all end
    second.kill()
    until(lambda: not marked(stack.mark) and not working_in(stack.state), "everything has ended", 60)
    third = stack.up(0)
    assert stack.api.job(job["id"]) == job
    assert third.stop() == 0


def test_up_starts_an_agent_that_died_again(spare: Stack) -> None:
    before, started = spare.agent_pid("agent1"), spare.api.agent("agent1")["started_at"]
    token = unique_seconds()
    command = f"setsid sleep {token} & sleep {token}"
    spare.api.submit("command.shell.execute", {"command": command}, "agent1")
    until(lambda: len(with_argument(token)) == 2, "its command runs")
    os.kill(before, signal.SIGKILL)
    until(lambda: not is_running(before), "the agent is dead")
    until(lambda: spare.api.agent("agent1")["started_at"] != started, "it has registered again")
    assert spare.agent_pid("agent1") != before
    assert not with_argument(token)  # no process waits for it any more
    assert spare.api.run("node.hostname.get", target="agent1")["status"] == "completed"


@pytest.mark.parametrize("part", ["maintenance", "api", "redis"])
def test_up_starts_a_part_that_died_again_and_no_job_suffers(spare: Stack, tmp_path: Path, part: str) -> None:
    data = {"file": str(tmp_path / "ran"), "failures": 1}
    # goes on after the crash: its second attempt is published by maintenance
    retried = spare.api.submit("accept.flaky.do", data, retries={"max_attempts": 2, "backoff_seconds": 5})
    gate = tmp_path / "gate"
    line = f"echo ran >> {tmp_path}/runs; while [ ! -e {gate} ]; do sleep 0.02; done"
    running = spare.api.submit("command.shell.execute", {"command": line})
    spare.api.wait_for_state(running, "started")
    until(lambda: "retried" in [event["event"] for event in spare.api.job(retried)["timeline"]], "one attempt failed")
    if part == "redis":  # it may write a little later than it answers; what it has written is safe
        with connect((spare.state / "redis.url").read_text().strip()) as client:
            until(lambda: client.info("persistence")["aof_buffer_length"] == 0, "Redis has written")
        before = int((spare.state / "redis" / "redis.pid").read_text())
    else:
        before = spare.part_pid(part)
    log, message = spare.logs / "up.log", f"{part} ended unexpectedly"
    so_far = log.read_text().count(message)
    os.kill(before, signal.SIGKILL)
    until(lambda: not is_running(before), "it is dead")
    # by then what it left running is dead, too: processes of the API would go on serving for a moment
    until(lambda: log.read_text().count(message) > so_far, "`up` has noticed")

    def is_ready() -> bool:
        try:
            # what the API learnt of Redis counts for a second, in which it may have died
            return all(spare.api.get(path).status == 200 for path in (f"/job/{running}", "/health/ready"))
        except HTTPError:
            return False

    until(is_ready, "the API is ready", 60)
    gate.touch()
    for job_id in (retried, running):
        job = spare.api.wait(job_id)
        assert (job["status"], job["attempts"]) == ("completed", 2 if job_id == retried else 1)
    assert (tmp_path / "runs").read_text().count("\n") == 1
    assert spare.api.run("node.hostname.get", target="agent1")["status"] == "completed"


def test_the_demo(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack({"TMPDIR": str(tmp_path), "HOME": str(tmp_path)})
    done = stack.run("demo", seconds=90)
    assert (done.returncode, done.stderr) == (0, "")
    for words in ("node.hostname.get -> _any", "node.load.get -> _all", "web1", "web2", "db1", "completed"):
        assert words in done.stdout
    assert describe(marked(stack.mark)) == []
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_is_interrupted(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack({"TMPDIR": str(tmp_path)})
    demo = stack.start("demo", ["demo"])
    until(lambda: len(marked(stack.mark)) > 5, "its parts run")
    demo.send(signal.SIGINT)
    assert demo.wait() == 128 + signal.SIGINT
    until(lambda: not marked(stack.mark), "nothing is left")
    assert list(tmp_path.iterdir()) == []


def test_up_behind_a_proxy(make_stack: MakeStack) -> None:
    stack = make_stack({})
    stack.up(0, "--host", "0.0.0.0", "--behind-proxy")  # noqa: S104 (what is tested)
    headers = {"X-Forwarded-Proto": "https"}
    found = stack.api.send("GET", "/health", headers=headers)
    assert found.status == 200
    assert found.headers["Strict-Transport-Security"]


def test_up_refuses_an_open_address_without_tls(make_stack: MakeStack) -> None:
    stack = make_stack({})
    arguments = ("up", "--port", "0", "--agents", "0", "--host", "0.0.0.0")  # noqa: S104 (what is tested)
    refused = stack.run(*arguments, "--state-dir", str(stack.state))
    assert refused.returncode != 0
    assert "does not listen on 0.0.0.0" in refused.stdout + refused.stderr
