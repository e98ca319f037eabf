"""/jobs/{resource}/schedule: the Jobs API's triggers, fired by schedules."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from api.scheduling import submission_of
from jobqueue.model.schedule import Outcome
from jobqueue.model.states import ExecutionState
from jobqueue.model.timestamps import to_iso
from jobqueue.services import Services
from jobqueue.services.schedule_owner import OwnerReader
from jobqueue.services.scheduler import Scheduler
from tests.ledger.world import World

from .conftest import Agent, Ask, fusion_error

STORED: dict[str, Any] = {"id": "nightly", "type": "node.hostname.get"}
AT = "/api/jobs/spark:nightly/schedule"
#: The example of Fusion's documentation.
EVERY_TEN_MINUTES = {"type": "cron", "enabled": True, "value": "0 */10 * * * *"}
DAILY = {"type": "interval", "interval": 1, "repeatUnit": "day"}


@pytest.fixture(autouse=True)
def _stored(ask: Ask) -> None:
    assert ask("POST", "/api/spark/configurations", STORED).status_code == 200


@pytest.fixture
def scheduler(services: Services) -> Scheduler:
    owners = OwnerReader(services.ledger.credentials)
    make = partial(submission_of, services=services)
    return Scheduler(
        services.ledger, services.submitter, services.canceller.cancel, owners, make, services.workflow_engine
    )


def put(ask: Ask, *triggers: Any, at: str = AT, **more: Any) -> Any:
    return ask("PUT", at, {"triggers": list(triggers), **more})


def fire(world: World, scheduler: Scheduler, seconds: float) -> None:
    """Let the time pass, and the scheduler attend what is due; the agent stays live."""
    world.clock.advance(seconds)
    world.register("web1", operations=("node.hostname.get",))
    for _ in range(5):
        scheduler.turn()


def test_it_starts_runs_of_the_configuration(ask: Ask, agent: Agent, world: World, scheduler: Scheduler) -> None:
    answer = put(ask, {"type": "interval", "interval": 10, "repeatUnit": "minute"})
    assert answer.status_code == 200, answer.text
    fire(world, scheduler, 601)
    (run,) = ask("GET", "/api/jobs/spark:nightly/history").get_json()
    assert run["status"] == "running"
    assert ask("GET", "/api/spark/jobs/nightly").get_json()["jobConfig"]["type"] == "node.hostname.get"
    agent.finish(agent.take(), {"n": 1})
    assert ask("GET", "/api/jobs/spark:nightly").get_json()["status"] == "success"
    (entry,) = [x for x in ask("GET", "/audit").get_json()["entries"] if x["path"] == "/schedule/fusion.nightly"]
    assert entry["who"] == "demo-user"


def test_no_run_starts_while_one_is_active(ask: Ask, world: World, services: Services, scheduler: Scheduler) -> None:
    assert ask("POST", "/api/jobs/spark:nightly/actions", {"action": "start"}).status_code == 200
    put(ask, {"type": "interval", "interval": 10, "repeatUnit": "minute"})
    fire(world, scheduler, 601)
    (result,) = services.schedules.get("fusion.nightly").results
    assert result.outcome is Outcome.REFUSED
    assert len(ask("GET", "/api/jobs/spark:nightly/history").get_json()) == 1


def test_a_run_starts_at_the_end_of_another_one(ask: Ask, agent: Agent, world: World, scheduler: Scheduler) -> None:
    assert ask("POST", "/api/spark/configurations", {**STORED, "id": "first"}).status_code == 200
    trigger = {"type": "job", "jobID": "spark:first", "runOnSuccess": True, "runOnFailure": False}
    shown = put(ask, trigger).get_json()["triggers"]
    assert shown == [{**trigger, "enabled": True, "runOnAbort": False}]
    assert put(ask, *shown).status_code == 200
    for is_good in (False, True):
        assert ask("POST", "/api/jobs/spark:first/actions", {"action": "start"}).status_code == 200
        taken = agent.take()
        agent.finish(taken, {"n": 1}, state=ExecutionState.COMPLETED if is_good else ExecutionState.FAILED)
        fire(world, scheduler, 1)
        assert len(ask("GET", "/api/jobs/spark:nightly/history").get_json()) == int(is_good)


def test_a_deleted_configuration_is_not_run(ask: Ask, world: World, services: Services, scheduler: Scheduler) -> None:
    put(ask, {"type": "interval", "interval": 10, "repeatUnit": "minute"})
    assert ask("DELETE", "/api/spark/configurations/nightly").status_code == 204
    fire(world, scheduler, 601)
    (result,) = services.schedules.get("fusion.nightly").results
    assert (result.outcome, "No configuration has the id 'nightly'" in result.reason) == (Outcome.REFUSED, True)


@pytest.mark.parametrize(
    ("trigger", "shown"),
    [
        (EVERY_TEN_MINUTES, EVERY_TEN_MINUTES),
        ({"type": "cron", "value": "0 0/15 * * * ?"}, {"type": "cron", "enabled": True, "value": "0 0-59/15 * * * *"}),
        ({"type": "cron", "value": "0 30 4 ? * MON-FRI *"}, {"type": "cron", "value": "0 30 4 * * MON-FRI"}),
        ({"type": "cron", "expression": "0 0 12 L * ?"}, {"type": "cron", "value": "0 0 12 L * *"}),
        ({"type": "interval", "interval": 90, "timeUnit": "minute"}, {"interval": 90, "timeUnit": "minute"}),
        ({"type": "interval", "interval": 24, "repeatUnit": "hour"}, {"interval": 1, "repeatUnit": "day"}),
        (
            {"type": "interval", "interval": 1, "timeUnit": "month", "startTime": "2122-05-06T04:00:00.000Z"},
            {"interval": 1, "timeUnit": "month", "startTime": "2122-05-06T04:00:00.000Z"},
        ),
        (
            {"type": "interval", "interval": 1, "timeUnit": "day", "endTime": "2122-05-06T04:00:00.000Z"},
            {"interval": 1, "timeUnit": "day", "endTime": "2122-05-06T04:00:00.000Z"},
        ),
    ],
)
def test_what_is_stored_and_shown(ask: Ask, trigger: dict[str, Any], shown: dict[str, Any]) -> None:
    answer = put(ask, trigger, enabled=True, default=False, resource="spark:nightly")
    assert answer.status_code == 200, answer.text
    body = ask("GET", AT).get_json()
    assert body == answer.get_json()
    assert (body["resource"], body["enabled"], len(body["triggers"])) == ("spark:nightly", True, 1)
    assert body["triggers"][0] == body["triggers"][0] | {"type": trigger["type"], "enabled": True} | shown
    assert put(ask, *body["triggers"]).get_json() == body, "what is shown cannot be stored"


def test_a_month_keeps_its_day_and_time(ask: Ask, services: Services) -> None:
    begin = "2122-05-31T04:00:00.000Z"
    put(ask, {"type": "interval", "interval": 1, "timeUnit": "month", "startTime": begin})
    times = services.schedules.preview(services.schedules.get("fusion.nightly").schedule, 3)
    assert list(map(to_iso, times)) == [begin, "2122-07-31T04:00:00.000Z", "2122-08-31T04:00:00.000Z"]


def test_disabled_and_enabled_again(ask: Ask, world: World, services: Services, scheduler: Scheduler) -> None:
    for off in (
        {"enabled": False, "triggers": [EVERY_TEN_MINUTES]},
        {"triggers": [{**EVERY_TEN_MINUTES, "enabled": False}]},
    ):
        body = ask("PUT", AT, off).get_json()
        assert (body["enabled"], body["triggers"][0]["enabled"]) == (False, False)
        fire(world, scheduler, 700)
        assert ask("GET", "/api/jobs/spark:nightly/history").get_json() == []
    assert put(ask, EVERY_TEN_MINUTES).get_json()["enabled"] is True
    assert services.schedules.get("fusion.nightly").schedule.pause is None


@pytest.mark.parametrize("how", ["empty", "delete"])
def test_removed(ask: Ask, how: str) -> None:
    put(ask, EVERY_TEN_MINUTES)
    for _ in range(2):
        answer = put(ask) if how == "empty" else ask("DELETE", AT)
        assert answer.status_code == (200 if how == "empty" else 204), answer.text
    assert ask("GET", AT).get_json()["triggers"] == []
    assert ask("GET", "/schedule").get_json()["total"] == 0


def test_schedules_run_configurations_natively_too(ask: Ask) -> None:
    body = {"name": "mine", "cron": "@daily", "job": {"configuration": "nightly"}}
    assert ask("POST", "/schedule", body).status_code == 201
    triggered = ask("POST", "/schedule/mine/trigger")
    assert triggered.status_code == 201, triggered.text
    assert ask("GET", f"/job/{triggered.get_json()['job_id']}").get_json()["tags"]["schedule"] == "mine"
    assert len(ask("GET", "/api/jobs/spark:nightly/history").get_json()) == 1
    for job, field in (({"configuration": "no"}, "job.configuration"), ({"configuration": 1}, "job.configuration"),
                       ({"configuration": "nightly", "target": "x"}, "job.target")):  # fmt: skip
        answer = ask("POST", "/schedule", {**body, "name": "other", "job": job})
        assert (answer.status_code, list(answer.get_json()["details"])) == (400, [field])


def test_a_schedule_that_was_changed_to_something_else_is_named(ask: Ask) -> None:
    put(ask, EVERY_TEN_MINUTES)
    assert (
        ask("PUT", "/schedule/fusion.nightly", {"cron": "@daily", "job": {"configuration": "nightly"}}).status_code
        == 200
    )
    shown = {"type": "schedule", "enabled": True, "value": "fusion.nightly"}
    assert ask("GET", AT).get_json()["triggers"] == [shown]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "triggers"),
        ({"triggers": {}}, "Must be a list"),
        ({"triggers": [EVERY_TEN_MINUTES] * 2}, "At most one"),
        ({"triggers": ["cron"]}, "Must be an object"),
        ({"triggers": [EVERY_TEN_MINUTES], "enabled": "yes"}, "true or false"),
        ({"triggers": [EVERY_TEN_MINUTES], "resource": "spark:other"}, "Differs"),
        ({"triggers": [EVERY_TEN_MINUTES], "owner": "x"}, "Unknown field"),
        ({"triggers": [{}]}, "Missing; the types are cron, interval"),
        ({"triggers": [{"type": ["cron"]}]}, "Unknown type"),
        ({"triggers": [{"type": "job", "jobID": "spark:b", "runOnSuccess": True}]}, "There is no 'b'"),
        ({"triggers": [{"type": "job", "jobID": "spark:nightly", "runOnSuccess": True}]}, "would start itself"),
        ({"triggers": [{"type": "job", "jobID": "spark:b"}]}, "At least one of runOnSuccess"),
        ({"triggers": [{"type": "job", "jobID": "spark:b", "runOnFailure": "yes"}]}, "true or false"),
        ({"triggers": [{"type": "job", "jobID": "task:b", "runOnAbort": True}]}, "spark:ID"),
        ({"triggers": [{"type": "job", "runOnAbort": True}]}, "spark:ID"),
        ({"triggers": [{"type": "job", "jobID": "spark:b", "runOnSuccess": True, "value": "x"}]}, "Unknown field"),
        ({"triggers": [{"type": "job_completion", "otherJob": "spark:b"}]}, "not supported"),
        ({"triggers": [{"type": "cron"}]}, "Must be a cron string"),
        ({"triggers": [{"type": "cron", "value": "*/10 * * * *"}]}, "has 5 fields"),
        ({"triggers": [{"type": "cron", "value": "*/10 * * * * *"}]}, "full minutes"),
        ({"triggers": [{"type": "cron", "value": "0 0 12 * * ? 2030"}]}, "the year '2030'"),
        ({"triggers": [{"type": "cron", "value": "0 0 12 1 * MON"}]}, "give one of them"),
        ({"triggers": [{"type": "cron", "value": "0 0 12 ? * 2-6"}]}, "count from 0 and some from 1"),
        ({"triggers": [{"type": "cron", "value": "0 61 12 * * ?"}]}, "minute"),
        ({"triggers": [{"type": "cron", "value": "0 0 0 31 2 ?"}]}, "day"),
        ({"triggers": [{"type": "cron", "value": "0 0 0 * * *", "interval": 1}]}, "Unknown field"),
        ({"triggers": [{"type": "interval"}]}, "whole number from 1"),
        ({"triggers": [{"type": "interval", "interval": 0, "repeatUnit": "day"}]}, "whole number from 1"),
        ({"triggers": [{"type": "interval", "interval": True, "repeatUnit": "day"}]}, "whole number from 1"),
        ({"triggers": [{"type": "interval", "interval": 1, "repeatUnit": "year"}]}, "month"),
        ({"triggers": [{"type": "interval", "interval": 99999, "repeatUnit": "day"}]}, "3660 days"),
        ({"triggers": [{"type": "interval", "interval": 1, "repeatUnit": "day", "startTime": "soon"}]}, "ISO 8601"),
        (
            {"triggers": [{**DAILY, "startTime": "2122-01-02T00:00:00Z", "endTime": "2122-01-01T00:00:00Z"}]},
            "swap them",
        ),
        ({"triggers": [{"type": "interval", "interval": 1, "repeatUnit": "day", "endTime": "2020-01-01"}]}, "past"),
    ],
)  # fmt: skip
def test_bad_input(ask: Ask, body: dict[str, Any], says: str) -> None:
    fusion_error(ask("PUT", AT, body), 400, says)
    assert ask("GET", "/schedule").get_json()["total"] == 0


def test_an_id_that_is_too_long_for_a_schedule(ask: Ask) -> None:
    config_id = "x" * 60
    assert ask("POST", "/api/spark/configurations", {**STORED, "id": config_id}).status_code == 200
    at = f"/api/jobs/spark:{config_id}/schedule"
    fusion_error(put(ask, EVERY_TEN_MINUTES, at=at), 400, "64 characters")
    assert ask("GET", at).get_json()["triggers"] == []


def test_an_unknown_configuration(ask: Ask) -> None:
    for method in ("GET", "PUT", "DELETE"):
        fusion_error(
            ask(method, "/api/jobs/spark:nothing/schedule", {"triggers": []} if method == "PUT" else None), 404
        )
