"""SIGTERM and SIGINT, once and twice, early and late: every part ends soon, and drops nothing that it holds."""

from __future__ import annotations

import signal
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.acceptance.redis.conftest import MakeParts
from tests.acceptance.redis.servers import Server
from tests.acceptance.redis.test_start import COMMANDS
from tests.acceptance.support.processes import Process
from tests.acceptance.support.until import until

NOTE, REPEATABLE, DEAF = "accept.note.do", "accept.repeatable.do", "accept.deaf.do"
#: Seconds within which each part ends when it has nothing to do.
IDLE_STOP = 8.0


#: What an agent says when it is asked to stop.
AGENT_STOPS = "This agent is stopping"


def stop(process: Process, *numbers: signal.Signals, noticed: str = "") -> tuple[int, float]:
    """Send the signals; the exit code, and how long it took. ``noticed``: what it says of the first one."""
    begin = time.monotonic()
    for number in numbers:
        process.send(number)
        time.sleep(0.2)  # the same signal sent twice at once arrives once
        if noticed:
            until(lambda: noticed in process.log(), "it has noticed")
    code = process.wait()
    assert "Traceback" not in process.log(), process.log()
    return code, time.monotonic() - begin


@pytest.mark.parametrize("name", COMMANDS)
def test_during_the_start(server: Server, make_parts: MakeParts, name: str) -> None:
    """Whatever it has done by then. Before Python has begun with our code, the signal ends it as any program."""
    parts = make_parts(server.url)
    for number, delay in enumerate((0.3, 0.6, 0.9, 1.2, 1.6, 2.2)):
        process = parts.stack.start(f"{name}{number}", COMMANDS[name])
        time.sleep(delay)
        code, took = stop(process, signal.SIGTERM)
        assert code in (0, -signal.SIGTERM), (delay, process.log())
        assert took < IDLE_STOP, (delay, took, process.log())


@pytest.mark.parametrize("name", COMMANDS)
def test_while_redis_is_away(place: Path, make_parts: MakeParts, name: str) -> None:
    server = Server(place / "away")
    process = make_parts(server.url).stack.start(name, COMMANDS[name])
    words = "503 until Redis" if name == "api" else "Cannot start yet"
    until(lambda: words in process.log(), f"{name} has noticed")
    code, took = stop(process, signal.SIGTERM)
    assert code == 0
    assert took < IDLE_STOP


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_agent_lets_short_work_finish(
    server: Server, make_parts: MakeParts, tmp_path: Path, number: signal.Signals
) -> None:
    parts = make_parts(server.url).start("a1")
    job_id = parts.api.submit(NOTE, {"file": str(tmp_path / "ran"), "seconds": 2}, "a1")
    until((tmp_path / "ran").exists, "it runs")
    code, took = stop(parts.agents["a1"], number)
    assert code == 0
    assert took < IDLE_STOP
    job = parts.api.wait(job_id)
    assert (job["status"], job["attempts"]) == ("completed", 1)
    assert parts.api.agent("a1")["status"] == "offline"


def test_an_agent_hands_back_what_takes_longer(server: Server, make_parts: MakeParts, tmp_path: Path) -> None:
    parts = make_parts(server.url).start("a1")
    api = parts.api
    once = api.submit(NOTE, {"file": str(tmp_path / "once"), "seconds": 60}, "a1")
    again = api.submit(REPEATABLE, {"file": str(tmp_path / "again"), "seconds": 60}, "a1")
    for job_id in (once, again):
        api.wait_for_state(job_id, "started")
    code, took = stop(parts.agents["a1"], signal.SIGTERM)
    assert code == 0
    assert 4 < took < 12
    job = api.wait(once)
    assert job["status"] == "failed"
    assert "shut down" in job["error"]
    assert api.job(again)["status"] in ("submitted", "processing")
    parts.stack.agent("a1", log_name="a1-again")
    job = api.wait(again)
    assert (job["status"], job["attempts"]) == ("completed", 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_request_does_not_wait(
    server: Server, make_parts: MakeParts, tmp_path: Path, number: signal.Signals
) -> None:
    parts = make_parts(server.url).start("a1")
    job_id = parts.api.submit(NOTE, {"file": str(tmp_path / "ran"), "seconds": 60}, "a1")
    parts.api.wait_for_state(job_id, "started")
    asked = datetime.now(timezone.utc)
    code, took = stop(parts.agents["a1"], number, number, noticed=AGENT_STOPS)
    assert code == 0
    assert took < IDLE_STOP
    job = parts.api.wait(job_id)
    assert job["status"] == "failed"
    assert "shut down" in job["error"]
    ended = datetime.fromisoformat(job["timeline"][-1]["timestamp"])
    assert (ended - asked).total_seconds() < 5  # the grace period of a single stop signal


def test_an_agent_ends_under_an_operation_that_obeys_nothing(
    server: Server, make_parts: MakeParts, tmp_path: Path
) -> None:
    parts = make_parts(server.url).start("a1")
    job_id = parts.api.submit(DEAF, {"file": str(tmp_path / "ran"), "seconds": 120}, "a1")
    parts.api.wait_for_state(job_id, "started")
    code, took = stop(parts.agents["a1"], signal.SIGTERM, signal.SIGTERM, noticed=AGENT_STOPS)
    assert code == 1
    assert took < 12
    assert "did not stop" in parts.api.wait(job_id)["error"]


def test_an_agent_ends_while_redis_hangs(server: Server, make_parts: MakeParts, tmp_path: Path) -> None:
    parts = make_parts(server.url).start("a1")
    job_id = parts.api.submit(NOTE, {"file": str(tmp_path / "ran"), "seconds": 4}, "a1")
    parts.api.wait_for_state(job_id, "started")
    server.freeze()
    _, took = stop(parts.agents["a1"], signal.SIGTERM)
    server.thaw()
    assert took < 20
    job = parts.api.wait(job_id)  # its result could not be stored: its lease runs out
    assert (job["status"], job["attempts"]) == ("failed", 1)
    assert next(iter(job["agent_states"].values()))["status"] == "lost"


@pytest.mark.parametrize("part", ["api", "maintenance"])
@pytest.mark.parametrize("numbers", [(signal.SIGTERM,), (signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM)])
def test_the_other_parts_when_idle(
    server: Server, make_parts: MakeParts, part: str, numbers: tuple[signal.Signals, ...]
) -> None:
    parts = make_parts(server.url)
    process = parts.start_api() if part == "api" else parts.start_maintenance()
    if part == "maintenance":
        until(lambda: "leads" in process.log(), "it works")
    code, took = stop(process, *numbers)
    # a second signal may meet Python when it has put its handlers away, after the last line of ours
    assert code in ((0,) if len(numbers) == 1 else (0, -signal.SIGTERM))
    assert took < IDLE_STOP


@pytest.mark.parametrize("delay", [0.5, 1.5, 3.0, 5.0])
def test_up_leaves_nothing_behind_wherever_it_is(make_parts: MakeParts, delay: float) -> None:
    """It may be starting its Redis, its API or its agents, or be up. Closing the stack fails if anything is left."""
    stack = make_parts("redis://127.0.0.1:1/0").stack  # an address that `up` neither receives nor uses
    environ = {name: value for name, value in stack.environ.items() if name != "JOBQUEUE_REDIS_URL"}
    arguments = ["up", "--port", "0", "--agents", "2", "--state-dir", str(stack.state)]
    process = stack.start("up", arguments, environ)
    time.sleep(delay)
    code, took = stop(process, signal.SIGTERM, signal.SIGTERM)
    assert code in (0, -signal.SIGTERM), process.log()
    assert took < 20
    stack.close()
