"""Attempts to have another principal's rights used: by concurrency keys, schedules, saved jobs, names and own keys."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import pytest
from flask.testing import FlaskClient

from api.app import create_app
from api.auth import gate
from api.scheduling import submission_of
from jobqueue.errors import PermissionDenied
from jobqueue.ledger.executions import Claim, Refusal
from jobqueue.ledger.schedules import Step
from jobqueue.model.agent import Registration
from jobqueue.model.credential import Credential, Kind
from jobqueue.model.principal import Principal, system
from jobqueue.services.credential_verifier import principal_of
from jobqueue.services.due_schedule import DueSchedule
from jobqueue.services.schedule_owner import OwnerReader
from jobqueue.services.scheduler import Scheduler
from tests.unit.api.over_a_ledger import services_with, settings_in
from tests.unit.api.shapes import error
from tests.unit.api.test_scopes import DB, SHELL, TEAM, WEB, Api, submit

ROOT = system("root")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Api:
    services = services_with(settings_in(tmp_path_factory.mktemp("state")), {})
    return Api(create_app(settings_in(tmp_path_factory.mktemp("api")), services), services)


@pytest.fixture
def api(shared: Api) -> Api:
    """Without any jobs or credentials."""
    shared.services.ledger.client.flushall()
    types = shared.services.registry.types()
    for group, hosts in (("web", WEB), ("oracle", DB)):
        for host in hosts:
            shared.services.agents.register(Registration(host, "boot", {"group": group}, {}, types, "1", 2))
    shared.services.ledger.roster.fleet(is_fresh=True)
    return shared


def status(api: Api, job_id: str) -> str:
    return str(api.services.ledger.jobs.get(job_id).status)


def keyed(client: FlaskClient, target: str, **terms: Any) -> Any:
    return submit(client, target, concurrency={"key": "deploy", **terms})


def replace_holders(api: Api) -> None:
    """What maintenance does with the jobs that are replaced."""
    for job_id, successor in api.services.ledger.executions.advance_lines(100)[1]:
        api.services.ledger.jobs.cancel(job_id, f"replaced by {successor}")


class TestConcurrencyKeys:
    def test_replace_cancels_no_job_outside_of_the_grant(self, api: Api) -> None:
        others = [api.job(target, concurrency={"key": "deploy"}) for target in ("oracle1", "_all")]
        assert keyed(api.by(*TEAM), "web1", policy="replace").status_code == 201
        replace_holders(api)
        assert [status(api, job_id) for job_id in others] == ["submitted", "submitted"]

    def test_replace_works_among_the_jobs_of_a_grant(self, api: Api) -> None:
        first = keyed(api.by(*TEAM), "web1").get_json()["job_id"]
        assert keyed(api.by(*TEAM, name="otto"), "web2", policy="replace").status_code == 201
        replace_holders(api)
        assert status(api, first) == "cancelled"

    def test_who_may_cancel_every_job_replaces_every_job(self, api: Api) -> None:
        first = api.job("oracle1", concurrency={"key": "deploy"})
        grants = ("job:*", "agent:read", "shell:execute@group:web")
        assert keyed(api.by(*grants), "web1", policy="replace").status_code == 201
        replace_holders(api)
        assert status(api, first) == "cancelled"

    def test_a_held_key_keeps_no_other_job_from_running(self, api: Api) -> None:
        assert keyed(api.by(*TEAM), "web1").status_code == 201
        assert keyed(api.by("*"), "oracle1", policy="refuse").status_code == 201

    def test_a_refusal_names_no_job_elsewhere(self, api: Api) -> None:
        api.job("oracle1", concurrency={"key": "deploy"})
        assert keyed(api.by(*TEAM), "web1", policy="refuse").status_code == 201

    @pytest.mark.parametrize("key", ["a-oracle1{label:none}", "a-{label:none}oracle1"])
    @pytest.mark.parametrize("grants", [TEAM, ("*",)])
    def test_a_key_is_not_that_of_another_host(self, api: Api, key: str, grants: tuple[str, ...]) -> None:
        """Written out, both are `a-oracle1`."""
        squatter = submit(api.by(*grants), "web1", concurrency={"key": key}).get_json()["job_id"]
        victim = api.job("oracle1", concurrency={"key": "a-{host}"})
        api.end(squatter, "web1")
        squatter = submit(api.by(*grants), "web1", concurrency={"key": key}).get_json()["job_id"]
        claim = api.services.ledger.executions.claim
        assert isinstance(claim(squatter, "web1", "web1", "t1"), Claim)
        assert isinstance(claim(victim, "oracle1", "oracle1", "t2"), Claim)

    def test_a_key_with_the_host_is_shared(self, api: Api) -> None:
        """Two programs that must not run at once on a host do not, no matter which principals started them."""
        mine = submit(api.by(*TEAM), "web1", concurrency={"key": "apt-{host}"}).get_json()["job_id"]
        other = api.job("web1", concurrency={"key": "apt-{host}"})
        claim = api.services.ledger.executions.claim
        claim(mine, "web1", "web1", "t1")
        assert claim(other, "web1", "web1", "t2") == Refusal("concurrency")


class TestSchedules:
    def _schedule(self, api: Api, **fields: Any) -> str:
        """A schedule of an administrator whose last job runs; returns the id of the job."""
        client = api.by("*", name="root")
        body = {"name": "nightly", "cron": "@daily", "overlap": "cancel_other"}
        body |= {"job": {"operation": SHELL, "target_hostname": "_all"}, **fields}
        assert client.post("/schedule", json=body).status_code == 201
        job_id: str = client.post("/schedule/nightly/trigger").get_json()["job_id"]
        return job_id

    @pytest.mark.parametrize("path", ["/schedule/nightly/trigger", "/ui/schedules/nightly/trigger"])
    @pytest.mark.parametrize(
        "grants",
        [
            ("schedule:*",),
            (*TEAM, "schedule:*"),
            ("schedule:*", "job:write"),  # not the operation's
            ("schedule:*", "job:write@group:web", "shell:execute", "agent:read"),
        ],
    )
    def test_triggering_cancels_only_what_the_caller_may_cancel(
        self, api: Api, path: str, grants: tuple[str, ...]
    ) -> None:
        job_id = self._schedule(api)
        assert api.by(*grants).post(path, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 403
        assert status(api, job_id) == "submitted"

    def test_a_job_elsewhere_is_not_cancelled_for_one_within_the_grant(self, api: Api) -> None:
        job_id = self._schedule(api)
        web = {"operation": SHELL, "target_hostname": "web1"}
        client = api.by("*", name="root")
        assert client.put("/schedule/nightly", json={"cron": "@daily", "overlap": "cancel_other", "job": web})
        error(api.by(*TEAM, "schedule:*").post("/schedule/nightly/trigger"), 403, "some hosts only")
        assert status(api, job_id) == "submitted"

    def test_who_may_cancel_the_last_job_replaces_it(self, api: Api) -> None:
        job_id = self._schedule(api)
        assert api.by("job:*", "schedule:*", "shell:execute").post("/schedule/nightly/trigger").status_code == 201
        assert status(api, job_id) == "cancelled"

    @pytest.mark.parametrize(
        ("granted", "reason"), [("job:write@group:web", "some hosts only"), ("job:read", "job:write")]
    )
    def test_an_owner_whose_rights_were_narrowed_cancels_nothing(self, api: Api, granted: str, reason: str) -> None:
        credentials = api.services.credentials
        record, _ = credentials.create_key(ROOT, "ci", permissions=["job:write", "shell:execute", "schedule:write"])
        owner = Principal("ci", frozenset(record.permissions), kind="key", id=record.name)
        gate.of(api.app).authenticate = lambda _environ: owner
        body = {"every": "1s", "anchor": "2020-01-01", "overlap": "cancel_other"}
        job = {"operation": SHELL, "target_hostname": "_all"}
        assert api.app.test_client().put("/schedule/s", json={**body, "job": job}).status_code == 201
        services = api.services
        make = partial(submission_of, services=services)
        owners = OwnerReader(services.ledger.credentials)
        scheduler = Scheduler(
            services.ledger, services.submitter, services.canceller.cancel, owners, make, services.workflow_engine
        )
        job_id = api.by("*", name="root").post("/schedule/s/trigger").get_json()["job_id"]
        services.ledger.credentials.change(Kind.KEY, record.name, permissions=(granted, "shell:execute"))
        view = services.schedules.get("s")
        due = (view.progress.next or 0) + 500_000  # before the following time, which would make this one a missed one
        step = DueSchedule(view, due).decide(scheduler._firer.cancel_last)
        assert isinstance(step, Step)
        assert step.result is not None
        assert (str(step.result.outcome), reason in step.result.reason) == ("refused", True)
        assert status(api, job_id) == "submitted"


class TestSavedJobs:
    SAVED: ClassVar[dict[str, Any]] = {"operation": SHELL, "target_hostname": "_all"}

    @pytest.mark.parametrize(
        ("grants", "missing"),
        [
            (("saved:*", "job:*"), "shell:execute"),
            (("saved:*", "shell:execute"), "job:write"),
            (("saved:*", *TEAM), "job:write on every host"),
            (("saved:*", "job:*", "shell:execute;max_hosts=1"), "shell:execute on every host"),
        ],
    )
    def test_what_the_caller_may_not_run_is_not_saved_for_a_schedule_of_another(
        self, api: Api, grants: tuple[str, ...], missing: str
    ) -> None:
        root = api.by("*", name="root")
        assert root.put("/saved/deploy", json={"operation": {"type": "node.hostname.get"}}).status_code == 201
        assert root.put("/saved/deploy", json=self.SAVED).status_code == 200
        assert (
            root.post("/schedule", json={"name": "s", "cron": "@daily", "job": {"saved": "deploy"}}).status_code == 201
        )
        before = root.get("/saved/deploy").get_json()
        changed = {**self.SAVED, "title": "changed"}
        error(api.by(*grants).put("/saved/deploy", json=changed), 403, missing)
        error(api.by(*grants).put("/saved/deploy?dry_run=true", json=changed), 403, missing)
        error(api.by(*grants).put("/saved/new", json=changed), 403, missing)
        assert api.by("*").get("/saved/deploy").get_json() == before

    def test_restoring_takes_the_same_rights(self, api: Api) -> None:
        root = api.by("*", name="root")
        assert root.put("/saved/deploy", json=self.SAVED).status_code == 201
        assert root.put("/saved/deploy", json={"operation": {"type": "node.hostname.get"}}).status_code == 200
        error(api.by("saved:*", "job:*").post("/saved/deploy/restore", json={"version": 1}), 403, "shell:execute")

    def test_a_secret_takes_its_permission(self, api: Api) -> None:
        grants = ("saved:*", "job:*", "shell:execute")
        by_name = {"type": "command.shell.execute", "data": {"command": "true", "env": {"A": {"$secret": "db"}}}}
        by_value = {"type": "command.shell.execute", "data": {"command": "true", "env": {"A": "{{ a }}"}}}
        for body in ({"operation": by_name}, {"operation": by_value, "parameters": {"a": {"secret": True}}}):
            error(api.by(*grants).put("/saved/deploy", json=body), 403, "secret:use")
            assert api.by(*grants, "secret:use").put("/saved/deploy", json=body).status_code in {200, 201}

    def test_who_may_run_it_may_save_it(self, api: Api) -> None:
        assert api.by("saved:*", "job:*", "shell:execute").put("/saved/deploy", json=self.SAVED).status_code == 201


LIMITED = ("job:*", "agent:read", "shell:execute;max_hosts=2", "key:write")


class TestApprovals:
    """A principal whose jobs must be approved makes credentials that could approve them."""

    def _as(self, api: Api, principal: Principal) -> FlaskClient:
        gate.of(api.app).authenticate = lambda _environ: principal
        return api.app.test_client()

    def _key(self, api: Api, by: Principal, title: str, *permissions: str) -> Principal:
        record, _ = api.services.credentials.create_key(by, title, permissions=permissions)
        return self._stored(api, record)

    def _stored(self, api: Api, record: Credential) -> Principal:
        kept, roles = api.services.ledger.credentials.look_up(record.kind, record.name)
        assert kept is not None
        return principal_of(kept, roles)

    def _waiting(self, api: Api, principal: Principal) -> dict[str, Any]:
        client = self._as(api, principal)
        job: dict[str, Any] = client.get(f"/job/{submit(client, '_all').get_json()['job_id']}").get_json()
        assert job["rollout"]["state"] == "awaiting_approval"
        return job

    def _approve(self, api: Api, principal: Principal, job: dict[str, Any]) -> Any:
        body = {"plan_hash": job["approval"]["plan_hash"]}
        return self._as(api, principal).post(f"/job/{job['id']}/approve", json=body)

    def test_by_a_key_of_the_submitter(self, api: Api) -> None:
        anna = Principal("anna", frozenset(LIMITED), kind="user")
        second = self._key(api, anna, "second", "job:approve", "job:read")
        error(self._approve(api, second, self._waiting(api, anna)), 403, "may control the credentials of both")

    def test_by_a_key_of_that_key(self, api: Api) -> None:
        anna = Principal("anna", frozenset(LIMITED), kind="user")
        second = self._key(api, anna, "second", "job:approve", "job:read", "key:write")
        third = self._key(api, second, "third", "job:approve", "job:read")
        error(self._approve(api, third, self._waiting(api, anna)), 403, "may control the credentials of both")

    def test_a_job_of_an_own_key_by_its_maker_or_its_sibling(self, api: Api) -> None:
        anna = Principal("anna", frozenset(LIMITED), kind="user")
        job = self._waiting(api, self._key(api, anna, "worker", "job:write", "job:read", "shell:execute;max_hosts=2"))
        sibling = self._key(api, anna, "approver", "job:approve", "job:read")
        assert job["approval"]["makers"] == ["user:anna"]
        for principal in (anna, sibling):
            error(self._approve(api, principal, job), 403, "may control the credentials of both")

    def test_by_a_user_whose_password_the_submitter_has_set(self, api: Api) -> None:
        anna = Principal("anna", frozenset(LIMITED), kind="user")
        bob, _ = api.services.credentials.create_user(ROOT, "bob", permissions=["job:approve", "job:read"])
        job = self._waiting(api, anna)
        api.services.credentials.set_password(anna, "bob")
        error(self._approve(api, self._stored(api, bob), job), 403, "may control the credentials of both")

    def test_by_credentials_of_an_administrator(self, api: Api) -> None:
        anna = self._key(api, ROOT, "anna", *LIMITED)
        bob, _ = api.services.credentials.create_user(ROOT, "bob", permissions=["job:approve", "job:read"])
        api.services.credentials.set_password(self._stored(api, bob), "bob")
        assert self._approve(api, self._stored(api, bob), self._waiting(api, anna)).status_code == 200

    def test_storing_a_schedule_counts_no_hosts(self, api: Api) -> None:
        hourly = ("job:*", "agent:read", "schedule:*", "shell:execute;max_hosts_per_hour=3")
        client = api.by(*hourly)
        body = {"cron": "@daily", "job": {"operation": SHELL, "target_hostname": "group:web"}}
        for _ in range(3):
            assert client.put("/schedule/s", json=body).status_code in {200, 201}
        job = client.get(f"/job/{submit(client, 'group:web').get_json()['job_id']}").get_json()
        assert job["approval"] is None


class TestNames:
    """What belongs to a name is not had by taking the name."""

    BY = Principal("eve", frozenset({"key:write", "job:write", "saved:run"}), kind="user")

    def test_of_a_user(self, api: Api) -> None:
        credentials = api.services.credentials
        credentials.create_user(ROOT, "alice", roles=["read"])
        with pytest.raises(PermissionDenied, match="alice"):
            credentials.create_key(self.BY, "alice", permissions=["job:write"])

    def test_of_a_key(self, api: Api) -> None:
        credentials = api.services.credentials
        credentials.create_key(ROOT, "ci", roles=["write"])
        for create in (credentials.create_key, credentials.create_user):
            with pytest.raises(PermissionDenied, match="ci"):
                create(self.BY, "ci", permissions=["job:write"])

    def test_of_own_credentials(self, api: Api) -> None:
        credentials = api.services.credentials
        credentials.create_key(self.BY, "deploy", permissions=["job:write"])
        credentials.create_key(self.BY, "deploy", permissions=["job:write"])
        credentials.create_key(self.BY, "eve", permissions=["job:write"])

    def test_an_administrator_may_use_a_name_twice(self, api: Api) -> None:
        for _ in range(2):
            api.services.credentials.create_key(ROOT, "ci", roles=["write"])
