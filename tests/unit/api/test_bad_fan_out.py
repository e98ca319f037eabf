"""Bad input to targets, rollouts, limits and approvals: each is refused with what is wrong, and submits nothing."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.model.agent import Registration
from tests.unit.api.shapes import error
from tests.unit.api.test_scopes import Api, api, app, services, settings, submit

__all__ = ["api", "app", "services", "settings"]


def refused(api: Api, target: str = "_all", **options: Any) -> dict[str, Any]:
    """The refusal of a job, which must not have been stored."""
    body: dict[str, Any] = error(submit(api.by("*"), target, **options), 400)
    assert api.by("*").get("/job").get_json()["items"] == []
    return body


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("10% of", "ends too early"),
        ("10% of cpus>100000", "no agent has"),
        ("10% of (group:web and group:oracle)", "No agent matches"),
        ("0% of _all", "0% is not a share"),
        ("101% of _all", "101% is not a share"),
        ("0 of _all", "0"),
        ("web[20-01]", "did you mean 01-20?"),
        ("web[1-99999999]", "more than 10000 hosts"),
        (" or ".join(["web1"] * 10_000), "at most 4096"),
        ("kernle:6.1", "kernle"),
        ("group:wbe", "Did you mean group:web?"),
        ('group~"("', "regular expression"),
        ('group~"(a)\\1"', "regular expression"),
    ],
)
def test_targets(api: Api, target: str, words: str) -> None:
    body = refused(api, target)
    assert words.lower() in body["error"].lower()
    assert list(body["details"]) == ["target_hostname"]


def test_a_regular_expression_that_would_run_for_ever(api: Api) -> None:
    """A backtracking engine needs 2**60 steps here: the test would not end."""
    types = api.services.registry.types()
    facts = {"os": {"name": "a" * 60 + "!"}}
    api.services.ledger.agents.register(Registration("slow", "boot", {}, facts, types, "1", 2))
    api.services.ledger.roster.fleet(is_fresh=True)
    assert "No agent matches" in refused(api, 'os.name~"^(a+)+$"')["error"]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"rollout": {"batch": 0}}, "rollout"),
        ({"rollout": {"batch": "0%"}}, "rollout"),
        ({"rollout": {"batch": "101%"}}, "rollout"),
        ({"rollout": {"batch": 1, "max_failures": 5}}, "rollout.max_failures"),
        ({"rollout": {"batch": 1, "rate": "0/s"}}, "rollout"),
        ({"rollout": {"batch": 1, "verify": {"operation": {"type": "node.hostnme.get"}}}}, "rollout.verify"),
        ({"concurrency": {"key": "a\nb"}}, "concurrency"),
    ],
)
def test_terms(api: Api, options: dict[str, Any], field: str) -> None:
    assert field in next(iter(refused(api, **options)["details"]))


def test_an_approval_by_the_submitter_and_a_second_one(api: Api) -> None:
    grants = ("job:*", "agent:read", "shell:execute;max_hosts=1")
    job_id = submit(api.by(*grants), "_all").get_json()["job_id"]
    body = {"plan_hash": api.by(*grants).get(f"/job/{job_id}").get_json()["approval"]["plan_hash"]}
    error(api.by(*grants).post(f"/job/{job_id}/approve", json=body), 403, "another principal")
    error(api.by("*", name="bob").post(f"/job/{job_id}/approve"), 400, "plan_hash")
    assert api.by("*", name="bob").post(f"/job/{job_id}/approve", json=body).status_code == 200
    error(api.by("*", name="bob").post(f"/job/{job_id}/approve", json=body), 409)


def test_a_pause_without_a_reason(api: Api) -> None:
    for body in ({"everything": True}, {"everything": True, "reason": " "}):
        error(api.by("*").post("/pause", json=body), 400, "reason")
    assert api.services.pauses.all() == []


@pytest.mark.parametrize("verb", ["resume", "pause", "approve", "abort"])
def test_steering_what_has_ended(api: Api, verb: str) -> None:
    client = api.by("*")
    job_id = submit(client, "_all", rollout={"batch": 1}).get_json()["job_id"]
    client.post(f"/job/{job_id}/cancel")
    error(client.post(f"/job/{job_id}/{verb}"), 409, "has ended")
