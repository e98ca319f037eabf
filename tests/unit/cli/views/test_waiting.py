"""Why a job does not start yet: what `run`, `submit --watch` and `watch` say at once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ACCEPTED, ID, job
from tests.unit.client.fake_api import FakeApi, Reply

PAUSE = {"what": "operation command.*", "created_by": "alice", "reason": "the mirror is down"}
PAUSED = "waits: operation command.* is paused by alice: the mirror is down\n"
SUBMITTED = {"web1": {"status": "submitted"}}
LATE = ("--wait-timeout", "10ms")
WATCH = ("job", "watch", ID, "--timeout", "10ms")


def waiting(**fields: Any) -> dict[str, Any]:
    return job("submitted", expected_agents=["web1"], agent_states=SUBMITTED, **fields)


@pytest.fixture
def accepting(api: FakeApi) -> FakeApi:
    api.on("POST", "/job", Reply(201, ACCEPTED))
    api.on("GET", f"/job/{ID}", Reply(200, waiting(paused_by=[PAUSE])))
    api.on("GET", "/agent/web1", Reply(200, {"hostname": "web1", "status": "live"}))
    return api


@pytest.mark.parametrize(
    "words",
    [
        ("run", "true", "--on", "web1", "--oneline", *LATE),
        ("job", "submit", "x", "--target", "web1", "--watch", *LATE),
        WATCH,
    ],
)
def test_a_pause_is_named(accepting: FakeApi, run: Run, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 1
    assert result.stderr.count(f"Job {ID} {PAUSED}") == 1


def test_so_it_is_where_the_output_is_printed_as_it_arrives(accepting: FakeApi, run: Run) -> None:
    ended = Reply(200, b'event: end\ndata: {"hostname": "web1"}\n\n', {"Content-Type": "text/event-stream"})
    accepting.on("GET", f"/job/{ID}/logs", ended)
    assert run("run", "true", "--on", "web1", *LATE).stderr.count(f"Job {ID} {PAUSED}") == 1


def test_a_host_that_is_offline_is_named(accepting: FakeApi, run: Run) -> None:
    accepting.on("GET", f"/job/{ID}", Reply(200, waiting()))
    accepting.on("GET", "/agent/web1", Reply(200, {"hostname": "web1", "status": "offline"}))
    said = run(*WATCH).stderr
    assert f"Job {ID} waits: web1 is offline; the job starts once it is back.\n" in said


def test_who_may_not_see_agents_is_told_nothing_of_them(accepting: FakeApi, run: Run) -> None:
    accepting.on("GET", f"/job/{ID}", Reply(200, waiting()))
    accepting.on("GET", "/agent/web1", Reply(403, {"error": "no"}))
    result = run(*WATCH)
    assert (result.exit_code, "waits" in result.stderr) == (1, False)


def test_an_approval_is_named(accepting: FakeApi, run: Run) -> None:
    approval = {"because": "It reaches 40 hosts; 20 are allowed.", "plan_hash": "ab"}
    accepting.on("GET", f"/job/{ID}", Reply(200, waiting(approval=approval)))
    assert f"Job {ID} waits: It reaches 40 hosts; 20 are allowed.\n" in run(*WATCH).stderr


def test_a_job_that_runs_waits_for_nothing(accepting: FakeApi, run: Run) -> None:
    running = job("processing", expected_agents=["web1"], agent_states={"web1": {"status": "started"}})
    accepting.on("GET", f"/job/{ID}", Reply(200, running))
    run(*WATCH)
    assert [seen.path for seen in accepting.seen if seen.path.startswith("/agent")] == []
