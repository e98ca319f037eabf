"""Fleet plans: what a check becomes, its hash, and what approves it."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from jobqueue.errors import InvalidInput
from jobqueue.model.fleet_plan import MAX_CHANGES, FleetPlan, fleet_plan, plan_hash

ID = "6f1c2f8e-0000-4000-8000-000000000001"
WOULD = {"check": True, "would_change": True, "diff": "+name: deploy\n"}
WOULD_NOT = {"check": True, "would_change": False}
#: By hand: the SHA-256 of ``[true,"+name: deploy\n"]`` and ``[false,""]`` as compact JSON.
DIGEST = hashlib.sha256(b'[true,"+name: deploy\\n"]').hexdigest()
DIGEST_OF_NONE = hashlib.sha256(b'[false,""]').hexdigest()


def checked(status: str = "completed", **data: Any) -> dict[str, Any]:
    operation = {"type": "node.user.create", "data": {"name": "deploy", "check": True, **data}}
    return {"id": ID, "status": status, "operation": operation, "target_hostname": "group:web"}


def execution(hostname: str, data: Any, status: str = "completed") -> dict[str, Any]:
    return {"hostname": hostname, "status": status, "data": data}


def made(*executions: dict[str, Any]) -> FleetPlan:
    return fleet_plan(checked(diff=True), executions)


def test_a_plan() -> None:
    plan = made(execution("web2", WOULD_NOT), execution("web1", WOULD), execution("web3", None, "failed"))
    assert plan.digests == {"web1": DIGEST, "web2": DIGEST_OF_NONE}
    assert (plan.changing, plan.unplanned, plan.target) == (1, ("web3",), "group:web")
    assert plan.hash == hashlib.sha256(f"{ID}\nweb1 {DIGEST}\nweb2 {DIGEST_OF_NONE}".encode()).hexdigest()
    assert plan.applying == {
        "name": "deploy",
        "diff": True,
        "plan": {"job": ID, "hash": plan.hash, "changes": sorted([DIGEST, DIGEST_OF_NONE])},
    }


def test_a_check_on_any_host_is_applied_to_the_host_that_checked() -> None:
    assert fleet_plan({**checked(), "target_hostname": "_any"}, [execution("web7", WOULD)]).target == "web7"


def test_the_data_of_a_plan_does_not_grow_with_the_fleet() -> None:
    plan = made(*(execution(f"web{number}", WOULD) for number in range(10_000)))
    assert plan.applying["plan"]["changes"] == [DIGEST]
    assert (plan.changing, len(plan.digests)) == (10_000, 10_000)


def test_the_hash_is_that_of_the_job_and_of_every_host() -> None:
    hashes = {
        plan_hash(ID, {"web1": DIGEST}),
        plan_hash(ID, {"web2": DIGEST}),
        plan_hash(ID, {"web1": DIGEST_OF_NONE}),
        plan_hash(ID, {"web1": DIGEST, "web2": DIGEST}),
        plan_hash(ID.replace("1", "2"), {"web1": DIGEST}),
    }
    assert len(hashes) == 5
    assert plan_hash(ID, {"a": DIGEST, "b": DIGEST}) == plan_hash(ID, {"b": DIGEST, "a": DIGEST})


def test_what_approves_a_plan() -> None:
    plan = made(execution("web1", WOULD))
    for approved in (plan.hash, plan.hash[:12], plan.hash[:12].upper()):
        plan.require(approved)
    for approved in ("", plan.hash[:11], "0" * 64, f"{plan.hash}0", "x" * 1000):
        with pytest.raises(InvalidInput, match=f"The plan of job {ID} has the hash {plan.hash}, not "):
            plan.require(approved)


@pytest.mark.parametrize(
    ("job", "executions", "words"),
    [
        (checked("processing"), [], f"Job {ID} is still processing"),
        (checked(check=False), [execution("web1", WOULD)], "was submitted without --check"),
        (checked(), [], "No host has completed the check"),
        (
            checked(),
            [execution("web1", {"check": False}), execution("web2", "text")],
            "No host has completed the check",
        ),
        (
            checked(),
            [execution(f"web{n}", {**WOULD, "diff": str(n)}) for n in range(MAX_CHANGES + 1)],
            f"The hosts need more than {MAX_CHANGES} different changes",
        ),
    ],
)
def test_jobs_without_a_plan(job: dict[str, Any], executions: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        fleet_plan(job, executions)
