from __future__ import annotations

import json
from typing import Any

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply

ID = "123e4567-e89b-42d3-a456-426614174000"
HEAD = {"job_id": ID, "status": "partial_failure", "execution_counts": {}, "total": 7, "next_cursor": None}


def group(status: str, *hosts: str, left_out: int = 0, **answer: Any) -> dict[str, Any]:
    count = len(hosts) + left_out
    return {
        "key": hosts[0],
        "status": status,
        "count": count,
        "hostnames": list(hosts),
        "hostnames_left_out": left_out,
        "error": None,
        "data": None,
        **answer,
    }


GROUPS = [
    group("failed", "db1", error="exit code 1", data={"stdout": "a\n\tb\n", "exit_code": 1}),
    group("completed", "web1", data={"stdout": "other\n", "exit_code": 0}),
    group("completed", "web2", "web3", left_out=2, data={"stdout": "a\nc\x1b[2J\n", "exit_code": 0}),
]


def serve(api: FakeApi, groups: list[dict[str, Any]], items: list[dict[str, Any]] | None = None) -> None:
    pages = [{**HEAD, "groups": groups, "is_least": False}, {**HEAD, "items": items or []}]
    api.on("GET", f"/job/{ID}/executions", *(Reply(200, page) for page in pages))


def test_without_hosts_the_failed_and_the_largest_other_group(run: Run, api: FakeApi) -> None:
    serve(api, GROUPS)
    assert run("job", "diff", ID).stdout.splitlines() == [
        "--- db1: failed",
        "+++ web[2-3] and 2 more: completed",
        "-state: failed",
        "-error: exit code 1",
        "+state: completed",
        " stdout:",
        " a",
        "-\tb",
        "-exit_code: 1",
        "+c\\x1b[2J",
        "+exit_code: 0",
    ]


def test_two_hosts(run: Run, api: FakeApi) -> None:
    serve(api, GROUPS)
    lines = run("job", "diff", ID, "web1", "web3").stdout.splitlines()
    assert lines[:2] == ["--- web1: completed", "+++ web[2-3] and 2 more: completed"]
    assert "-stdout: other" in lines


def test_a_host_that_its_group_does_not_name(run: Run, api: FakeApi) -> None:
    serve(api, GROUPS, [{"hostname": "web5", "status": "completed", "error": None, "data": {"stdout": "a\n"}}])
    assert run("job", "diff", ID, "db1", "web5").stdout.splitlines()[1] == "+++ web5: completed"


def test_an_unknown_host(run: Run, api: FakeApi) -> None:
    serve(api, GROUPS)
    refused = run("job", "diff", ID, "db1", "nope")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "'nope' is not a host of job" in refused.stderr


def test_one_host_is_too_few(run: Run) -> None:
    refused = run("job", "diff", ID, "db1")
    assert refused.exit_code == 2
    assert "Give two hosts, or none" in refused.stderr


def test_equal_answers(run: Run, api: FakeApi) -> None:
    serve(api, GROUPS[:1])
    same = run("job", "diff", ID)
    assert (same.exit_code, same.stdout, same.stderr) == (0, "", "All answers are equal.\n")


def test_json(run: Run, api: FakeApi) -> None:
    serve(api, GROUPS)
    found = json.loads(run("job", "diff", ID, "--json").stdout)
    assert found["first"] == {"hostnames": ["db1"], "count": 1, "status": "failed"}
    assert found["lines"][0] == {"mark": "-", "text": "state: failed"}
    assert found["lines_left_out"] == 0
