"""``jobqueue top``: what it asks, what it shows, and that it fits."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest
from rich.console import Console

from jobqueue.cli.commands.top import _drawn
from jobqueue.cli.views.output import TerminalScreen
from jobqueue.cli.views.snapshot import Rates, Snapshot
from jobqueue.cli.views.snapshot_view import show_snapshot
from jobqueue.client import ConnectionFailed
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ID, job
from tests.unit.client.fake_api import FakeApi, Reply

STATUS = {
    "components": {
        "api": {"status": "ok"},
        "ledger": {"status": "ok", "latency_ms": 0.3},
        "maintenance": {"status": "unavailable"},
    },
    "alerts": [{}],
}
COUNTS = {"submitted": 2, "processing": 1, "completed": 10, "failed": 0}


def agent(hostname: str, **fields: Any) -> dict[str, Any]:
    return {
        "hostname": hostname,
        "status": "live",
        "state": "Ready",
        "running": 1,
        "queue_length": 2,
        "load": [0.5, 0.4, 0.3],
        "memory": {"percent": 41.5},
        "last_heartbeat": "2026-01-01T00:00:00.000Z",
        "conditions": [],
        **fields,
    }


@pytest.fixture
def full_api(api: FakeApi) -> FakeApi:
    page = {
        "total_items": 120,
        "status_counts": COUNTS,
        "items": [job("failed", error="disk full")],
        "next_cursor": None,
    }
    api.on("GET", "/job", Reply(200, page))
    api.on("GET", "/agent", Reply(200, {"agents": [agent("web1"), agent("web2", status="offline")], "total": 2}))
    api.on("GET", "/health/status", Reply(200, STATUS))
    return api


def test_a_pipe_gets_one_snapshot(full_api: FakeApi, run: Run) -> None:
    result = run("top")
    assert result.exit_code == 0
    for words in (
        "maintenance not available, Redis 0.3 ms, 1 alerts",
        "Jobs    submitted 2  processing 1  completed 10\n",
        "2.0/s submitted (last minute)",
        "1 live, 1 offline; 1 running, 4 queued",
        ID,
        "disk full",
    ):
        assert words in result.stdout
    assert result.stdout.index("web2") < result.stdout.index("web1"), "what needs attention comes first"
    assert "\x1b" not in result.stdout


def test_json(full_api: FakeApi, run: Run) -> None:
    found = json.loads(run("top", "--json", "--jobs", "0").stdout)
    assert (found["status_counts"], found["submitted_per_second"], found["jobs"]) == (COUNTS, 2.0, [])
    assert [one["hostname"] for one in found["agents"]] == ["web1", "web2"]


def test_who_may_not_see_the_health_sees_the_rest(full_api: FakeApi, run: Run) -> None:
    full_api.on(
        "GET", "/health/status", Reply(403, {"error": "metrics:read is missing.", "code": 403, "details": None})
    )
    result = run("top")
    assert (result.exit_code, "submitted 2" in result.stdout) == (0, True)
    assert json.loads(run("top", "--json").stdout)["health"] is None


def test_an_api_that_is_away_is_one_line(run: Run, api: FakeApi) -> None:
    result = run("top", "--url", "http://127.0.0.1:1")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def crowd(agents: int, jobs: int) -> Snapshot:
    return Snapshot(
        taken=datetime(2026, 1, 1, tzinfo=timezone.utc),
        moment=0.0,
        status_counts=COUNTS,
        agents=[agent(f"web{number}") for number in range(agents)],
        jobs=[job("failed", error="e" * 300) for _ in range(jobs)],
        health=STATUS,
        submitted_per_second=1.0,
        address="http://127.0.0.1:8080",
    )


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60)])
@pytest.mark.parametrize(("agents", "jobs"), [(0, 0), (3, 100), (500, 10), (500, 100)])
def test_it_fits_the_terminal(width: int, height: int, agents: int, jobs: int) -> None:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None, markup=False)
    show_snapshot(TerminalScreen(console), crowd(agents, jobs), height=height)
    lines = file.getvalue().splitlines()
    assert len(lines) <= height
    tables = [line for line in lines if line.startswith(("web", ID[:8], "AGENT", "JOB"))]
    assert max(len(line) for line in tables) <= width


def test_while_the_api_is_away_the_last_is_shown_and_marked() -> None:
    text = _drawn(crowd(2, 2), ConnectionFailed("Cannot reach it."), 100, 30)
    assert "Out of date: Cannot reach it." in text
    assert "web0" in text


def test_rates_are_between_two_snapshots() -> None:
    rates, first = Rates(), crowd(0, 0)
    assert rates.of(first).ended_per_second is None
    later = replace(first, moment=2.0, status_counts={**COUNTS, "completed": 30})
    assert rates.of(later).ended_per_second == 10.0
    pruned = replace(first, moment=4.0, status_counts={**COUNTS, "completed": 0})
    assert rates.of(pruned).ended_per_second == 0.0
