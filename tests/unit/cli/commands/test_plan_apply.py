"""Fleet plans on the command line: what a check says of its plan, and ``jobqueue job apply``."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.model.fleet_plan import fleet_plan
from tests.unit.cli.commands.test_run_check import OPERATIONS, WOULD, WOULD_NOT
from tests.unit.cli.conftest import Run
from tests.unit.cli.jobs import ACCEPTED, ID, broadcast
from tests.unit.client.fake_api import FakeApi, Reply

OPERATION = {"type": "node.user.create", "data": {"name": "deploy", "check": True, "diff": True}}
ANSWERS: dict[str, dict[str, Any]] = {
    "web1": {"status": "completed", "data": WOULD},
    "web2": {"status": "completed", "data": WOULD_NOT},
    "web3": {"status": "completed", "data": WOULD},
    "web4": {"status": "lost", "error": "its agent was lost"},
}
CHECKED = {**broadcast("partial_failure", ANSWERS), "operation": OPERATION}
ITEMS = [{"hostname": name, "data": None, **answer} for name, answer in ANSWERS.items()]
PLAN = fleet_plan(CHECKED, ITEMS)
RUN = ("run", "node.user.create", "--on", "_all", "-d", "name=deploy", "--check", "--diff")


@pytest.fixture
def checked(api: FakeApi) -> FakeApi:
    api.on("POST", "/job", Reply(201, ACCEPTED))
    api.on("GET", "/operation", Reply(200, {"operations": OPERATIONS, "total": len(OPERATIONS)}))
    api.on("GET", f"/job/{ID}", Reply(200, CHECKED))
    page = {"total": 4, "execution_counts": {}, "items": ITEMS, "next_cursor": None}
    api.on("GET", f"/job/{ID}/executions", Reply(200, page))
    return api


def sent(api: FakeApi) -> list[dict[str, Any]]:
    return [seen.body for seen in api.seen if seen.method == "POST"]


def test_a_check_says_how_to_apply_its_plan(checked: FakeApi, run: Run) -> None:
    last = run(*RUN).stderr.splitlines()[-1]
    assert last == (
        f"Plan {PLAN.hash[:12]}: 2 of 3 hosts would change. Not a part of it: web4. "
        f"To apply it: jobqueue job apply {ID} --plan {PLAN.hash}"
    )


def test_a_check_of_many_hosts_reads_the_other_answers_for_its_plan(checked: FakeApi, run: Run) -> None:
    first = {**CHECKED, "executions_left_out": 3, "responses": {}, "agent_states": {}}
    checked.on("GET", f"/job/{ID}", Reply(200, first))
    assert f"--plan {PLAN.hash}" in run(*RUN).stderr


@pytest.mark.parametrize(
    "answers",
    [
        {"web1": {"status": "completed", "data": WOULD_NOT}},
        {"web1": {"status": "skipped", "data": None}},
    ],
)
def test_a_check_without_changes_has_no_plan_to_apply(checked: FakeApi, run: Run, answers: dict[str, Any]) -> None:
    checked.on("GET", f"/job/{ID}", Reply(200, {**broadcast("completed", answers), "operation": OPERATION}))
    assert "Plan" not in run(*RUN).stderr


def test_a_run_without_check_has_no_plan(checked: FakeApi, run: Run) -> None:
    assert "Plan" not in run(*RUN[:-2]).stderr


@pytest.mark.parametrize("given", [PLAN.hash, PLAN.hash[:12]])
def test_an_approved_plan_is_applied(checked: FakeApi, run: Run, given: str) -> None:
    result = run("job", "apply", ID, "--plan", given, "--batch", "25%")
    assert (result.exit_code, result.stdout) == (0, f"{ID}\n")
    (body,) = sent(checked)
    assert body["target_hostname"] == "_all"
    assert body["rollout"]["batch"] == "25%"
    terms = {"job": ID, "hash": PLAN.hash, "changes": PLAN.changes}
    assert body["operation"] == {
        "type": "node.user.create",
        "data": {"name": "deploy", "diff": True, "plan": terms},
    }


def test_another_plan_is_not_applied(checked: FakeApi, run: Run) -> None:
    for given in ("0" * 64, PLAN.hash[:11], ""):
        result = run("job", "apply", ID, "--plan", given)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"has the hash {PLAN.hash}" in result.stderr
    assert sent(checked) == []


def test_without_a_terminal_the_hash_is_required(checked: FakeApi, run: Run) -> None:
    result = run("job", "apply", ID)
    assert result.exit_code == 2
    assert f"Approve it by its hash: --plan {PLAN.hash}" in " ".join(result.stderr.split())
    assert sent(checked) == []


def test_a_job_that_has_checked_nothing(checked: FakeApi, run: Run) -> None:
    operation = {"type": "node.user.create", "data": {"name": "deploy"}}
    checked.on("GET", f"/job/{ID}", Reply(200, {**CHECKED, "operation": operation}))
    result = run("job", "apply", ID, "--plan", PLAN.hash)
    assert (result.exit_code, sent(checked)) == (2, [])
    assert "was submitted without --check" in result.stderr
