"""``--sort`` of the lists of jobs and agents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply

AT = "2026-01-01T00:00:0{}.000Z"
JOBS: list[dict[str, Any]] = [
    {"id": "a", "status": "completed", "created": AT.format(3), "updated_at": AT.format(5), "title": "beta"},
    {
        "id": "b",
        "status": "failed",
        "created": AT.format(2),
        "updated_at": AT.format(9),
        "title": "Alpha",
        "error": "x",
    },
    {"id": "c", "status": "processing", "created": AT.format(1), "updated_at": AT.format(9), "title": "gamma"},
]
AGENTS: list[dict[str, Any]] = [
    {"hostname": "web1", "status": "live", "load": [0.5], "memory": {"percent": 90.0}, "running": 1},
    {"hostname": "web2", "status": "offline", "load": [], "memory": {}, "running": 3},
    {"hostname": "web3", "status": "live", "load": [10.0], "memory": {"percent": 9.5}, "running": 2},
]


def page_of_jobs(**more: Any) -> dict[str, Any]:
    return {"items": list(JOBS), "total_items": 3, "status_counts": {}, "next_cursor": None, **more}


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("title", "bac"),
        ("-title", "cab"),
        ("took", "abc"),  # one that runs has no duration
        ("-took", "bac"),
        ("created", "cba"),
        ("-error", "bac"),
        ("status", "abc"),
    ],
)
def test_jobs(run: Run, api: FakeApi, sort: str, expected: str) -> None:
    api.on("GET", "/job", Reply(200, page_of_jobs()))
    found = json.loads(run("job", "list", "--json", "--sort", sort).stdout)
    assert "".join(job["id"] for job in found["items"]) == expected


def test_it_says_that_only_a_page_is_sorted(run: Run, api: FakeApi) -> None:
    api.on("GET", "/job", Reply(200, page_of_jobs(next_cursor="7")))
    assert "Only these 3 jobs are sorted, the newest; --all sorts all." in run("job", "list", "--sort", "title").stderr
    assert run("job", "list").stderr == ""


@pytest.mark.parametrize(
    ("sort", "expected"),
    [("-load", "312"), ("load", "132"), ("-memory", "132"), ("-running", "231"), ("status", "132")],
)
def test_agents(run: Run, api: FakeApi, sort: str, expected: str) -> None:
    api.on("GET", "/agent", Reply(200, {"agents": list(AGENTS), "total": 3, "next_cursor": None}))
    found = json.loads(run("agent", "list", "--json", "--sort", sort).stdout)
    assert "".join(agent["hostname"][-1] for agent in found["agents"]) == expected


@pytest.mark.parametrize("words", [("job", "list", "--sort", "age"), ("agent", "list", "--sort", "--load")])
def test_an_unknown_column_is_named_with_those_there_are(run: Run, words: tuple[str, ...]) -> None:
    refused = run(*words)
    assert refused.exit_code == 2
    assert ("'took'" if words[0] == "job" else "'memory'") in refused.stderr
