"""``jobqueue workflow``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.client.fake_api import FakeApi, Reply

NODES = [
    {
        "name": "drain",
        "needs": [],
        "when": "success",
        "ignore_failure": False,
        "operation": {"type": "command.exec.execute", "data": {"argv": ["x"]}},
        "target_hostname": "lb1",
        "tags": {},
    },
    {"name": "undo", "needs": ["drain"], "when": "failure", "ignore_failure": False, "saved": "undo", "parameters": {}},
]
WORKFLOW = {
    "name": "upgrade",
    "version": 2,
    "changed": "2026-06-14T10:00:05.123Z",
    "changed_by": "alice",
    "managed_by": "",
    "title": "Up\x1b[31mgrade",
    "description": "",
    "nodes": NODES,
    "parameters": {"count": {"type": "integer"}},
    "run_by": [],
    "edit_by": [],
}
RUN_ID = "4f0c1e9e-5d2e-4a9c-9a63-0d7c8a3f1b2d"
JOB_ID = "11111111-5d2e-4a9c-9a63-0d7c8a3f1b2d"
SUMMARY = {
    "id": RUN_ID,
    "workflow": "upgrade",
    "version": 2,
    "status": "processing",
    "created": "2026-06-14T10:00:05.123Z",
    "ended": None,
    "started_by": "alice",
}


def a_run(status: str, *states: str) -> dict[str, Any]:
    nodes = [
        {
            "name": node["name"],
            "needs": node["needs"],
            "when": node["when"],
            "state": state,
            "attempt": 1,
            "job_id": None if state in ("waiting", "skipped") else JOB_ID,
            "started": None,
            "ended": None,
            "reason": "none has failed" if state == "skipped" else "",
            "earlier_jobs": [],
        }
        for node, state in zip(NODES, states, strict=True)
    ]
    return {**SUMMARY, "status": status, "cancelled_by": "", "parameters": {}, "nodes": nodes, "timeline": []}


RUNNING, DONE = a_run("processing", "running", "waiting"), a_run("completed", "completed", "skipped")
FAILED = a_run("failed", "failed", "running")


def test_list_and_show(run: Run, api: FakeApi) -> None:
    api.on("GET", "/workflow", Reply(200, {"workflows": [WORKFLOW], "next_cursor": None}))
    shown = run("workflow", "list").stdout
    assert " ".join(shown.splitlines()[1].split()).startswith("upgrade 2 2 count alice")
    assert "\x1b" not in shown
    assert json.loads(run("workflow", "list", "--json").stdout) == {"workflows": [WORKFLOW]}
    api.on("GET", "/workflow/upgrade", Reply(200, WORKFLOW))
    rows = [line.split() for line in run("workflow", "show", "upgrade").stdout.splitlines()]
    assert ["drain", "command.exec.execute", "lb1", "-", "success"] in rows
    assert ["undo", "@undo", "-", "drain", "failure"] in rows


def test_set(run: Run, api: FakeApi, tmp_path: Path) -> None:
    done = {"workflow": WORKFLOW, "change": "changed", "dry_run": False, "changes": []}
    api.on("PUT", "/workflow/upgrade", Reply(200, done))
    (tmp_path / "w.yaml").write_text("nodes:\n  - name: a\n    saved: undo\n")
    shown = run("workflow", "set", "upgrade", "-f", str(tmp_path / "w.yaml"), "--version", "1", "--dry-run").stdout
    assert shown.splitlines()[0] == "upgrade  changed, version 2"
    assert api.seen[-1].body == {"nodes": [{"name": "a", "saved": "undo"}], "version": 1}
    assert api.seen[-1].query == {"dry_run": "true"}


def test_run_shows_each_node_and_ends_with_the_code_of_the_run(run: Run, api: FakeApi) -> None:
    api.on("GET", "/workflow/upgrade", Reply(200, WORKFLOW))
    api.on("POST", "/workflow/upgrade/run", Reply(201, RUNNING))
    api.on("GET", f"/workflow-run/{RUN_ID}", Reply(200, RUNNING), Reply(200, DONE))
    result = run("workflow", "run", "upgrade", "-p", "count=3")
    assert result.exit_code == 0
    assert next(seen for seen in api.seen if seen.method == "POST").body["parameters"] == {"count": 3}
    assert result.stderr.splitlines() == [
        f"drain  running  job {JOB_ID}",
        f"drain  completed  job {JOB_ID}",
        "undo  skipped  none has failed",
    ]
    assert ["undo", "skipped", "-", "-", "-", "drain", "(failure)", "none", "has", "failed"] in [
        line.split() for line in result.stdout.splitlines()
    ]
    assert run("workflow", "run", "upgrade", "--no-wait").stdout == f"{RUN_ID}\n"


def test_a_failed_run_ends_with_1(run: Run, api: FakeApi) -> None:
    api.on("GET", f"/workflow-run/{RUN_ID}", Reply(200, FAILED))
    assert run("workflow", "watch", RUN_ID).exit_code == 1
    api.on("GET", f"/workflow-run/{RUN_ID}", Reply(200, RUNNING))
    late = run("workflow", "watch", RUN_ID, "--wait-timeout", "10ms")
    assert late.exit_code == 1
    assert "did not end within 0.01 s; it is processing and continues" in late.stderr


@pytest.mark.parametrize("verb", ["cancel", "retry"])
def test_cancel_and_retry_by_the_beginning_of_an_id(run: Run, api: FakeApi, verb: str) -> None:
    other = {**SUMMARY, "id": f"4f0d{RUN_ID[4:]}"}
    api.on("GET", "/workflow-run", Reply(200, {"runs": [SUMMARY, other], "total": 2, "next_cursor": None}))
    api.on("POST", f"/workflow-run/{RUN_ID}/{verb}", Reply(200, RUNNING))
    options = ["--no-wait"] if verb == "retry" else []
    assert "processing" in run("workflow", verb, RUN_ID[:6], *options).stdout
    assert "give the whole id" in run("workflow", verb, "ffffff", *options).stderr
    api.on("GET", "/workflow-run", Reply(200, {"runs": [SUMMARY, SUMMARY], "total": 2, "next_cursor": None}))
    assert "several runs" in run("workflow", verb, "4f0c", *options).stderr


def test_runs_and_versions(run: Run, api: FakeApi) -> None:
    api.on("GET", "/workflow-run", Reply(200, {"runs": [SUMMARY], "total": 1, "next_cursor": None}))
    assert RUN_ID in run("workflow", "runs", "upgrade", "--limit", "5").stdout
    assert api.seen[-1].query == {"workflow": "upgrade", "limit": "5"}
    api.on("GET", "/workflow/upgrade/versions", Reply(200, {"name": "upgrade", "versions": [WORKFLOW]}))
    assert "alice" in run("workflow", "versions", "upgrade").stdout


def test_delete(run: Run, api: FakeApi) -> None:
    api.on("DELETE", "/workflow/upgrade", Reply(204, None))
    assert run("workflow", "delete", "upgrade").stdout == "upgrade  deleted\n"
