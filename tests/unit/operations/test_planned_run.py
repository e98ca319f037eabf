"""A fleet plan on a host: what a check remembers, and which runs that apply the plan are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData, OperationFailed
from jobqueue.model.fleet_plan import change_digest, fleet_plan
from jobqueue.operations import planned_run
from jobqueue.operations.builtin import ntp
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from tests.unit.operations.builtin.tools import Tools
from tests.unit.operations.conftest import Perform

CREATE = "node.ntp.create"
DATA = {"servers": ["ntp1.example.org"]}
CHECK, APPLY = "6f1c2f8e-0000-4000-8000-000000000001", "6f1c2f8e-0000-4000-8000-000000000002"


class Host:
    """An agent that checks and applies; ``path`` is the file that its operation changes."""

    def __init__(self, perform: Perform, state: Path, path: Path) -> None:
        self._perform = perform
        self._fields = {"settings": Settings(state_dir=state)}
        self.path = path

    def check(self, hostname: str = "web1") -> Any:
        return self._perform(CREATE, {**DATA, "check": True}, job_id=CHECK, hostname=hostname, **self._fields).data

    def apply(self, plan: dict[str, Any], hostname: str = "web1", **fields: Any) -> Any:
        data = {**DATA, "plan": plan}
        return self._perform(CREATE, data, job_id=APPLY, hostname=hostname, **self._fields, **fields)


@pytest.fixture
def host(perform: Perform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    (tmp_path / "sources.d").mkdir()
    monkeypatch.setattr(ntp, "_FOLDER", tmp_path / "sources.d")
    Tools(tmp_path / "bin", monkeypatch).add("chronyc")
    return Host(perform, tmp_path / "state", tmp_path / "sources.d/jobqueue.sources")


def plan_of(**answers: Any) -> dict[str, Any]:
    """The plan of the check with these answers, as a run that applies it has it in its data."""
    job = {
        "id": CHECK,
        "status": "completed",
        "operation": {"type": CREATE, "data": {**DATA, "check": True}},
        "target_hostname": "_all",
    }
    # as they come from the API
    executions = [{"hostname": name, "status": "completed", "data": data} for name, data in answers.items()]
    found = fleet_plan(json.loads(json.dumps(job)), json.loads(json.dumps(executions)))
    applying = found.applying
    assert {**DATA, "plan": applying["plan"]} == applying
    terms: dict[str, Any] = applying["plan"]
    return terms


def test_a_host_that_still_needs_the_change_gets_it(host: Host) -> None:
    answer = host.check()
    outcome = host.apply(plan_of(web1=answer))
    assert outcome.changed is True
    assert host.path.read_text().endswith("server ntp1.example.org iburst\n")


def test_a_host_that_was_changed_meanwhile_refuses(host: Host) -> None:
    plan = plan_of(web1=host.check())
    for text in (
        "# Written by jobqueue.\nserver other iburst\n",
        "# Written by jobqueue.\nserver ntp1.example.org iburst\n",
    ):
        host.path.write_text(text)
        with pytest.raises(
            OperationFailed, match=f"no longer matches the plan {plan['hash'][:12]}.*Nothing was changed"
        ):
            host.apply(plan)
        assert host.path.read_text() == text


def test_each_host_is_held_to_its_own_change(host: Host) -> None:
    """Also if another host of the plan needs the change that this one needs now."""
    first = host.check("web1")
    host.path.write_text("# Written by jobqueue.\nserver ntp1.example.org iburst\n")
    second = host.check("web2")
    plan = plan_of(web1=first, web2=second)
    assert len(plan["changes"]) == 2
    with pytest.raises(OperationFailed, match="no longer matches"):
        host.apply(plan, "web1")
    assert host.apply(plan, "web2").changed is False
    host.path.unlink()
    with pytest.raises(OperationFailed, match="no longer matches"):
        host.apply(plan, "web2")
    assert host.apply(plan, "web1").changed is True


def test_a_host_that_was_not_checked_or_not_approved_refuses(host: Host, perform: Perform) -> None:
    answer = host.check()
    plan = plan_of(web1=answer)
    with pytest.raises(OperationFailed, match="This host has no record of the plan"):
        host.apply(plan, "web2")
    with pytest.raises(OperationFailed, match="This host has no record of the plan"):
        perform(CREATE, {**DATA, "plan": plan}, job_id=APPLY)  # an agent without a state directory
    other = {**plan, "changes": ["0" * 64]}
    with pytest.raises(OperationFailed, match="does not hold the change of this host; nothing was changed"):
        host.apply(other)
    assert not host.path.exists()


def test_an_attempt_after_the_one_that_changed_the_host(host: Host) -> None:
    plan = plan_of(web1=host.check())
    host.apply(plan)
    assert host.apply(plan, attempt=2).changed is False
    with pytest.raises(OperationFailed, match="no longer matches"):
        host.apply(plan)


def test_a_check_is_not_refused_where_it_cannot_be_remembered(host: Host, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    answer = host.check()
    assert answer["would_change"] is True
    with pytest.raises(OperationFailed, match="no record of the plan"):
        host.apply(plan_of(web1=answer))


def test_the_oldest_records_are_forgotten(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planned_run, "_MOST_RECORDS", 2)
    for number in range(5):
        host.check(f"web{number}")
    assert len(list((tmp_path / "state/plans").iterdir())) == 2


def test_a_digest_is_that_of_the_change_alone() -> None:
    first = {"check": True, "would_change": True, "diff": "+a\n", "name": "x"}
    assert change_digest(first) == change_digest({**first, "name": "y", "message": "z"})
    assert change_digest(first) != change_digest({**first, "diff": "+b\n"})
    assert change_digest(first) != change_digest({**first, "would_change": False})
    for answer in (None, [], "text", {}, {**first, "check": False}, {**first, "check": 1}):
        assert change_digest(answer) is None


@pytest.mark.parametrize(
    ("plan", "field"),
    [
        ({}, "plan.job"),
        ("x", "plan"),
        ({"job": "../../etc/passwd", "hash": "0" * 64, "changes": ["0" * 64]}, "plan.job"),
        ({"job": CHECK, "hash": "0" * 64, "changes": []}, "plan.changes"),
        ({"job": CHECK, "hash": "x", "changes": ["0" * 64]}, "plan.hash"),
        ({"job": CHECK, "hash": "0" * 64, "changes": ["0"]}, "plan.changes.0"),
        ({"job": CHECK, "hash": "0" * 64, "changes": ["0" * 64] * 201}, "plan.changes"),
        ({"job": CHECK, "hash": "0" * 64, "changes": ["0" * 64], "more": 1}, "plan.more"),
    ],
)
def test_a_bad_plan(registry: Registry, perform: Perform, plan: Any, field: str) -> None:
    with pytest.raises(InvalidOperationData) as raised:
        registry.validate(CREATE, {**DATA, "plan": plan})
    assert any(name.startswith(field) for name in raised.value.details or {})
    with pytest.raises(OperationFailed, match="The plan is not valid"):
        perform(CREATE, {**DATA, "plan": plan}, job_id=APPLY)
