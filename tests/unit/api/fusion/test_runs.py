"""/api/spark/jobs: starting, looking at and cancelling runs."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.output import Piece
from jobqueue.model.filter import JobFilter, JobPage
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.services import Services
from jobqueue.signal_safe_event import SignalSafeEvent
from tests.ledger.world import World

from .conftest import HOST, Agent, Ask, fusion_error

AT = "/api/spark/jobs"
CONFIGURATION: dict[str, Any] = {"type": "script", "language": "shell", "id": "job1", "script": "echo hi", "odd": [1]}


@pytest.fixture
def stored(ask: Ask) -> dict[str, Any]:
    document: dict[str, Any] = ask("POST", "/api/spark/configurations", CONFIGURATION).get_json()
    return document


@pytest.fixture
def run_id(ask: Ask, stored: dict[str, Any]) -> str:
    """A run that was just started."""
    found: str = ask("POST", f"{AT}/job1").get_json()["jobId"]
    return found


def state(ask: Ask, name: str) -> str:
    found: str = ask("GET", f"{AT}/{name}").get_json()["state"]
    return found


def test_start(ask: Ask, stored: dict[str, Any]) -> None:
    response = ask("POST", f"{AT}/job1")
    assert response.status_code == 200
    body = response.get_json()
    run_id = body["jobId"]
    assert re.fullmatch("[a-z0-9]{10,}", run_id)
    assert body == {
        "state": "starting",
        "jobId": run_id,
        "jobConfig": stored,
        "hostname": "",
        "result": {"jobConfigId": "job1", "jobRunId": run_id},
    }
    assert ask("GET", f"{AT}/{run_id}").get_json() == body
    assert ask("GET", AT).get_json() == [body]


def test_the_whole_way(ask: Ask, run_id: str, agent: Agent, world: World) -> None:
    claim = agent.take()
    running = ask("GET", f"{AT}/{run_id}").get_json()
    assert (running["state"], running["hostname"]) == ("running", HOST)
    assert not {"startTime", "endTime", "duration"} & set(running)
    world.executions.report_progress(claim, '{"info": {"phase": "finishing"}}')
    assert state(ask, run_id) == "finishing"
    agent.finish(claim, {"exit_code": 0, "jobRunId": "forged"})
    ended = ask("GET", f"{AT}/{run_id}").get_json()
    assert ended["state"] == "finished"
    assert ended["result"] == {"jobConfigId": "job1", "jobRunId": run_id, "exit_code": 0}
    assert ended["duration"] == 1500
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", ended["startTime"])
    assert ended["startTime"] < ended["endTime"]
    assert ended["jobConfig"]["odd"] == [1]


@pytest.mark.parametrize(
    ("end", "shown", "said"),
    [
        (ExecutionState.FAILED, "error", {"error": "why"}),
        (ExecutionState.SKIPPED, "skipped", {"message": "why"}),
        (ExecutionState.CANCELLED, "cancelled", {"message": "why"}),
    ],
)
def test_other_ends(ask: Ask, run_id: str, agent: Agent, end: ExecutionState, shown: str, said: dict[str, str]) -> None:
    agent.finish(agent.take(), state=end, note="why")
    ended = ask("GET", f"{AT}/{run_id}").get_json()
    assert ended["state"] == shown
    assert ended["result"] == {"jobConfigId": "job1", "jobRunId": run_id, **said}


def test_it_is_an_ordinary_job(ask: Ask, run_id: str, stored: dict[str, Any]) -> None:
    for tag in ("fusion:run", "fusion.id:job1", "fusion.type:script"):
        (job,) = ask("GET", f"/job?tag={tag}").get_json()["items"]
        assert (job["alias"], job["origin"], job["submitted_by"]) == (run_id, "fusion", "demo-user")
        assert job["operation"] == {
            "type": "script.shell.execute",
            "data": {"script": "echo hi", "args": [], "env": {}, "verbose": False},
        }


def test_one_at_a_time(ask: Ask, run_id: str, agent: Agent) -> None:
    error = fusion_error(ask("POST", f"{AT}/job1"), 409, run_id)
    assert error["details"] == {"jobConfigId": "job1", "jobRunId": run_id}
    inline = ask("POST", AT, {**CONFIGURATION, "id": "job2"}).get_json()["jobId"]
    fusion_error(ask("POST", AT, {**CONFIGURATION, "id": "job2"}), 409, inline)
    agent.finish(agent.take())
    assert ask("POST", f"{AT}/job1").status_code == 200


def test_a_run_again_goes_by_its_job(ask: Ask, run_id: str, agent: Agent) -> None:
    agent.finish(agent.take(), state=ExecutionState.FAILED, note="why")
    (job,) = ask("GET", "/job").get_json()["items"]
    again = ask("POST", f"/job/{job['id']}/retry").get_json()["job_id"]
    assert (state(ask, again), state(ask, "job1"), state(ask, run_id)) == ("starting", "starting", "error")
    assert ask("GET", f"{AT}/{again}").get_json()["jobConfig"]["id"] == "job1"
    fusion_error(ask("POST", f"{AT}/job1"), 409, again)
    agent.finish(agent.take())
    assert state(ask, "job1") == "finished"


def test_by_the_name_of_the_configuration(ask: Ask, stored: dict[str, Any], agent: Agent) -> None:
    idle = {"state": "idle", "jobId": "", "jobConfig": stored, "hostname": "", "result": {"jobConfigId": "job1"}}
    assert ask("GET", f"{AT}/job1").get_json() == idle
    first = ask("POST", f"{AT}/job1").get_json()["jobId"]
    assert ask("GET", f"{AT}/job1").get_json()["jobId"] == first
    agent.finish(agent.take())
    second = ask("POST", f"{AT}/job1").get_json()["jobId"]
    assert ask("GET", f"{AT}/job1").get_json()["jobId"] == second
    assert ask("DELETE", f"{AT}/job1").get_json()["jobId"] == second
    fusion_error(ask("DELETE", f"{AT}/job1"), 409, "job1")


def test_cancel(ask: Ask, run_id: str, agent: Agent) -> None:
    claim = agent.take()
    answer = ask("DELETE", f"{AT}/{run_id}")
    assert (answer.status_code, answer.get_json()["state"]) == (200, "cancelling")
    assert ask("DELETE", f"{AT}/{run_id}").get_json()["state"] == "cancelling"
    agent.finish(claim, state=ExecutionState.CANCELLED, note="on request")
    assert state(ask, run_id) == "cancelled"
    fusion_error(ask("DELETE", f"{AT}/{run_id}"), 409, "cancelled")


def test_cancel_before_it_runs(ask: Ask, run_id: str) -> None:
    assert ask("DELETE", f"{AT}/{run_id}").get_json()["state"] == "cancelled"


def test_cancel_of_one_that_is_taken_up_just_then(
    ask: Ask, run_id: str, agent: Agent, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = world.ledger.jobs.page

    def taken_up(wanted: JobFilter) -> JobPage:
        if wanted.status is JobStatus.SUBMITTED:
            agent.take()
        return page(wanted)

    monkeypatch.setattr(world.ledger.jobs, "page", taken_up)
    answer = ask("DELETE", f"{AT}/job1").get_json()
    assert (answer["jobId"], answer["state"]) == (run_id, "cancelling")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_is_not_there(ask: Ask, method: str) -> None:
    fusion_error(ask(method, f"{AT}/nothing"), 404, "nothing")
    fusion_error(ask(method, f"{AT}/a%20b"), 400, "jobId")
    fusion_error(ask("POST", f"{AT}/nothing"), 404, "nothing")
    fusion_error(ask("GET", "/api/spark/driver/log/nothing"), 404, "nothing")


def test_jobs_of_other_apis_are_no_runs(ask: Ask) -> None:
    body = {"operation": {"type": "node.hostname.get"}, "tags": {"fusion": "run", "fusion.id": "c"}}
    job_id = ask("POST", "/job", body).get_json()["job_id"]
    fusion_error(ask("GET", f"{AT}/{job_id}"), 404)
    assert ask("GET", AT).get_json() == []
    fusion_error(ask("GET", f"{AT}/c"), 404)


# --- inline -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [AT, "/job-launcher/launcher", "/api/job-launcher/launcher"])
def test_inline(ask: Ask, agent: Agent, at: str) -> None:
    given = {"id": "x", "type": "node.hostname.get", "sparkConfig": [{"key": "a", "value": "b"}]}
    body = ask("POST", at, given).get_json()
    assert (body["state"], body["jobConfig"]) == ("starting", given)
    assert agent.document(agent.take())["data"] == {}
    assert ask("GET", "/api/spark/configurations").get_json() == []


@pytest.mark.parametrize(
    ("fields", "operation", "data"),
    [
        ({"type": "command.exec.execute", "argv": ["true"]}, "command.exec.execute", {"argv": ["true"]}),
        ({"type": "command.exec.execute", "data": {"argv": ["true"]}}, "command.exec.execute", {"argv": ["true"]}),
        (
            {
                "type": "custom_python_job",
                "script": "print(1)",
                "pythonFiles": ["/a.py", "/b.zip"],
                "submitArgs": [{"key": "--n", "value": "1"}, {"key": "--flag"}],
                "envOptions": [{"key": "A", "value": "b c"}],
                "verboseReporting": True,
            },
            "script.python.execute",
            {
                "script": "print(1)",
                "python_files": ["/a.py", "/b.zip"],
                "args": ["--n", "1", "--flag"],
                "env": {"A": "b c"},
                "verbose": True,
            },
        ),
        (
            {"type": "script", "script": "x", "language": "Bash", "submitArgs": "a 'b c'", "envOptions": {"A": "b"}},
            "script.shell.execute",
            {"script": "x", "args": ["a", "b c"], "env": {"A": "b"}, "verbose": False},
        ),
        (
            {
                "type": "script",
                "script": "#!/usr/bin/env python3\n1",
                "pythonFiles": "/a.py, /b.py",
                "submitArgs": ["x"],
            },
            "script.python.execute",
            {
                "python_files": ["/a.py", "/b.py"],
                "script": "#!/usr/bin/env python3\n1",
                "args": ["x"],
                "env": {},
                "verbose": False,
            },
        ),
        (
            {"type": "script", "script": "\ufeff#!/bin/bash\r\ntrue\r\n"},
            "script.shell.execute",
            {"script": "\ufeff#!/bin/bash\r\ntrue\r\n", "args": [], "env": {}, "verbose": False},
        ),
        (
            {"type": "script", "script": "/opt/it.py"},
            "script.python.execute",
            {"script": "/opt/it.py", "python_files": [], "args": [], "env": {}, "verbose": False},
        ),
    ],
)
def test_what_a_type_runs(ask: Ask, agent: Agent, fields: dict[str, Any], operation: str, data: dict[str, Any]) -> None:
    assert ask("POST", AT, {"id": "x", **fields}).status_code == 200
    document = agent.document(agent.take())
    assert (document["operation"], document["data"]) == (operation, data)


def test_on_one_agent(ask: Ask, world: World, services: Services) -> None:
    body = {**CONFIGURATION, "targetHostname": HOST}
    assert ask("POST", AT, body).status_code == 200
    assert len(world.queued(HOST)) == 1
    for target, status in (("_all", 400), ("group:web", 400), ("nobody", 400), (5, 400), ("a b", 400)):
        fusion_error(ask("POST", AT, {**CONFIGURATION, "id": "y", "targetHostname": target}), status)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"type": "custom_python_job"}, "script"),
        ({"type": "script", "script": 5, "language": "sh"}, "script"),
        ({"type": "script", "script": "x", "language": "cobol"}, "language"),
        ({"type": "script", "script": "println(1)"}, "Scala"),
        ({"type": "script", "script": "val x = 1\n// python\n"}, "Scala"),
        ({"type": "script", "script": "/opt/job.scala"}, "Scala"),
        ({"type": "script", "script": "x", "language": "scala"}, "language"),
        ({"type": "script", "script": "x", "language": "sh", "submitArgs": "'"}, "submitArgs"),
        ({"type": "script", "script": "x", "language": "sh", "submitArgs": [{"key": 1}]}, "submitArgs"),
        ({"type": "script", "script": "x", "language": "sh", "envOptions": [{"value": "x"}]}, "envOptions"),
        ({"type": "custom_python_job", "script": "x", "pythonFiles": [1]}, "pythonFiles"),
        ({"type": "command.exec.execute", "argv": []}, "argv"),
        ({"type": "command.exec.execute", "data": 1}, "data"),
    ],
)
def test_fields_that_do_not_fit(ask: Ask, fields: dict[str, Any], says: str) -> None:
    fusion_error(ask("POST", AT, {"id": "x", **fields}), 400, says)
    assert ask("GET", AT).get_json() == []


@pytest.mark.parametrize("sync", ["", "?sync=true"])
def test_an_unknown_type_is_an_error_that_names_it(ask: Ask, sync: str) -> None:
    response = ask("POST", AT + sync, {"id": "x", "type": "argo-thing", "odd": [1]})
    assert response.status_code == 200
    body = response.get_json()
    assert (body["state"], body["jobConfig"], body["hostname"]) == (
        "error",
        {"id": "x", "type": "argo-thing", "odd": [1]},
        "",
    )
    assert "'argo-thing'" in body["result"]["error"]
    assert body["duration"] == 0
    assert ask("GET", f"{AT}/{body['jobId']}").get_json() == body
    (job,) = ask("GET", "/job?tag=fusion.type:argo-thing").get_json()["items"]
    assert job["status"] == "failed"
    assert "'argo-thing'" in job["error"]
    assert [event["event"] for event in job["timeline"]] == ["submitted", "failed"]


def test_no_agent(ask: Ask, world: World) -> None:
    world.leave(HOST)
    fusion_error(ask("POST", AT, CONFIGURATION), 409, "live")


# --- sync -------------------------------------------------------------------------------------------------------------


def test_sync_waits_for_the_end(ask: Ask, stored: dict[str, Any], agent: Agent, world: World) -> None:
    def work() -> None:
        while not world.messages("_any"):
            threading.Event().wait(0.01)
        agent.finish(agent.take(), {"n": 1})

    worker = threading.Thread(target=work)
    worker.start()
    response = ask("POST", f"{AT}/job1?sync=true")
    worker.join()
    assert (response.status_code, response.get_json()["state"]) == (200, "finished")
    assert response.get_json()["result"]["n"] == 1


def test_sync_bears_a_short_outage(
    ask: Ask, stored: dict[str, Any], services: Services, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs, looks = services.ledger.jobs, 0

    def flaky(job_id: str) -> Any:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise LedgerUnavailable
        if looks == 3:
            agent.finish(agent.take())
        return get(job_id)

    get = jobs.get
    monkeypatch.setattr(jobs, "get", flaky)
    assert ask("POST", f"{AT}/job1?sync=true").get_json()["state"] == "finished"
    assert looks == 3
    monkeypatch.setattr(jobs, "get", lambda _: (_ for _ in ()).throw(LedgerUnavailable))
    monkeypatch.setattr("api.fusion.runs._LONGEST_OUTAGE", 0.0)
    fusion_error(ask("POST", f"{AT}/job1?sync=true"), 503)


def test_sync_when_the_server_stops(ask: Ask, stored: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    raised = SignalSafeEvent()
    raised.set()
    monkeypatch.setattr("api.fusion.starting.closing", raised)
    body = fusion_error(ask("POST", f"{AT}/job1?sync=true"), 503, "continues")
    assert state(ask, body["details"]["jobRunId"]) == "starting"


@pytest.mark.parametrize("query", ["sync=1", "sync=", "sync=true&sync=true"])
def test_bad_sync_starts_nothing(ask: Ask, stored: dict[str, Any], query: str) -> None:
    fusion_error(ask("POST", f"{AT}/job1?{query}"), 400, "sync")
    fusion_error(ask("POST", f"{AT}?{query}", CONFIGURATION), 400, "sync")
    fusion_error(ask("POST", f"/job-launcher/launcher?{query}", CONFIGURATION), 400, "sync")
    assert ask("GET", AT).get_json() == []


# --- the log ----------------------------------------------------------------------------------------------------------


def test_the_log(ask: Ask, run_id: str, agent: Agent, world: World) -> None:
    at = f"/api/spark/driver/log/{run_id}"
    assert (ask("GET", at).status_code, ask("GET", at).data) == (200, b"")
    claim = agent.take()
    for number in range(1, 600):
        world.ledger.output.append(claim, number, [Piece("stdout", f"é{number}\n".encode()), Piece("stderr", b"\xff")])
    agent.finish(claim)
    response = ask("GET", at)
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.data == b"".join(f"é{number}\n".encode() + b"\xff" for number in range(1, 600))


# --- aggregations -----------------------------------------------------------------------------------------------------


def test_an_aggregation_goes_on_where_the_last_one_ended(ask: Ask, agent: Agent, world: World) -> None:
    config = {
        "id": "aggr", "type": "aggregation", "inputCollection": "signals", "outputCollection": "signals_aggr",
        "sql": "SELECT 1 AS id",
    }  # fmt: skip
    ask("POST", "/api/spark/configurations", config)

    def run(state: ExecutionState) -> dict[str, Any]:
        run_id = ask("POST", f"{AT}/aggr").get_json()["jobId"]
        claim = agent.take()
        document = agent.document(claim)
        assert document["operation"] == "aggregation.run"
        assert document["data"]["run_id"] == run_id
        assert document["data"]["sql"] == config["sql"]
        assert "referenceTime" not in ask("GET", f"{AT}/{run_id}").get_json()["jobConfig"]
        agent.finish(claim, {"aggregated": 3}, state)
        data: dict[str, Any] = document["data"]
        return data

    first = run(ExecutionState.COMPLETED)
    assert first["last_run"] is None
    failed = run(ExecutionState.FAILED)
    assert failed["last_run"] == first["referenceTime"] < failed["referenceTime"]
    second = run(ExecutionState.COMPLETED)
    assert second["last_run"] == first["referenceTime"]
    for job in ask("GET", "/job").get_json()["items"]:
        ask("DELETE", f"/job/{job['id']}")
    assert run(ExecutionState.COMPLETED)["last_run"] == second["referenceTime"]
    ask("PUT", "/api/spark/configurations/aggr", {**config, "referenceTime": "2030-01-01T00:00:00Z"})
    third = ask("POST", f"{AT}/aggr").get_json()
    assert third["jobConfig"]["referenceTime"] == "2030-01-01T00:00:00Z"
    agent.finish(agent.take())
    ask("PUT", "/api/spark/configurations/aggr", config)
    assert run(ExecutionState.COMPLETED)["last_run"] == "2030-01-01T00:00:00Z"


AGGREGATION = {
    "id": "aggr", "type": "aggregation", "inputCollection": "signals", "outputCollection": "signals_aggr",
    "sql": "SELECT 1 AS id",
}  # fmt: skip


def aggregate(ask: Ask, agent: Agent, start: str = f"{AT}/aggr", **fields: Any) -> dict[str, Any]:
    """Start a run and finish it; the data that the agent got."""
    ask("PUT", "/api/spark/configurations/aggr", {**AGGREGATION, **fields})
    assert ask("POST", start).status_code in (200, 201, 202)
    claim = agent.take()
    agent.finish(claim, {"aggregated": 3})
    data: dict[str, Any] = agent.document(claim)["data"]
    return data


def test_a_retry_of_an_aggregation_reads_what_is_new(ask: Ask, agent: Agent) -> None:
    ask("POST", "/api/spark/configurations", AGGREGATION)
    run_id = ask("POST", f"{AT}/aggr").get_json()["jobId"]
    claim = agent.take()
    failed = agent.document(claim)["data"]
    agent.finish(claim, state=ExecutionState.FAILED, note="why")
    (job,) = ask("GET", "/job").get_json()["items"]
    second = aggregate(ask, agent)
    again = aggregate(ask, agent, f"/job/{job['id']}/retry")
    assert failed["last_run"] is None
    assert again["last_run"] == second["referenceTime"] < again["referenceTime"]
    newest = ask("GET", "/job").get_json()["items"][0]
    assert (newest["retry_of"], again["run_id"]) == (job["id"], newest["id"])
    assert ask("GET", f"{AT}/aggr").get_json()["jobConfig"] == ask("GET", f"{AT}/{run_id}").get_json()["jobConfig"]
    assert again.keys() == failed.keys()
    once_more = aggregate(ask, agent, f"/job/{newest['id']}/retry")
    assert once_more["last_run"] == again["referenceTime"]
    assert len({data["run_id"] for data in (failed, second, again, once_more)}) == 4


def test_a_retry_keeps_a_reference_time_that_is_configured(ask: Ask, agent: Agent) -> None:
    ask("POST", "/api/spark/configurations", AGGREGATION)
    aggregate(ask, agent, referenceTime="2025-01-01")
    (job,) = ask("GET", "/job").get_json()["items"]
    again = aggregate(ask, agent, f"/job/{job['id']}/retry")
    assert (again["referenceTime"], again["last_run"]) == ("2025-01-01", "2025-01-01")


def test_the_last_run_never_moves_backwards(ask: Ask, agent: Agent) -> None:
    ask("POST", "/api/spark/configurations", AGGREGATION)
    furthest = "2031-01-01T00:30:00+01:00"  # half an hour before the year begins in UTC
    aggregate(ask, agent, referenceTime="2030-12-31T23:00:00Z")
    assert aggregate(ask, agent, referenceTime=furthest)["last_run"] == "2030-12-31T23:00:00Z"
    assert aggregate(ask, agent, referenceTime="2020-01-01")["last_run"] == furthest
    assert aggregate(ask, agent)["last_run"] == furthest
    for job in ask("GET", "/job").get_json()["items"]:
        if job["operation"]["data"]["referenceTime"] == furthest:
            ask("DELETE", f"/job/{job['id']}")
    assert aggregate(ask, agent)["last_run"] == furthest


def test_a_configuration_that_was_made_anew_begins_anew(ask: Ask, agent: Agent) -> None:
    ask("POST", "/api/spark/configurations", AGGREGATION)
    assert aggregate(ask, agent)["last_run"] is None
    assert aggregate(ask, agent)["last_run"] is not None
    assert ask("DELETE", "/api/spark/configurations/aggr").status_code == 204
    ask("POST", "/api/spark/configurations", AGGREGATION)
    assert aggregate(ask, agent)["last_run"] is None
    assert aggregate(ask, agent)["last_run"] is not None


# --- the ledger is away -----------------------------------------------------------------------------------------------


def test_the_ledger_is_away(ask: Ask, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_args: Any) -> None:
        raise LedgerUnavailable

    monkeypatch.setattr(services.ledger.scripts, "call", away)
    for method, path in (("GET", AT), ("POST", f"{AT}/x"), ("GET", "/job-launcher/launcher/status")):
        response = ask(method, path)
        if path == f"{AT}/x":
            fusion_error(response, 404)  # configurations are read without a script
        else:
            assert "Retry-After" in response.headers
            fusion_error(response, 503)
