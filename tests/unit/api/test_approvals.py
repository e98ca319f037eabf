"""Grants with limits: a job beyond them waits until another principal approves its plan."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.model.agent import Registration
from tests.unit.api.shapes import error
from tests.unit.api.test_scopes import SHELL, Api, api, app, services, settings, submit

__all__ = ["api", "app", "services", "settings"]

WORK = ("job:*", "agent:read", "shell:execute;max_hosts=2")
HOURLY = ("job:*", "agent:read", "shell:execute;max_hosts_per_hour=3")


def waiting(api: Api, *grants: str, target: str = "_all", **options: Any) -> dict[str, Any]:
    """A job that waits for its approval."""
    client = api.by(*grants)
    answer = submit(client, target, **options)
    assert answer.status_code == 201, answer.text
    job: dict[str, Any] = client.get(f"/job/{answer.get_json()['job_id']}").get_json()
    assert job["rollout"]["state"] == "awaiting_approval"
    assert {x["status"] for x in job["agent_states"].values()} == {"submitted"}
    return job


def approve(api: Api, job: dict[str, Any], *grants: str, name: str = "bob", plan_hash: str | None = None) -> Any:
    body = {"plan_hash": plan_hash or job["approval"]["plan_hash"]}
    return api.by(*(grants or ("*",)), name=name).post(f"/job/{job['id']}/approve", json=body)


def opened(api: Api, job_id: str) -> set[str]:
    """The hosts that have a message."""
    ledger = api.services.ledger
    return {host for host in ("web1", "web2", "oracle1", "oracle2") if ledger.executions.exists(job_id, host)}


class TestLimits:
    @pytest.mark.parametrize("target", ["web1", "group:web", "2 of _all", "_any", "web1,oracle1"])
    def test_within(self, api: Api, target: str) -> None:
        client = api.by(*WORK)
        job = client.get(f"/job/{submit(client, target).get_json()['job_id']}").get_json()
        assert (job["approval"], job["rollout"]) == (None, None)
        assert opened(api, job["id"]) or target == "_any"

    @pytest.mark.parametrize("target", ["_all", "web1,web2,oracle1", "not web1"])
    def test_beyond(self, api: Api, target: str) -> None:
        job = waiting(api, *WORK, target=target)
        assert "shell:execute;max_hosts=2 allows 2 without an approval" in job["approval"]["because"]
        assert opened(api, job["id"]) == set()

    def test_a_share_of_the_fleet(self, api: Api) -> None:
        grants = ("job:*", "agent:read", "shell:execute;max_hosts=50%")
        assert submit(api.by(*grants), "group:web").status_code == 201
        assert "(50% of 4)" in waiting(api, *grants)["approval"]["because"]

    def test_grants_without_limits_count_no_hosts(self, api: Api) -> None:
        client = api.by("job:*", "agent:read", "shell:execute@group:web", "shell:execute;max_hosts=2")
        job = client.get(f"/job/{submit(client, '_all').get_json()['job_id']}").get_json()
        assert job["approval"] is None
        assert opened(api, job["id"]) == {"web1", "web2", "oracle1", "oracle2"}

    def test_within_an_hour(self, api: Api) -> None:
        assert submit(api.by(*HOURLY), "group:web").status_code == 201
        assert submit(api.by(*HOURLY), "web1").status_code == 201
        job = waiting(api, *HOURLY, target="web2")
        assert "exceeds the 3 within an hour" in job["approval"]["because"]
        error(submit(api.by(*HOURLY), "_any"), 403, "name its host")
        # another principal has an hour of its own
        client = api.by(*HOURLY, name="carl")
        answer = submit(client, "web2").get_json()
        assert client.get(f"/job/{answer['job_id']}").get_json()["approval"] is None
        assert approve(api, job).status_code == 200
        assert opened(api, job["id"]) == set()  # maintenance opens it in a moment
        api.services.ledger.rollouts.open(job["id"], "")
        assert opened(api, job["id"]) == {"web2"}

    def test_what_is_refused_counts_for_no_hour(self, api: Api) -> None:
        busy = {"concurrency": {"key": "k", "policy": "refuse"}}
        assert submit(api.by("*", name="root"), "oracle1", **busy).status_code == 201
        client = api.by(*HOURLY)
        past = "2020-01-01T00:00:00Z"
        for _ in range(4):
            assert submit(client, "web1", **busy).status_code == 409
            assert submit(client, "web1", expires_at=past).status_code == 400
            batch = {"jobs": [{"operation": SHELL, "target_hostname": "web1", **busy}]}
            assert client.post("/job/batch", json=batch).get_json()["items"][0]["code"] == 409
            error(submit(client, "group:web", rollout={"batch": 1, "max_failures": 3}), 400)
        # none of these was counted, and an accepted job is, once for one idempotency key
        for _ in range(4):
            assert submit(client, "web1,web2", idempotency_key="once").get_json()["status"] == "submitted"
        answer = submit(client, "web1").get_json()
        assert client.get(f"/job/{answer['job_id']}").get_json()["approval"] is None
        waiting(api, *HOURLY, target="web1")

    def test_a_limit_that_is_kept_counts_nothing_if_another_one_is_exceeded(self, api: Api) -> None:
        grants = ("job:write;max_hosts_per_hour=3", "job:read", "agent:read", "shell:execute;max_hosts_per_hour=2")
        waiting(api, *grants, target="web1,web2,oracle1")
        client = api.by(*grants)
        answer = submit(client, "group:web").get_json()
        assert client.get(f"/job/{answer['job_id']}").get_json()["approval"] is None

    def test_a_plan_tells(self, api: Api) -> None:
        client = api.by(*WORK)
        body = {"operation": {"type": "command.shell.execute", "data": {"command": "true"}}}
        plan = client.post("/job/plan", json={**body, "target_hostname": "_all"}).get_json()
        assert (plan["permitted"], "allows 2 without" in plan["awaits_approval"]) == (True, True)
        job_id = submit(client, "_all", plan_hash=plan["plan_hash"]).get_json().get("job_id")
        for target in ("group:web", "_any"):
            plan = client.post("/job/plan", json={**body, "target_hostname": target}).get_json()
            assert plan["awaits_approval"] is None
        assert job_id is None or opened(api, job_id) == set()

    def test_a_rollout_keeps_its_terms(self, api: Api) -> None:
        job = waiting(api, *WORK, rollout={"canary": 1, "batch": 3, "deadline_seconds": 60})
        assert job["rollout"]["terms"] == {"canary": 1, "batch": 3, "deadline_seconds": 60}
        assert approve(api, job).status_code == 200
        api.services.ledger.rollouts.open(job["id"], "")
        assert len(opened(api, job["id"])) == 1

    def test_a_retry_is_no_way_around(self, api: Api) -> None:
        job = waiting(api, *WORK)
        client = api.by(*WORK)
        assert client.post(f"/job/{job['id']}/cancel").status_code == 202
        again = client.post(f"/job/{job['id']}/retry").get_json()["job_id"]
        assert client.get(f"/job/{again}").get_json()["rollout"]["state"] == "awaiting_approval"
        assert opened(api, again) == set()

    def test_nor_are_ray_and_a_batch(self, api: Api) -> None:
        jobs = [{"operation": {"type": "command.shell.execute", "data": {"command": "x"}}, "target_hostname": "_all"}]
        (item,) = api.by(*WORK).post("/job/batch", json={"jobs": jobs}).get_json()["items"]
        assert opened(api, item["job_id"]) == set()


class TestApproving:
    def test_it_opens(self, api: Api) -> None:
        job = waiting(api, *WORK)
        answer = approve(api, job)
        assert answer.get_json()["rollout"]["state"] == "waiting"
        what, _ = api.services.ledger.rollouts.open(job["id"], "")
        assert what == ""
        assert opened(api, job["id"]) == {"web1", "web2", "oracle1", "oracle2"}
        events = [step["event"] for step in answer.get_json()["timeline"]]
        assert events == ["submitted", "approved"]
        entries = [entry for entry in api.by("*").get("/audit").get_json()["entries"] if "approve" in entry["path"]]
        assert (entries[0]["who"], entries[0]["status"]) == ("bob", 200)

    def test_never_by_the_submitter(self, api: Api) -> None:
        job = waiting(api, *WORK)
        error(approve(api, job, *WORK, name="anna"), 403, "submitted by anna")
        error(approve(api, job, "*", name="anna"), 403, "submitted by anna")
        error(api.by(*WORK).post(f"/job/{job['id']}/approve"), 403, "submitted by anna")
        page = api.by(*WORK).post(f"/ui/jobs/{job['id']}/approve", data={})
        assert page.status_code in (400, 403)
        assert opened(api, job["id"]) == set()

    def test_not_twice(self, api: Api) -> None:
        job = waiting(api, *WORK)
        assert approve(api, job).status_code == 200
        error(approve(api, job), 409, "No batch of its rollout waits")

    @pytest.mark.parametrize("body", [{}, {"plan_hash": "0" * 32}])
    def test_only_what_was_seen(self, api: Api, body: dict[str, str]) -> None:
        job = waiting(api, *WORK)
        refused = api.by("*", name="bob").post(f"/job/{job['id']}/approve", json=body)
        error(refused, 409 if body else 400, "plan_hash")
        assert opened(api, job["id"]) == set()

    def test_not_after_the_set_has_changed(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("jobqueue.ledger.roster.KEPT_SECONDS", 0.0)
        monkeypatch.setattr("jobqueue.ledger.roster._PAYS_OFF", 0.0)
        job = waiting(api, *WORK)
        types = api.services.registry.types()
        api.services.ledger.agents.register(Registration("web3", "boot", {"group": "web"}, {}, types, "1", 2))
        body = error(approve(api, job), 409, "also names 1 hosts")
        assert body["details"] == {"added": ["web3"], "removed": []}

    def test_not_without_the_permission(self, api: Api) -> None:
        job = waiting(api, *WORK)
        error(approve(api, job, "job:write", "job:read"), 403, "job:approve")
        error(approve(api, job, "job:approve@group:web", "job:read"), 403, "some hosts only")
        error(approve(api, job, "job:approve@group:web", "job:read@group:web"), 403)
        assert approve(api, job, "job:approve@group:web or group:oracle", "job:read").status_code == 200

    def test_who_sees_a_part_is_checked_as_well(self, api: Api) -> None:
        """Whether the job waits is asked of the whole job, not of the part that the approver sees."""
        grants = ("job:write", "job:approve", "job:read@group:web", "agent:read", "shell:execute;max_hosts=2")
        job = waiting(api, *WORK)
        for name, status in (("anna", 403), ("bob", 400)):
            client = api.by(*grants, name=name)
            error(client.post(f"/job/{job['id']}/approve"), status)
            assert client.post(f"/ui/jobs/{job['id']}/approve", data={}).status_code == status
        assert opened(api, job["id"]) == set()

    def test_paused_and_resumed_it_still_waits(self, api: Api) -> None:
        job = waiting(api, *WORK)
        client = api.by(*WORK)
        assert client.post(f"/job/{job['id']}/pause").status_code == 200
        error(approve(api, job), 409, "paused")
        assert api.by(*WORK).post(f"/job/{job['id']}/resume").status_code == 200
        api.services.ledger.rollouts.open(job["id"], "")
        assert opened(api, job["id"]) == set()
        assert approve(api, job).status_code == 200

    def test_aborted_and_cancelled(self, api: Api) -> None:
        for verb in ("abort", "cancel"):
            job = waiting(api, *WORK)
            assert api.by(*WORK).post(f"/job/{job['id']}/{verb}").status_code in (200, 202)
            assert api.by(*WORK).get(f"/job/{job['id']}").get_json()["status"] == "cancelled"
            error(approve(api, job), 409, "ended")

    def test_it_expires(self, api: Api) -> None:
        job = waiting(api, *WORK)
        assert job["expires_at"] is not None
        deadline = job["rollout"]["terms"]["deadline_seconds"]
        assert deadline == 86_400

    def test_the_doctor_opens_nothing(self, api: Api) -> None:
        job = waiting(api, *WORK)
        ledger = api.services.ledger
        assert ledger.jobs.examine(job["id"], 15_000_000, repairs=True) == []
        ledger.client.hset(ledger.keys.job(job["id"]), "gate", "99")
        ledger.client.hdel(ledger.keys.job(job["id"]), "awaits")
        assert ledger.jobs.examine(job["id"], 15_000_000, repairs=True) != []
        ledger.rollouts.open(job["id"], "")
        assert opened(api, job["id"]) == set()
        assert approve(api, job).status_code == 200

    def test_the_page(self, api: Api) -> None:
        job = waiting(api, *WORK)
        text = api.by("*", name="bob").get(f"/ui/jobs/{job['id']}").text
        assert "Approve the job" in text
        assert job["approval"]["plan_hash"] in text
        assert "max_hosts=2" in text
        listed = api.by("*", name="bob").get("/job").get_json()["items"][0]
        assert (listed["rollout"]["state"], listed["approval"]) == ("awaiting_approval", job["approval"])
