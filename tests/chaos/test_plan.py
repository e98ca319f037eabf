"""A plan depends on its seed and length alone."""

from __future__ import annotations

import pytest

from tests.chaos.plan import FAULTS, make_plan


def test_the_same_seed_makes_the_same_plan() -> None:
    assert make_plan(7, 60) == make_plan(7, 60)
    assert make_plan(7, 60) != make_plan(8, 60)


@pytest.mark.parametrize("seed", range(20))
def test_a_plan_holds_every_fault_and_stays_within_its_time(seed: int) -> None:
    plan = make_plan(seed, 45)
    assert {fault.kind for fault in plan.faults} == set(FAULTS)
    assert all(0 < fault.at < 45 for fault in plan.faults)
    assert all(0 <= fault.choice < 1 for fault in plan.faults)
    assert [fault.at for fault in plan.faults] == sorted(fault.at for fault in plan.faults)
    assert [request.number for request in plan.requests] == list(range(len(plan.requests)))


def test_a_plan_asks_for_everything_that_a_job_can_have() -> None:
    requests = make_plan(1, 60).requests
    assert {request.target for request in requests} >= {"_any", "_all", "a1", "group:web"}
    assert {"retries", "priority", "timeout_seconds"} <= {name for request in requests for name in request.options}
    assert any(request.cancel_after is not None for request in requests)
    assert any(request.delete_after is not None for request in requests)
    assert any(request.not_before is not None for request in requests)
    assert any(request.expires_at is not None for request in requests)
    assert any(not request.keyed for request in requests)
    assert any(request.batch for request in requests)
    terms = {name for request in requests for name in request.options.get("rollout", {})}
    assert terms >= {"batch", "max_failures", "canary", "pause_seconds", "on_failure", "rate", "verify"}
    assert {request.max_attempts for request in requests} >= {None, 1, 2}


def test_only_some_faults() -> None:
    assert {fault.kind for fault in make_plan(1, 20, ("agent-kill",)).faults} == {"agent-kill"}
