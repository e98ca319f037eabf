"""How a job looks, for each way that it can be."""

from __future__ import annotations

import json
from dataclasses import replace

from api.native import mapping
from api.responses import dumps
from jobqueue.model.job import Execution
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.timeline import API_HOST, Event
from tests.unit.api.fakes import a_job, a_pending_job

CREATED = a_job().created


def test_a_completed_job() -> None:
    assert mapping.job(a_job(tags={"a": "b"}, retries=RetryPolicy(3), timeout_seconds=2.5, expires_at=CREATED)) == {
        "id": "123e4567-e89b-42d3-a456-426614174000",
        "status": "completed",
        "created": "2024-06-14T10:00:00.000Z",
        "updated_at": "2024-06-14T10:00:00.046Z",
        "operation": {"type": "node.hostname.get", "data": {}},
        "result": {"hostname": "web1"},
        "changed": False,
        "error": None,
        "hostname": "web1",
        "target_hostname": "_any",
        "tags": {"a": "b"},
        "attempts": 1,
        "expected_agents": [],
        "saved": None,
        "approval": None,
        "concurrency": None,
        "retry_of": None,
        "retried_as": [],
        "cancel_requested": False,
        "origin": "native",
        "submitted_by": "",
        "alias": None,
        "priority": 4,
        "title": None,
        "description": None,
        "timeout_seconds": 2.5,
        "not_before": None,
        "expires_at": "2024-06-14T10:00:00.000Z",
        "retries": {"max_attempts": 3, "backoff_seconds": 1.0, "backoff_max_seconds": 300.0, "jitter": 0.1},
        "execution_counts": {},
        "executions_left_out": 0,
        "executions_url": "/job/123e4567-e89b-42d3-a456-426614174000/executions",
        "rollout": None,
        "responses": {
            "web1": {
                "status": "completed",
                "data": {"hostname": "web1"},
                "changed": False,
                "error": None,
                "hostname": "web1",
            }
        },
        "agent_states": {"web1": {"status": "completed", "error": None, "duration": "45ms"}},
        "timeline": [
            {
                "timestamp": "2024-06-14T10:00:00.000Z",
                "event": "submitted",
                "hostname": "_api",
                "message": "Job submitted to queue",
                "error": None,
            },
            {
                "timestamp": "2024-06-14T10:00:00.000Z",
                "event": "acknowledged",
                "hostname": "web1",
                "message": "Job acknowledged by agent web1",
                "error": None,
            },
            {
                "timestamp": "2024-06-14T10:00:00.001Z",
                "event": "started",
                "hostname": "web1",
                "message": "Job processing started on web1",
                "error": None,
            },
            {
                "timestamp": "2024-06-14T10:00:00.046Z",
                "event": "completed",
                "hostname": "web1",
                "message": "Job completed successfully on web1",
                "error": None,
            },
        ],
    }


def test_a_pending_job() -> None:
    document = mapping.job(a_pending_job())
    assert (document["status"], document["result"], document["changed"]) == ("submitted", None, None)
    assert (document["error"], document["hostname"], document["attempts"]) == (None, "", 0)
    assert document["responses"] == {}
    assert document["agent_states"] == {"_any": {"status": "submitted", "error": None, "duration": None}}
    assert [event["event"] for event in document["timeline"]] == ["submitted"]


def test_a_broadcast() -> None:
    def share(host: str, state: ExecutionState, seconds: float, **more: object) -> Execution:
        begin = CREATED + 1_000
        return replace(
            Execution(host, host, state, attempt=1, started=begin, finished=begin + int(seconds * 1e6)),
            **more,  # type: ignore[arg-type]
        )

    failed = Event(CREATED + 60_001_000, "failed", "db2", "timed out after 60s")
    document = mapping.job(
        a_job(
            status=JobStatus.PARTIAL_FAILURE,
            is_broadcast=True,
            target="_all",
            expected_agents=("db1", "db2", "web1"),
            executions=(
                share("db1", ExecutionState.COMPLETED, 1.5, data=1, changed=True),
                share("db2", ExecutionState.FAILED, 60, error="timed out after 60s", events=(failed,)),
                Execution("web1", "", ExecutionState.EXPIRED, error="offline"),
            ),
        )
    )
    assert document["result"] is None
    assert document["changed"] is True
    assert document["expected_agents"] == ["db1", "db2", "web1"]
    assert document["error"].startswith("2 of 3 agents failed: db2: timed out after 60s")
    assert document["agent_states"] == {
        "db1": {"status": "completed", "error": None, "duration": "1.5s"},
        "db2": {"status": "failed", "error": "timed out after 60s", "duration": "1m0s"},
        "web1": {"status": "expired", "error": "offline", "duration": None},
    }
    assert [answer["data"] for answer in document["responses"].values()] == [1, None, None]
    assert document["timeline"][-1]["error"] == "timed out after 60s"


def test_summary() -> None:
    whole, summary = mapping.job(a_job()), mapping.job(a_job(), summary=True)
    assert summary == {
        name: value for name, value in whole.items() if name not in ("responses", "agent_states", "timeline")
    }


def test_links_between_jobs() -> None:
    document = mapping.job(a_job(retry_of="a", retried_as=("b", "c"), cancel_requested=True, origin="ray"))
    assert (document["retry_of"], document["retried_as"]) == ("a", ["b", "c"])
    assert (document["cancel_requested"], document["origin"]) == (True, "ray")


def test_events_of_the_api_carry_its_name() -> None:
    assert mapping.job(a_pending_job())["timeline"][0]["hostname"] == API_HOST


def test_no_answer_is_invalid_json() -> None:
    """Whatever an agent may have put into a result."""
    document = {"a": [float("nan"), float("inf"), 1.5, {"b": float("-inf")}], "c": "\ud800\x00é", "d": 2**70}
    text = dumps(document)
    assert text.isascii()
    assert json.loads(text, parse_constant=None) == {
        "a": [None, None, 1.5, {"b": None}],
        "c": "\ud800\x00é",
        "d": 2**70,
    }
