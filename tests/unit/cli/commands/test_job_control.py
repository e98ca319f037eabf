"""``jobqueue job cancel``, ``delete`` and what steers a rollout."""

from __future__ import annotations

import pytest

from tests.unit.cli.commands.test_job import ONE, THREE, TWO
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ID, job
from tests.unit.client.fake_api import FakeApi, Reply


def test_cancel_several_and_one_is_refused(api: FakeApi, run: Run) -> None:
    api.on("POST", f"/job/{ONE}/cancel", Reply(409, {"error": "The job has ended.", "code": 409, "details": None}))
    api.on("POST", f"/job/{TWO}/cancel", Reply(202, {"id": "2", "status": "processing"}))
    api.on("POST", f"/job/{THREE}/cancel", Reply(202, {"id": "3", "status": "cancelled"}))
    result = run("job", "cancel", ONE, TWO, THREE)
    assert result.exit_code == 2
    assert result.stdout == "2  processing, cancel requested\n3  cancelled\n"
    assert result.stderr == f"Error: {ONE}: The job has ended.\n"


def test_delete(api: FakeApi, run: Run) -> None:
    api.on("DELETE", f"/job/{ONE}", Reply(204))
    result = run("job", "delete", ONE)
    assert (result.exit_code, result.stdout) == (0, f"{ONE}  deleted\n")
    assert run("job", "delete").exit_code == 2


@pytest.mark.parametrize("verb", ["pause", "resume", "approve", "abort"])
def test_steer_a_rollout(api: FakeApi, run: Run, verb: str) -> None:
    api.on("POST", f"/job/{ID}/{verb}", Reply(200, job("processing", rollout={"state": "paused"})))
    result = run("job", verb, ID)
    assert (result.exit_code, result.stdout) == (0, f"{ID}  paused\n")


def test_approve_a_plan(api: FakeApi, run: Run) -> None:
    approval = {"because": "The job reaches 4 hosts.", "plan_hash": "93c1", "by": "user:anna"}
    rollout = {"state": "awaiting_approval", "batches": []}
    api.on("GET", f"/job/{ID}", Reply(200, job("submitted", rollout=rollout, approval=approval)))
    shown = run("job", "show", ID).stdout
    assert "The job reaches 4 hosts." in shown
    assert "93c1" in shown
    api.on("POST", f"/job/{ID}/approve", Reply(200, job("submitted", rollout={"state": "waiting"})))
    assert run("job", "approve", ID, "--plan-hash=93c1").stdout == f"{ID}  waiting\n"
    assert api.seen[-1].body == {"plan_hash": "93c1"}
