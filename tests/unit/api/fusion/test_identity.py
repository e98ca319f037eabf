"""No identity that a caller chooses is believed: ids of configurations, names of runs, tags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from api.app import create_app
from jobqueue.model.states import ExecutionState
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.ledger.world import World

from .conftest import TOKEN, Agent, Ask, fusion_error

AT = "/api/spark/jobs"
REPORT = "/job-launcher/launcher/status"
STORED: dict[str, Any] = {"id": "c1", "type": "node.hostname.get"}
RAY = "/api/jobs/"


@pytest.fixture
def app(services: Services) -> Flask:
    """An application whose callers are in the same ledger as its jobs."""
    return create_app(Settings(state_dir=Path("/nonexistent"), token=TOKEN), services)


@pytest.fixture
def other(app: Flask, ask: Ask) -> Callable[..., Ask]:
    """``other("name", "job:write", ...)``: requests of another caller, who has an API key with these permissions."""

    def make(name: str, *permissions: str) -> Ask:
        made = ask("POST", "/key", {"name": name, "permissions": list(permissions)})
        assert made.status_code == 201, made.text
        headers = {"Authorization": f"Bearer {made.get_json()['key']}"}
        client = app.test_client()

        def request(method: str, path: str, document: Any = None) -> Any:
            return client.open(path, method=method, json=document, headers=headers)

        return request

    return make


@pytest.fixture
def attacker(other: Callable[..., Ask]) -> Ask:
    """A caller who may report runs and run what changes nothing, and nothing more."""
    return other("attacker", "job:write", "job:read", "agent:read")


@pytest.fixture
def run_id(ask: Ask, agent: Agent) -> str:
    """A run of the stored configuration c1 that an agent runs now."""
    assert ask("POST", "/api/spark/configurations", STORED).status_code == 200
    started: str = ask("POST", f"{AT}/c1").get_json()["jobId"]
    agent.take()
    return started


def shown(ask: Ask, name: str) -> tuple[str, str]:
    answer = ask("GET", f"{AT}/{name}").get_json()
    return answer["jobId"], answer["state"]


def test_a_reported_run_is_no_run_of_a_stored_configuration(ask: Ask, attacker: Ask, run_id: str) -> None:
    for number in range(12):
        decoy = {"state": "running", "jobId": f"decoy{number}", "jobConfig": STORED}
        assert attacker("POST", REPORT, decoy).status_code == 200
    assert shown(ask, "c1") == (run_id, "running")
    assert [run["jobId"] for run in ask("GET", AT).get_json()] == [run_id]
    cancelled = ask("DELETE", f"{AT}/c1").get_json()
    assert (cancelled["jobId"], cancelled["state"]) == (run_id, "cancelling")
    assert shown(ask, "decoy3") == ("decoy3", "running")


def test_reported_runs_are_marked_where_all_jobs_are_listed(ask: Ask, attacker: Ask, run_id: str) -> None:
    attacker("POST", REPORT, {"state": "running", "jobId": "decoy", "jobConfig": STORED})
    decoy, real = ask("GET", "/job").get_json()["items"]
    assert (decoy["tags"]["fusion"], decoy["operation"]["type"], decoy["alias"]) == ("reported", "outside.run", None)
    assert (real["tags"]["fusion"], real["operation"]["type"], real["alias"]) == ("run", "node.hostname.get", run_id)
    assert {run["jobId"] for run in ask("GET", REPORT).get_json()} == {"decoy", run_id}


def test_tags_make_no_run_of_a_configuration(ask: Ask, attacker: Ask, run_id: str) -> None:
    tags = {"fusion": "run", "fusion.id": "c1", "fusion.type": STORED["type"]}
    for _ in range(12):
        body = {"operation": {"type": "node.hostname.get"}, "tags": tags, "not_before": "2100-01-01T00:00:00Z"}
        assert attacker("POST", "/job", body).status_code == 201
    assert shown(ask, "c1") == (run_id, "running")
    assert [run["jobId"] for run in ask("GET", AT + "?limit=1").get_json()] == [run_id]
    assert ask("GET", REPORT + "?limit=5").get_json()[0]["jobId"] == run_id
    assert ask("DELETE", f"{AT}/c1").get_json()["jobId"] == run_id


@pytest.mark.parametrize("type_", ["no-such-type", "node.hostname.get"])
def test_an_inline_run_is_no_run_of_the_stored_configuration_of_its_id(
    ask: Ask, attacker: Ask, agent: Agent, type_: str
) -> None:
    ask("POST", "/api/spark/configurations", STORED)
    decoy = attacker("POST", AT, {"id": "c1", "type": type_}).get_json()["jobId"]
    assert shown(ask, "c1") == ("", "idle")
    fusion_error(ask("DELETE", f"{AT}/c1"), 409, "nothing to cancel")
    started = ask("POST", f"{AT}/c1")
    assert started.status_code == 200, started.text
    assert shown(ask, "c1") == (started.get_json()["jobId"], "starting")
    later = attacker("POST", AT, {"id": "c1", "type": "no-such-type"}).get_json()["jobId"]
    assert shown(ask, "c1") == (started.get_json()["jobId"], "starting")
    assert shown(ask, later) == (later, "error")
    assert shown(ask, decoy)[0] == decoy


def test_an_unknown_type_of_a_stored_configuration_is_an_error_of_it(ask: Ask) -> None:
    ask("POST", "/api/spark/configurations", {"id": "c2", "type": "no-such-type"})
    started = ask("POST", f"{AT}/c2").get_json()
    assert shown(ask, "c2") == (started["jobId"], "error")


def test_inline_runs_of_others_hold_up_no_start(ask: Ask, attacker: Ask) -> None:
    theirs = attacker("POST", AT, STORED).get_json()["jobId"]
    own = ask("POST", AT, STORED).get_json()["jobId"]
    assert shown(ask, "c1")[0] == own
    assert shown(attacker, "c1")[0] == theirs
    assert ask("DELETE", f"{AT}/c1").get_json()["jobId"] == own
    assert shown(attacker, "c1") == (theirs, "starting")


def test_the_admin_token_is_one_caller_whatever_name_is_shown_with_it(app: Flask, ask: Ask) -> None:
    run_id = ask("POST", AT, STORED).get_json()["jobId"]
    answer = app.test_client().get(f"{AT}/c1", auth=("somebody-else", TOKEN))
    assert answer.get_json()["jobId"] == run_id


def test_an_inline_aggregation_moves_no_stored_ones_window(ask: Ask, agent: Agent) -> None:
    config = {
        "id": "aggr", "type": "aggregation", "inputCollection": "signals", "outputCollection": "signals_aggr",
        "sql": "SELECT 1 AS id",
    }  # fmt: skip
    ask("POST", "/api/spark/configurations", config)
    ask("POST", AT, {**config, "referenceTime": "2099-01-01T00:00:00Z"})
    agent.finish(agent.take(), {"aggregated": 0})
    ask("POST", f"{AT}/aggr")
    assert agent.document(agent.take())["data"]["last_run"] is None


def test_a_retry_needs_the_permission_of_the_configuration_as_it_is(ask: Ask, attacker: Ask, agent: Agent) -> None:
    ask("POST", "/api/spark/configurations", STORED)
    ask("POST", f"{AT}/c1")
    agent.finish(agent.take(), state=ExecutionState.FAILED, note="why")
    (job,) = ask("GET", "/job").get_json()["items"]
    script = {"id": "c1", "type": "script", "script": "true", "language": "shell"}
    assert ask("PUT", "/api/spark/configurations/c1", script).status_code == 200
    refused = attacker("POST", f"/job/{job['id']}/retry")
    assert (refused.status_code, refused.get_json()["details"]["permission"]) == (403, "shell:execute")
    assert ask("POST", f"{AT}/c1").status_code == 200


def test_a_retry_of_a_run_whose_configuration_is_gone_starts_no_new_one_of_its_id(ask: Ask, agent: Agent) -> None:
    ask("POST", "/api/spark/configurations", STORED)
    ask("POST", f"{AT}/c1")
    agent.finish(agent.take(), state=ExecutionState.FAILED, note="why")
    (job,) = ask("GET", "/job").get_json()["items"]
    ask("DELETE", "/api/spark/configurations/c1")
    assert ask("POST", f"/job/{job['id']}/retry").status_code == 201
    ask("POST", "/api/spark/configurations", STORED)
    assert shown(ask, "c1") == ("", "idle")
    assert ask("POST", f"{AT}/c1").status_code == 200


def test_a_configuration_that_was_made_anew_shows_no_run_of_the_old_one(ask: Ask, agent: Agent, world: World) -> None:
    ask("POST", "/api/spark/configurations", STORED)
    run_id = ask("POST", f"{AT}/c1").get_json()["jobId"]
    agent.finish(agent.take())
    assert shown(ask, "c1") == (run_id, "finished")
    ask("DELETE", "/api/spark/configurations/c1")
    assert shown(ask, "c1") == (run_id, "finished")
    world.clock.advance(1)
    ask("POST", "/api/spark/configurations", STORED)
    assert shown(ask, "c1") == ("", "idle")


def test_cancel_means_every_active_run(ask: Ask, agent: Agent, world: World) -> None:
    ask("POST", "/api/spark/configurations", STORED)
    runs = []
    for _ in range(3):
        runs.append(ask("POST", f"{AT}/c1").get_json()["jobId"])
        # what keeps it to one run at a time can be lost with a server that was restored
        world.client.delete(world.ledger.keys.kind("exclusive") + "fusion:c1")
    agent.take()
    assert ask("DELETE", f"{AT}/c1").get_json()["jobId"] == runs[-1]
    assert {run["state"] for run in ask("GET", AT).get_json()} <= {"cancelled", "cancelling"}
    fusion_error(ask("DELETE", f"{AT}/nothing"), 404)


# --- names of runs ----------------------------------------------------------------------------------------------------


def test_a_reported_run_takes_no_submission_id(ask: Ask, attacker: Ask) -> None:
    assert attacker("POST", REPORT, {"state": "finished", "jobId": "nightly-train"}).status_code == 200
    assert ask("GET", RAY + "nightly-train").status_code == 404
    body = {"entrypoint": "python train.py", "submission_id": "nightly-train"}
    submitted = ask("POST", RAY, body)
    assert submitted.status_code == 200, submitted.text
    assert ask("GET", RAY + "nightly-train").get_json()["status"] == "PENDING"
    assert attacker("POST", REPORT, {"state": "finished", "jobId": "nightly-train", "result": {}}).status_code == 409
    assert ask("GET", RAY + "nightly-train").get_json()["status"] == "PENDING"


def test_a_submission_id_takes_no_reported_runs_name(ask: Ask, attacker: Ask) -> None:
    body = {"operation": {"type": "node.hostname.get"}}
    assert attacker("POST", "/job", body).status_code == 201
    assert ask("POST", RAY, {"entrypoint": "true", "submission_id": "run1"}).status_code == 200
    assert ask("POST", REPORT, {"state": "running", "jobId": "run1"}).status_code == 200
    assert shown(ask, "run1") == ("run1", "running")
    assert ask("DELETE", f"{AT}/run1").get_json()["state"] == "cancelling"
    assert ask("GET", RAY + "run1").get_json()["status"] == "PENDING"


def test_a_caller_cannot_move_another_callers_run(ask: Ask, attacker: Ask) -> None:
    ask("POST", REPORT, {"state": "running", "jobId": "run1"})
    assert attacker("POST", REPORT, {"state": "error", "jobId": "run1"}).status_code == 200  # one of its own
    assert shown(ask, "run1") == ("run1", "running")
    assert shown(attacker, "run1") == ("run1", "error")
    assert ask("POST", REPORT, {"state": "finished", "jobId": "run1"}).get_json()["state"] == "finished"


def test_a_name_is_not_taken_by_who_reports_it_first(ask: Ask, attacker: Ask) -> None:
    attacker("POST", REPORT, {"state": "finished", "jobId": "run1"})
    assert ask("POST", REPORT, {"state": "running", "jobId": "run1"}).status_code == 200


def test_several_reported_runs_of_one_name_are_distinguished(
    ask: Ask, attacker: Ask, other: Callable[..., Ask]
) -> None:
    reader = other("reader", "job:read")
    ask("POST", REPORT, {"state": "running", "jobId": "run1"})
    assert shown(reader, "run1") == ("run1", "running")
    attacker("POST", REPORT, {"state": "finished", "jobId": "run1"})
    ids = [job["id"] for job in ask("GET", "/job?tag=fusion.reported:run1").get_json()["items"]]
    error = fusion_error(reader("GET", f"{AT}/run1"), 409, *ids)
    assert {job["submitted_by"] for job in error["details"]["jobs"]} == {"attacker", "demo-user"}
    assert {shown(reader, job_id)[1] for job_id in ids} == {"running", "finished"}


def test_a_job_can_be_reported_neither_by_its_id_nor_by_its_runs_id(ask: Ask, attacker: Ask, run_id: str) -> None:
    (job,) = ask("GET", "/job").get_json()["items"]
    for name in (run_id, job["id"]):
        fusion_error(attacker("POST", REPORT, {"state": "finished", "jobId": name}), 409, name)
    assert shown(ask, "c1") == (run_id, "running")


def test_the_records_say_to_which_list_they_belong(ask: Ask, world: World, services: Services, run_id: str) -> None:
    job_id = ask("POST", "/job", {"operation": {"type": "node.hostname.get"}}).get_json()["job_id"]
    for group in ("fusion.run", "fusion.started", "fusion.config:c1"):
        world.client.zadd(world.ledger.keys.index("group", group, "submitted"), {job_id: 9_000_000_000_000})
    assert shown(ask, "c1") == (run_id, "running")
    assert [run["jobId"] for run in ask("GET", AT).get_json()] == [run_id]
