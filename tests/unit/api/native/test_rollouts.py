"""Rollouts in the native API."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.model.job import Execution
from jobqueue.model.rollout import Rollout
from jobqueue.model.rollout_progress import COUNTED, OpeningRecord
from jobqueue.model.states import ExecutionState, JobStatus
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import FakeServices, a_job
from tests.unit.api.shapes import error, good

ID = "123e4567-e89b-42d3-a456-426614174000"
S = ExecutionState
OPENED = 1_718_359_200_000_000


def a_rollout(**changes: Any) -> Any:
    """Of five hosts: the canary has completed, and of the next two one runs."""
    none = (0,) * len(COUNTED)
    record: dict[str, Any] = {
        "hosts": 5,
        "canary": 1,
        "batch": 2,
        "max_failures": 1,
        "opened": 3,
        "gate": 3,
        "opens": 0,
        "ends": ((OPENED, OPENED + 1_000_000, (1, *none[1:])), (OPENED + 2_000_000, 0, ())),
        "counts": {S.COMPLETED: 2, S.STARTED: 1, S.SUBMITTED: 2},
        "now_running": True,
    }
    states = (S.COMPLETED, S.COMPLETED, S.STARTED, S.SUBMITTED, S.SUBMITTED)
    executions = tuple(
        Execution(host, host, state, held_by="rollout" if state is S.SUBMITTED else "")
        for host, state in zip("abcde", states, strict=True)
    )
    return a_job(
        id=ID,
        status=JobStatus.PROCESSING,
        target="_all",
        is_broadcast=True,
        executions=executions,
        expected_agents=tuple("abcde"),
        rollout=Rollout(canary=1, batch=2),
        rollout_progress=OpeningRecord(**record | changes).progress(),
    )


def test_terms_are_submitted(post: Ask, services: FakeServices) -> None:
    terms = {"canary": 1, "batch": "10%", "max_failures": "5%", "pause_seconds": 30, "spread": "zone"}
    assert post(good(target="_all", rollout=terms)).status_code == 201
    assert services.submitted[-1].rollout == Rollout(1, "10%", "zone", "5%", 30)


@pytest.mark.parametrize(
    ("terms", "word"),
    [
        ({"batch": 0}, "from 1"),
        ({"batch": "101%"}, "100%"),
        ({"batch": 1, "verify": {}}, "operation"),
        ({"batch": 1, "colour": "red"}, "Unknown field"),
        ({}, "Missing"),
        ([], "JSON object"),
        (None, "null"),
    ],
)
def test_bad_terms_are_refused(post: Ask, terms: Any, word: str) -> None:
    error(post(good(target="_all", rollout=terms)), 400, "rollout", word)


def test_a_job_shows_its_batches(ask: Ask, services: FakeServices) -> None:
    services.store[ID] = a_rollout()
    body = ask("GET", f"/job/{ID}").get_json()
    assert body["rollout"] == {
        "terms": {"canary": 1, "batch": 2},
        "state": "running",
        "batches": [
            {
                "number": 1,
                "state": "ended",
                "hosts": 1,
                "first_hosts": ["a"],
                "counts": {"completed": 1},
                "opened": "2024-06-14T10:00:00.000Z",
                "ended": "2024-06-14T10:00:01.000Z",
            },
            {
                "number": 2,
                "state": "running",
                "hosts": 2,
                "first_hosts": ["b", "c"],
                "counts": {"completed": 1, "started": 1},
                "opened": "2024-06-14T10:00:02.000Z",
                "ended": None,
            },
            {
                "number": 3,
                "state": "held",
                "hosts": 2,
                "first_hosts": ["d", "e"],
                "counts": {"submitted": 2},
                "opened": None,
                "ended": None,
            },
        ],
        "stopped_because": None,
        "paused": False,
        "next_opens": None,
    }
    assert [state.get("held_by") for state in body["agent_states"].values()] == [None, None, None, "rollout", "rollout"]


def test_a_stopped_rollout_says_why(ask: Ask, services: FakeServices) -> None:
    services.store[ID] = a_rollout(
        rest=S.CANCELLED,
        stopped=OPENED,
        stopped_because="1 of 5 hosts failed; the limit is 1",
        counts={S.COMPLETED: 1, S.FAILED: 1, S.STARTED: 1, S.CANCELLED: 2},
    )
    found = ask("GET", f"/job/{ID}").get_json()["rollout"]
    assert (found["state"], found["stopped_because"]) == ("stopped", "1 of 5 hosts failed; the limit is 1")
    assert [batch["counts"] for batch in found["batches"]] == [
        {"completed": 1},
        {"failed": 1, "started": 1},
        {"cancelled": 2},
    ]


def test_other_jobs_have_none(ask: Ask, services: FakeServices) -> None:
    services.store[ID] = a_job(id=ID)
    assert ask("GET", f"/job/{ID}").get_json()["rollout"] is None


@pytest.mark.parametrize("verb", ["pause", "resume", "approve", "abort"])
def test_a_rollout_is_steered(ask: Ask, services: FakeServices, verb: str) -> None:
    services.store[ID] = a_rollout()
    assert ask("POST", f"/job/{ID}/{verb}").get_json()["id"] == ID
    assert services.steered == [(ID, verb, "by admin")]
    services.store[ID] = a_job(id=ID)
    error(ask("POST", f"/job/{ID}/{verb}"), 409, "no rollout")
    error(ask("POST", f"/job/00000000-0000-4000-8000-000000000000/{verb}"), 404)
