"""The dashboard's pages of workflows and their runs, over real services."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from jobqueue.model.principal import Principal
from jobqueue.model.workflow import Node, Workflow
from jobqueue.model.workflow_run import WorkflowRun
from jobqueue.services import Services
from tests.unit.api.dashboard.conftest import Page, Send, parse
from tests.unit.api.dashboard.test_pages import assert_harmless
from tests.unit.api.over_a_ledger import services_with, settings_in

EVIL = "\"'></script><script>evil()</script><img src=x onerror=evil()><b>&amp;"
ADMIN = Principal("alice", frozenset({"*"}))
JOB: dict[str, Any] = {"operation": "command.exec.execute", "data": {"argv": ["x", "{{ word }}"]}, "target": "web1"}
NODES = (
    Node("drain", job=JOB),
    Node("upgrade", job={**JOB, "title": EVIL}, needs=("drain",)),
    Node("undo", job={**JOB, "target": "_all"}, needs=("upgrade",), when="failure"),
)
PARAMETERS = {"word": {"pattern": "^[a-z]+$", "description": EVIL}}


@pytest.fixture
def services(tmp_path: Path) -> Services:
    services = services_with(settings_in(tmp_path), {"web1": {}})
    workflow = Workflow("deploy", NODES, title=EVIL, description=EVIL, parameters=PARAMETERS)
    services.workflows.put(workflow, ADMIN)
    return services


@pytest.fixture
def app(tmp_path: Path, services: Services) -> Flask:
    return create_app(settings_in(tmp_path), services)


def started(services: Services) -> WorkflowRun:
    return services.workflow_runs.start("deploy", {"word": "hello"}, ADMIN)[0]


def nodes_of(page: BeautifulSoup) -> dict[str, str]:
    return {one["id"].removeprefix("node-"): " ".join(one.get_text().split()) for one in page.select(".flow .node")}


def test_pages_show_the_nodes_and_what_people_wrote_is_only_text(page: Page, services: Services) -> None:
    run = started(services)
    for path in ("/ui/workflows", "/ui/workflows/deploy", f"/ui/workflow-runs/{run.id}"):
        shown = page(path)
        assert_harmless(shown)
        assert shown.find("a", href=f"/ui/workflow-runs/{run.id}") or "runs/" in path
    shown = page(f"/ui/workflow-runs/{run.id}")
    job_id = run.nodes["drain"].job_id
    assert nodes_of(shown) == {
        "drain": f"drain running command.exec.execute on web1 Job {job_id[:8]}",
        "upgrade": "upgrade waiting command.exec.execute on web1 after drain",
        "undo": "undo waiting command.exec.execute on _all after upgrade (failure)",
    }
    assert len(shown.select(".flow > li")) == 3
    assert shown.find("a", href=f"/ui/jobs/{job_id}") is not None


def test_the_form_runs_it_once(send: Send, services: Services) -> None:
    wrong = send("/ui/workflows/deploy", "/ui/workflows/deploy/run", data__word="Hello")
    assert wrong.status_code == 400
    assert "Must match the pattern" in parse(wrong).get_text()
    answer = send("/ui/workflows/deploy", "/ui/workflows/deploy/run", data__word="hello", key="k1")
    assert answer.status_code == 303
    again = send("/ui/workflows/deploy", "/ui/workflows/deploy/run", data__word="hello", key="k1")
    assert again.headers["Location"] == answer.headers["Location"].replace("started", "repeated")
    (run,) = services.workflow_runs.page("deploy", 10, None)[0]
    assert run.id in answer.headers["Location"]
    assert services.workflow_runs.get(run.id).values == {"word": "hello"}


def test_cancel_and_retry(signed_in: FlaskClient, send: Send, services: Services) -> None:
    run = started(services)
    at = f"/ui/workflow-runs/{run.id}"
    assert send(at, f"{at}/cancel").status_code == 303
    assert set(nodes_of(parse(signed_in.get(at)))) == {"drain", "upgrade", "undo"}
    assert services.workflow_runs.get(run.id).status == "cancelled"
    assert send(at, f"{at}/retry").status_code == 303
    assert services.workflow_runs.get(run.id).nodes["drain"].attempt == 2
    assert "attempt 2" in nodes_of(parse(signed_in.get(at)))["drain"]


def test_a_run_that_there_is_not(page: Page) -> None:
    page("/ui/workflow-runs/123e4567-e89b-42d3-a456-426614174000", 404)
    page("/ui/workflows/none", 404)
