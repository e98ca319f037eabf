"""Aggregations through the whole system: loaded by the command line, run by agents that share a data directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support.api import Api
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until
from tests.unit.aggregation.signals import AGGREGATED, CONFIG, ENDLESS, SIGNALS, by_hand, write_lines

_TYPE = "aggregation.run"


@pytest.fixture(scope="module", autouse=True)
def signals(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_lines(tmp_path_factory.mktemp("signals") / "signals.jsonl", by_hand())
    loaded = stack.run("collection", "load", SIGNALS, str(path), "--json")
    assert json.loads(loaded.stdout)["loaded"] == len(by_hand()), loaded
    return path


def _rows(stack: Stack, name: str) -> dict[str, dict[str, Any]]:
    shown = stack.run("collection", "show", name, "--json", "--limit", "1000")
    assert shown.returncode == 0, shown
    return {row["id"]: row for row in json.loads(shown.stdout)["items"]}


def test_the_pages_configuration(api: Api, stack: Stack) -> None:
    job = api.run(_TYPE, {**CONFIG, "run_id": "hhzitrwancwv", "last_run": None})
    assert (job["status"], job["changed"]) == ("completed", True), job
    assert (job["result"]["aggregated"], job["result"]["jobRunId"]) == (2, "hhzitrwancwv")
    weight = _rows(stack, AGGREGATED)["ipad|1|cat:tablet $ brand:apple"]["weight_d"]
    assert weight == pytest.approx(11.6)
    log = api.get(f"/job/{job['id']}/logs").json
    assert "api-test-app_signals_aggr: 2 rows written, 2 in all." in json.dumps(log)


def test_agents_that_write_one_collection_lose_nothing(api: Api, stack: Stack) -> None:
    """Every run adds its count to the rows that the others wrote."""
    data = {**CONFIG, "outputCollection": "shared", "rollupSql": CONFIG["rollupSql"].replace(AGGREGATED, "shared")}
    ids = [api.submit(_TYPE, {**data, "run_id": f"run-{number}"}, f"agent{number % 3 + 1}") for number in range(6)]
    jobs = [api.wait(job_id, 120) for job_id in ids]
    assert [job["status"] for job in jobs] == ["completed"] * 6, jobs
    assert {job["hostname"] for job in jobs} == {"agent1", "agent2", "agent3"}
    counts = {id: row["aggr_count_i"] for id, row in _rows(stack, "shared").items()}
    assert counts == {"ipad|1|cat:tablet $ brand:apple": 24, "ipad|2": 6}


def test_cancel(api: Api, stack: Stack) -> None:
    job_id = api.submit(_TYPE, {**CONFIG, **ENDLESS, "outputCollection": "never"})
    until(lambda: "Running the sql" in json.dumps(api.get(f"/job/{job_id}/logs").json), "the sql runs")
    assert api.post(f"/job/{job_id}/cancel").status == 202
    job = api.wait(job_id)
    assert job["status"] == "cancelled"
    assert "never" not in stack.run("collection", "list").stdout


def test_how_else_it_ends(api: Api) -> None:
    skipped = api.submit(_TYPE, {**CONFIG, "last_run": CONFIG["referenceTime"]})
    broken = api.submit(_TYPE, {**CONFIG, "sql": "SELECT nothing FROM api-test-app_signals"})
    missing = api.submit(_TYPE, {**CONFIG, "inputCollection": "missing", "sql": "SELECT 1 AS a FROM missing"})
    job = api.wait(skipped)
    assert (job["status"], "nothing new" in json.dumps(job["timeline"])) == ("skipped", True)
    job = api.wait(broken)
    assert job["status"] == "failed"
    assert '"nothing" not found' in job["error"]
    job = api.wait(missing)
    assert job["status"] == "failed"
    assert job["error"].startswith("Unknown collection missing; there are")


def test_bad_data_is_refused_at_once(api: Api) -> None:
    answer = api.post("/job", {"operation": {"type": _TYPE, "data": {**CONFIG, "referenceTime": "soon"}}})
    assert answer.status == 400
    assert "referenceTime: must be a time such as" in answer.json["error"]
