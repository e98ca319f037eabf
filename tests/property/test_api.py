"""Thousands of requests made up from /openapi.json, right and wrong ones, by every role, over real services.

No answer is a fault of ours, has a status that is not documented, or another shape than is documented.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from api.fusion.runs import Runs
from api.osapi import waiting
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import Registration
from jobqueue.model.configuration import Configuration
from jobqueue.model.principal import system
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Submission
from jobqueue.operations.registry import Registry
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.examples import examples

TOKEN = "a-token-of-twenty-four-ch"
HOST = "web1"
PACKAGE = "_ray_pkg_0123456789abcdef.zip"
#: Made-up requests per route and role.
EXAMPLES = 8
#: Of the calls of hosts, which have one view and differ in their parameters only.
EXAMPLES_OF_CALLS, CALLS = 2, "/api/node/"
ROLES = ("none", "read", "write", "admin")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
#: Answers without an end: their status and type are looked at, and nothing is read of them.
STREAMS = {"GET /events", "GET /job/{job_id}/events"}
ROOT = system("test")
TARGETS = [HOST, "web2", "_any", "_all", "group:web", "nobody"]
TYPES = ["script", "custom_python_job", "aggregation"]
OPERATIONS: list[tuple[str, dict[str, Any]]] = [
    ("command.shell.execute", {"command": "true"}),
    ("node.hostname.get", {}),
    ("entrypoint.run", {"entrypoint": "true", "runtime_env": {"working_dir": f"gcs://{PACKAGE}"}}),
    ("file.content.get", {"path": "/etc/hostname"}),
]


@dataclass
class World:
    """An API with something of everything behind it. ``names`` are those that lead somewhere, by parameter."""

    role: str
    app: Flask
    headers: Mapping[str, str]
    names: Mapping[str, list[str]]
    statuses: Counter[int] = field(default_factory=Counter)


def shell(services: Services, alias: str, **more: Any) -> str:
    submission = Submission(
        "command.shell.execute", {"command": "true"}, HOST, principal=ROOT, alias=alias, tags={"a": "b"}, **more
    )
    return services.submitter.submit(submission).job_id


def end(services: Services, job_id: str, state: ExecutionState) -> None:
    claim = services.ledger.executions.claim(job_id, HOST, HOST, "token")
    assert isinstance(claim, Claim)
    out = '{"data": {"stdout": "x"}, "changed": true}' if state is ExecutionState.COMPLETED else ""
    services.ledger.executions.finish(claim, state, out=out, note="" if out else "broke")


@pytest.fixture
def worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[World]:
    """One for each role, so that none of them disturbs another."""
    # no agent runs anything here, so calls of hosts would wait in vain
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.0)
    return [make_world(tmp_path / role, role) for role in ROLES]


def make_world(folder: Path, role: str) -> World:
    own = Settings(state_dir=folder, token=TOKEN, redis_url="redis://127.0.0.1:1/0", login_failures=1_000_000)
    registry = Registry.load(())
    ledger = Ledger(fakeredis.FakeRedis(server=fakeredis.FakeServer(), decode_responses=True), own)
    services = Services.over(ledger, own, registry)
    for hostname in (HOST, "web2"):
        ledger.agents.register(Registration(hostname, "boot", {"group": "web.dev"}, {}, registry.types(), "1", 2))
    jobs = [shell(services, alias) for alias in ("waits", "fails", "works")]
    end(services, jobs[1], ExecutionState.FAILED)
    end(services, jobs[2], ExecutionState.COMPLETED)
    nightly = Configuration.parse({"id": "nightly", "type": "script", "script": "true", "language": "shell"})
    services.configurations.create(nightly, "ada")
    runs = Runs(services.ledger, services.submitter, services.registry)
    run = runs.start_inline(
        Configuration.parse({"id": "once", "type": "script", "script": "true", "language": "shell"}), ROOT
    )
    services.packages.store(PACKAGE, [b"bytes"])
    key, _ = services.credentials.create_key(ROOT, "spare", (), ("job:read",))
    services.credentials.create_user(ROOT, "alice", "correct horse battery", (), ("job:read",))
    services.credentials.create_role(ROOT, "deployer", ("job:read",))
    headers = {}
    if role != "none":
        _, secret = services.credentials.create_key(ROOT, "asks", (role,))
        headers["Authorization"] = f"Bearer {secret}"
    names = {
        "job_id": jobs,
        "hostname": [HOST, "web2"],
        "key_id": [key.name],
        "name": ["waits", "fails", "works", "alice", "deployer", run.run_id, "nightly", PACKAGE],
        "config_id": ["nightly", "once"],
        "run_id": [run.run_id],
        "protocol": ["gcs"],
    }
    return World(role, create_app(own, services), headers, names)


def operations(world: World) -> Iterator[Any]:
    document = world.app.test_client().get("/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).get_json()
    schema = schemathesis.openapi.from_dict(document)
    schema.app = world.app
    for result in schema.get_all_operations():
        yield result.ok()


def requests(operation: Any) -> st.SearchStrategy[Any]:
    """Requests that fit the document, and, where there is anything that could be wrong, some that do not."""
    fitting = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    has_parts = operation.body or operation.query or any(True for _ in operation.path_parameters)
    if not has_parts:
        return fitting
    return st.one_of(fitting, fitting, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))


def aims(case: Any, data: st.DataObject) -> dict[str, int]:
    """Which parameters are to name what is there, and which of it: made-up names lead nowhere."""
    return {name: data.draw(st.integers(0, 11)) for name in case.path_parameters or {} if data.draw(st.integers(0, 3))}


def sharpen(body: Any, data: st.DataObject) -> None:
    """Half of the bodies get what no schema tells: an operation that exists, a host that is there."""
    if not isinstance(body, dict) or data.draw(st.booleans()):
        return
    operation = body.get("operation")
    if isinstance(operation, dict):
        operation["type"], given = data.draw(st.sampled_from(OPERATIONS))
        if data.draw(st.booleans()):
            operation["data"] = given
    for name in ("target_hostname", "targetHostname"):
        if name in body or data.draw(st.booleans()):
            body[name] = data.draw(st.sampled_from(TARGETS))
    if "target_hostname" in body and "target" in body:
        del body["target"]
    if "id" in body:
        body["type"] = data.draw(st.sampled_from([*TYPES, *(name for name, _ in OPERATIONS)]))
    if "jobs" in body and isinstance(body["jobs"], list):
        for item in body["jobs"][:5]:
            sharpen(item, data)


def ask(world: World, case: Any, aimed: Mapping[str, int]) -> None:
    known = {name: world.names[name][n % len(world.names[name])] for name, n in aimed.items() if name in world.names}
    case.path_parameters = {**(case.path_parameters or {}), **known}
    arguments = case.as_transport_kwargs(headers=dict(world.headers))
    # of a made-up Host, schemathesis cannot make the address that it needs to validate the response
    arguments["headers"] = {name: value for name, value in arguments["headers"].items() if name.lower() != "host"}
    response = world.app.test_client().open(**arguments, buffered=False)
    try:
        if not case.path.endswith("/session"):  # it checks the credentials in its body
            world.statuses[response.status_code] += 1
        if case.operation.label in STREAMS and response.status_code == 200:
            assert response.mimetype == "text/event-stream"
        else:
            case.validate_response(response, checks=CHECKS)
    except (Exception, FailureGroup) as error:
        raise AssertionError(f"as {world.role}: {error}") from error
    finally:
        response.close()


def problem(worlds: list[World], operation: Any) -> str:
    """What is wrong with the answers to requests for one route; empty if nothing is."""
    strategy = requests(operation)

    @settings(
        max_examples=examples(EXAMPLES_OF_CALLS if CALLS in operation.label else EXAMPLES),
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def check(data: st.DataObject) -> None:
        case = data.draw(strategy)
        aimed = aims(case, data)
        sharpen(case.body, data)
        if case.query and "sync" in case.query:
            case.query["sync"] = "false"  # no agent runs here, so it would wait for ever
        for world in worlds:
            ask(world, case, aimed)

    try:
        check()
    except Exception as error:  # noqa: BLE001 (of one route; the others are tried all the same)
        return f"{operation.label}: {error}"
    return ""


def test_every_answer_is_a_documented_one(worlds: list[World]) -> None:
    found = [text for text in (problem(worlds, operation) for operation in operations(worlds[-1])) if text]
    assert not found, "\n\n".join(found)
    seen = {world.role: world.statuses for world in worlds}
    assert sum(sum(statuses.values()) for statuses in seen.values()) > 3000
    assert set(seen["none"]) <= {200, 400, 401}
    assert not any(statuses[401] for role, statuses in seen.items() if role != "none")
    assert {200, 201, 202, 204, 400, 404, 409} <= set(seen["admin"])  # it got far enough to be worth something
    assert seen["read"][403] > seen["write"][403] > seen["admin"][403] == 0
