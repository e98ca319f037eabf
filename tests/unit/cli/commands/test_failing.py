from __future__ import annotations

import json

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply

GROUP = {
    "operation": "command.shell.execute",
    "title": "Deploy",
    "error": "exit code 3",
    "executions": 25,
    "host_count": 25,
    "hosts": [f"web{number}" for number in range(1, 21)],
    "job_count": 1,
    "job_ids": ["123e4567-e89b-42d3-a456-426614174000"],
    "first": "2024-06-14T10:00:00.000Z",
    "last": "2024-06-14T10:00:05.123Z",
}


def test_groups(run: Run, api: FakeApi) -> None:
    answer = {"items": [GROUP], "complete": False}
    api.on("GET", "/failure", Reply(200, answer))
    shown = run("failing", "--within", "2h").stdout
    assert api.seen[-1].query == {"within_seconds": "7200"}
    assert " ".join(shown.splitlines()[1].split()) == (
        "25 2024-06-14T10:00:05.123Z Deploy exit code 3 web[1-20] and 5 more 123e4567-e89b-42d3-a456-426614174000"
    )
    assert "more failures than were examined" in shown
    assert json.loads(run("failing", "--json").stdout) == answer


def test_nothing_failed(run: Run, api: FakeApi) -> None:
    api.on("GET", "/failure", Reply(200, {"items": [], "complete": True}))
    assert run("failing").stdout == "Nothing failed.\n"


@pytest.mark.parametrize("within", ["8d", "0s", "soon"])
def test_bad_time(run: Run, within: str) -> None:
    result = run("failing", "--within", within)
    assert result.exit_code == 2
    assert "--within" in result.stderr
