"""An API whose installation lacks the extra ``aggregation`` refuses aggregations, however they are asked for."""

from __future__ import annotations

import pytest

from jobqueue.operations.registry import Registry
from tests.unit.api.fusion.conftest import Ask

SAYS = "Operation aggregation.run needs duckdb and sqlglot, not installed here: pip install 'jobqueue[aggregation]'"
CONFIG = {
    "id": "aggr", "type": "aggregation", "inputCollection": "signals", "outputCollection": "signals_aggr",
    "sql": "SELECT 1 AS id",
}  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> Registry:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jobqueue.extras.lacking", lambda extra: ("duckdb", "sqlglot") if extra == "aggregation" else ())
        return Registry.load(plugins=())


def test_a_job(ask: Ask) -> None:
    answer = ask("POST", "/job", {"operation": {"type": "aggregation.run", "data": CONFIG}})
    assert answer.status_code == 400
    assert SAYS in answer.get_data(as_text=True)


def test_a_run_of_a_configuration(ask: Ask) -> None:
    """As for every type that nothing stands behind, the run ends in an error that says why."""
    ask("POST", "/api/spark/configurations", CONFIG)
    run = ask("POST", "/api/spark/jobs/aggr").get_json()
    assert run["state"] == "error"
    assert run["result"]["error"].startswith(SAYS)


def test_its_permission_is_asked_for_all_the_same(registry: Registry) -> None:
    """Otherwise a caller who may not run one could store it, for another API process to run for a caller who may."""
    assert registry.permission("aggregation.run") == "spark:execute"
    assert registry.permission("node.uptime.get") == "agent:read"
    assert registry.permission("no.such.operation") is None


def test_the_catalogue(ask: Ask) -> None:
    types = [operation["type"] for operation in ask("GET", "/operation").get_json()["operations"]]
    assert "aggregation.run" not in types
    assert "node.uptime.get" in types
