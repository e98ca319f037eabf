"""Metrics, traces, structured logs and Flower of one running system."""

from __future__ import annotations

import base64
import json
import re
import socket
from typing import Any

import pytest
import urllib3
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.processes import Process
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

pytest.importorskip("flower")
pytest.importorskip("opentelemetry.sdk")

#: (name, labels) -> value
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
REQUEST_ID = "my-own-request-7"
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def ports_in_a_row(count: int) -> int:
    """The first of so many free ports, where no other test looks for one (``support/ports.py``)."""
    for first in range(16_000, 20_000, count):
        sockets = [socket.socket() for _ in range(count)]
        try:
            for number, one in enumerate(sockets):
                one.bind(("127.0.0.1", first + number))
        except OSError:
            continue
        else:
            return first
        finally:
            for one in sockets:
                one.close()
    raise AssertionError("no free ports")


@pytest.fixture(scope="module")
def first_port() -> int:
    return ports_in_a_row(3)


@pytest.fixture(scope="module")
def observed(make_stack: MakeStack, first_port: int) -> tuple[Stack, Process]:
    environ = {
        "JOBQUEUE_LOG_FORMAT": "json",
        "JOBQUEUE_METRICS_PORT": str(first_port),
        "JOBQUEUE_TRACES": "console",
        "JOBQUEUE_API_WORKERS": "2",
        "JOBQUEUE_HEARTBEAT_SECONDS": "1",
    }
    stack = make_stack(environ)
    return stack, stack.up(2, "--flower", "--flower-port", "0")


def ask(url: str, **headers: str) -> tuple[int, str]:
    response = urllib3.request("GET", url, headers=headers, retries=False, timeout=30)
    return response.status, response.data.decode()


def samples(text: str) -> Samples:
    families = text_string_to_metric_families(text)
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def api_metrics(stack: Stack) -> Samples:
    status, text = ask(f"{stack.api.url}/metrics", Authorization=f"Bearer {stack.api.token}")
    assert status == 200, text
    return samples(text)


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((name, tuple(sorted(labels.items()))), 0.0)


def output(process: Process) -> str:
    """All whole lines that it printed so far."""
    text = process.log_file.read_text("utf-8", "replace")
    return text[: text.rfind("\n") + 1]


def records(process: Process, part: str) -> list[dict[str, Any]]:
    """The JSON lines that one part of the system logged."""
    lines = re.findall(rf"^{part}\s*\|\s?(\{{.*\}})\s*$", output(process), re.MULTILINE)
    return [json.loads(line) for line in lines]


def test_the_api_shows_what_the_fleet_does(observed: tuple[Stack, Process]) -> None:
    stack, _ = observed
    before = api_metrics(stack)
    stack.api.run("node.hostname.get", target="_all")
    found = api_metrics(stack)

    def more(name: str, **labels: str) -> float:
        return value(found, name, **labels) - value(before, name, **labels)

    operation = "node.hostname.get"
    assert more("jobqueue_executions_submitted_total", operation=operation) == 2
    assert more("jobqueue_executions_ended_total", operation=operation, state="completed") == 2
    assert more("jobqueue_jobs", operation=operation, status="completed") == 1
    assert more("jobqueue_queue_wait_seconds_count", operation=operation) == 2
    assert more("jobqueue_run_seconds_count", operation=operation) == 2
    until(
        lambda: value(api_metrics(stack), "jobqueue_agents", state="Ready", status="live") == 2, "both agents are live"
    )
    assert 0 <= value(found, "jobqueue_agent_heartbeat_age_seconds", agent="agent1") < 60
    assert value(found, "jobqueue_redis_up") == value(found, "jobqueue_maintained") == 1
    assert 0 < value(found, "jobqueue_redis_latency_seconds") < 5
    assert value(found, "jobqueue_queue_depth", queue="_any") == 0


def test_requests_are_counted_over_all_server_processes(observed: tuple[Stack, Process]) -> None:
    stack, _ = observed
    labels = {"method": "GET", "route": "/agent/<hostname>", "status": "404"}
    before = value(api_metrics(stack), "jobqueue_http_requests_total", **labels)
    for number in range(40):
        # a connection of its own, so that both processes get some
        headers = {"Authorization": f"Bearer {stack.api.token}", "Connection": "close"}
        assert ask(f"{stack.api.url}/agent/none{number}", **headers)[0] == 404
    seen = [value(api_metrics(stack), "jobqueue_http_requests_total", **labels) - before for _ in range(10)]
    assert seen == [40] * 10


def test_metrics_need_the_permission(observed: tuple[Stack, Process]) -> None:
    stack, _ = observed
    assert ask(f"{stack.api.url}/metrics")[0] == 401


def test_agents_and_maintenance_serve_their_own(observed: tuple[Stack, Process], first_port: int) -> None:
    stack, _ = observed
    stack.api.run("node.hostname.get", target="agent2")

    def served(number: int) -> Samples:
        return samples(ask(f"http://127.0.0.1:{first_port + number}/metrics")[1])

    # maintenance may only just have begun, and an agent counts a run when it has reported it
    until(lambda: value(served(0), "jobqueue_maintenance_leading") == 1, "maintenance leads")
    until(lambda: value(served(0), "jobqueue_maintenance_step_seconds_count", service="reaper") > 0, "a step")
    until(lambda: value(served(2), "jobqueue_agent_executions_total", outcome="completed") > 0, "a run is counted")
    maintenance, agent = served(0), served(2)
    assert value(agent, "jobqueue_agent_run_seconds_count", operation="node.hostname.get") > 0
    assert value(agent, "jobqueue_agent_concurrency") == 8
    for found in (maintenance, agent):
        assert value(found, "jobqueue_redis_up") == 1
        assert value(found, "process_resident_memory_bytes") > 0


def test_request_job_and_trace_are_one_story(observed: tuple[Stack, Process]) -> None:
    """One trace id from the caller's own span over the request to the run; every log line says whose it is."""
    stack, up = observed
    body = json.dumps({"operation": {"type": "node.hostname.get", "data": {}}, "target_hostname": "agent1"})
    headers = {
        "Authorization": f"Bearer {stack.api.token}",
        "Content-Type": "application/json",
        "X-Request-Id": REQUEST_ID,
        "traceparent": TRACEPARENT,
    }
    answer = urllib3.request("POST", f"{stack.api.url}/job", body=body, headers=headers)
    assert answer.status == 201, answer.data
    job_id = answer.json()["job_id"]

    def spans(part: str) -> list[dict[str, Any]]:
        return [found for found in records(up, part) if found.get("context", {}).get("trace_id") == f"0x{TRACE}"]

    request = until(lambda: spans("api"), "the API's span")[0]
    run = until(lambda: spans("agent1"), "the agent's span")[0]
    assert request["name"] == "POST /job"
    assert request["parent_id"] == "0xb7ad6b7169203331"
    assert run["name"] == "run node.hostname.get"
    assert run["parent_id"] == request["context"]["span_id"]
    assert run["attributes"]["jobqueue.job_id"] == job_id


def test_every_line_of_the_log_is_json(observed: tuple[Stack, Process]) -> None:
    _, up = observed
    for part in ("api", "agent1", "maintenance"):
        lines = re.findall(rf"^{part}\s*\|(.*)$", output(up), re.MULTILINE)
        assert lines
        parsed = [json.loads(line) for line in lines if line.strip()]
        logged = [record for record in parsed if "context" not in record]  # the others are spans
        assert logged
        assert all({"timestamp", "level", "logger", "message"} <= record.keys() for record in logged)
        if part == "agent1":
            assert {record["agent"] for record in logged} == {"agent1"}


def test_flower_shows_runs_to_who_knows_the_password(observed: tuple[Stack, Process]) -> None:
    stack, up = observed
    (url,) = until(lambda: re.findall(r"Flower\s+(http://127\.0\.0\.1:\d+)/", output(up)), "where Flower is")

    def flower(path: str, password: str) -> tuple[int, str]:
        return ask(url + path, Authorization="Basic " + base64.b64encode(f"admin:{password}".encode()).decode())

    def answers() -> bool:
        """`up` does not wait for it."""
        try:
            return flower("/api/workers", stack.api.token)[0] == 200
        except urllib3.exceptions.HTTPError:
            return False

    until(answers, "Flower answers", 60)
    assert ask(f"{url}/api/workers")[0] == 401
    assert flower("/api/workers", "wrong")[0] == 401
    assert flower("/tasks", "wrong")[0] == 401
    jobs = []

    def shown() -> bool:
        jobs.append(stack.api.run("node.hostname.get", target="agent1")["id"])
        tasks = json.loads(flower("/api/tasks", stack.api.token)[1])
        return any(name.partition(":")[0] in jobs and task["state"] == "SUCCESS" for name, task in tasks.items())

    until(shown, "Flower shows a run", 60)
    agents = [agent["hostname"] for agent in json.loads(flower("/workers?json=1", stack.api.token)[1])["data"]]
    assert len(agents) == 2
    for agent in agents:  # its page needs the statistics that the agent gives
        until(
            lambda agent=agent: flower(f"/worker/{agent}", stack.api.token)[0] == 200, f"Flower's page of {agent}", 60
        )
