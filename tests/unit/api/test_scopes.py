"""Permissions on some hosts only, through every way in: nothing outside of them is reached or shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import create_app
from api.auth import gate
from api.auth.rules import KNOWN, PUBLIC, rule_name, rule_of
from api.auth.scoped_routes import SCOPED, is_scoped
from jobqueue.ledger.executions import Claim
from jobqueue.model.agent import Registration
from jobqueue.model.principal import Principal
from jobqueue.model.states import ExecutionState
from jobqueue.services import Services
from jobqueue.settings import Settings
from tests.unit.api.auth.test_rules import routes
from tests.unit.api.over_a_ledger import services_with, settings_in
from tests.unit.api.shapes import error

SHELL = {"type": "command.shell.execute", "data": {"command": "true"}}
WEB = ("web1", "web2")
DB = ("oracle1", "oracle2")
#: What a holder of a grant for the web hosts may do there.
TEAM = ("job:*@group:web", "agent:*@group:web", "shell:execute@group:web", "entrypoint:execute@group:web")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def services(settings: Settings) -> Services:
    return services_with(
        settings, {host: {"group": group} for group, hosts in (("web", WEB), ("oracle", DB)) for host in hosts}
    )


@pytest.fixture
def app(settings: Settings, services: Services) -> Flask:
    return create_app(settings, services)


class Api:
    """The application, asked by different principals."""

    def __init__(self, app: Flask, services: Services) -> None:
        self.app = app
        self.services = services

    def by(self, *grants: str, name: str = "anna") -> FlaskClient:
        principal = Principal(name, frozenset(grants), kind="user")
        gate.of(self.app).authenticate = _Always(principal)  # type: ignore[assignment]
        return self.app.test_client()

    def job(self, target: str, **options: Any) -> str:
        """A job that an administrator submits."""
        answer = self.by("*", name="root").post("/job", json={"operation": SHELL, "target_hostname": target, **options})
        assert answer.status_code == 201, answer.text
        job_id: str = answer.get_json()["job_id"]
        return job_id

    def end(self, job_id: str, host: str, state: ExecutionState = ExecutionState.COMPLETED, note: str = "") -> None:
        claim = self.services.ledger.executions.claim(job_id, host, host, f"token-{host}")
        assert isinstance(claim, Claim)
        self.services.ledger.executions.finish(claim, state, note=note)


class _Always:
    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    def __call__(self, _environ: object) -> Principal:
        return self._principal

    def still(self, _environ: object) -> Principal:
        return self._principal


@pytest.fixture
def api(app: Flask, services: Services) -> Iterator[Api]:
    before = gate.of(app).authenticate
    yield Api(app, services)
    gate.of(app).authenticate = before


def submit(client: FlaskClient, target: str, **options: Any) -> Any:
    return client.post("/job", json={"operation": SHELL, "target_hostname": target, **options})


class TestSubmissions:
    @pytest.mark.parametrize(
        "target", ["web1", "group:web", "web1,web2", "web*", "group:web and not web2", "1 of group:web"]
    )
    def test_within(self, api: Api, target: str) -> None:
        assert submit(api.by(*TEAM), target).status_code == 201

    @pytest.mark.parametrize(
        "target", ["oracle1", "_all", "group:oracle", "web1,oracle1", "*1", "not web1", "3 of _all", "nowhere"]
    )
    def test_outside(self, api: Api, target: str) -> None:
        """What is outside is not named, for the caller may not see it."""
        text = error(
            submit(api.by(*TEAM), target),
            403,
            "some hosts only" if target not in ("oracle1", "nowhere", "group:oracle") else "",
        )
        told = json.dumps(text).replace(target, "")
        assert "oracle1" not in told
        assert "oracle2" not in told
        assert "group:web" in told
        assert api.by("*").get("/job").get_json()["items"] == []

    def test_hosts_that_the_caller_sees_are_named(self, api: Api) -> None:
        body = error(submit(api.by(*TEAM, "agent:read"), "_all"), 403, "not on oracle1, oracle2")
        assert body["details"]["hosts"] == ["oracle1", "oracle2"]
        assert body["details"]["grant"] == "shell:execute@group:web" or "job:*@group:web" in body["details"]["grant"]

    @pytest.mark.parametrize("lacks", ["job:write", "shell:execute"])
    def test_each_permission_counts(self, api: Api, lacks: str) -> None:
        grants = {"job:write", "shell:execute"} - {lacks}
        client = api.by(*grants, f"{lacks}@group:web")
        assert submit(client, "web1").status_code == 201
        assert error(submit(client, "oracle1"), 403)["details"]["permission"] == lacks

    def test_any_goes_to_a_permitted_host(self, api: Api) -> None:
        client = api.by(*TEAM)
        hosts = set()
        for _ in range(8):
            job_id = submit(client, "_any").get_json()["job_id"]
            hosts.update(client.get(f"/job/{job_id}").get_json()["agent_states"])
        assert hosts <= set(WEB)
        assert hosts

    def test_any_with_needs_is_refused(self, api: Api) -> None:
        client = api.by(*TEAM, "agent:read")
        refused = client.post("/api/jobs/", json={"entrypoint": "true", "entrypoint_num_cpus": 1})
        assert (refused.status_code, "a job with needs is refused" in refused.text) == (403, True)
        refused = api.by(*TEAM).post("/api/jobs/", json={"entrypoint": "true", "entrypoint_num_cpus": 1})
        assert (refused.status_code, "on some hosts only" in refused.text) == (403, True)

    def test_a_batch_is_checked_item_by_item(self, api: Api) -> None:
        jobs = [{"operation": SHELL, "target_hostname": target} for target in ("web1", "oracle1", "_all", "group:web")]
        items = api.by(*TEAM).post("/job/batch", json={"jobs": jobs}).get_json()["items"]
        assert [item.get("code") for item in items] == [None, 403, 403, None]

    def test_a_new_host_with_the_label_is_not_joined_behind_the_check(
        self, api: Api, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The ledger opens the hosts that were checked, not those that it finds a moment later."""
        monkeypatch.setattr("jobqueue.ledger.roster.KEPT_SECONDS", 3600.0)
        monkeypatch.setattr("jobqueue.ledger.roster.MOST_KEPT_SECONDS", 3600.0)
        client = api.by(*TEAM)
        api.services.scopes.fleet()
        types = api.services.registry.types()
        api.services.ledger.agents.register(Registration("web3", "boot", {"group": "web"}, {}, types, "1", 2))
        job_id = submit(client, "group:web").get_json()["job_id"]
        assert sorted(client.get(f"/job/{job_id}").get_json()["agent_states"]) == ["web1", "web2"]

    def test_a_stored_target_reaches_no_further(self, api: Api) -> None:
        api.by("*").post("/target", json={"name": "everything", "target": "_all"})
        error(submit(api.by(*TEAM), "@everything"), 403)
        error(submit(api.by(*TEAM), "@everything and group:oracle"), 403)
        assert submit(api.by(*TEAM), "@everything and group:web").status_code == 201

    def test_the_hosts_of_a_hidden_job_select_nothing(self, api: Api) -> None:
        hidden, shown = api.job("_all"), api.job("web1")
        error(submit(api.by(*TEAM), f"job:{hidden}.submitted and group:web"), 404, hidden)
        assert submit(api.by(*TEAM), f"job:{shown}.submitted").status_code == 201

    def test_a_retry(self, api: Api) -> None:
        everywhere, web = api.job("_all"), api.job("web1")
        for job_id in (everywhere, web):
            api.by("*").post(f"/job/{job_id}/cancel")
        client = api.by(*TEAM)
        error(client.post(f"/job/{everywhere}/retry"), 403)
        error(client.post(f"/job/{everywhere}/retry", json={"target_hostname": "web1"}), 403)
        error(client.post(f"/job/{web}/retry", json={"target_hostname": "oracle1"}), 403)
        assert client.post(f"/job/{web}/retry").status_code == 201

    def test_fusion(self, api: Api) -> None:
        script = {"id": "nightly", "type": "script", "language": "shell", "script": "true"}
        script["targetHostname"] = "oracle1"
        refused = api.by(*TEAM).post("/api/spark/jobs", json=script)
        assert (refused.status_code, "concerns all hosts" in refused.text) == (403, True)
        # a principal that may write jobs everywhere, but not run scripts there
        refused = api.by("job:write", "job:read", "agent:read", "shell:execute@group:web").post(
            "/api/spark/jobs", json=script
        )
        assert refused.status_code == 403
        assert "names no host on which anna has shell:execute" in refused.text

    def test_ray(self, api: Api) -> None:
        client = api.by(*TEAM)
        accepted = client.post("/api/jobs/", json={"entrypoint": "true"})
        assert accepted.status_code == 200, accepted.text
        name = accepted.get_json()["submission_id"]
        assert [job["submission_id"] for job in client.get("/api/jobs/").get_json()] == [name]
        hidden = api.job("oracle1")
        client = api.by(*TEAM)
        assert client.get(f"/api/jobs/{hidden}").status_code == 404
        assert client.post(f"/api/jobs/{hidden}/stop").status_code == 404
        assert client.delete(f"/api/jobs/{hidden}").status_code == 404
        assert len(client.get("/api/jobs/").get_json()) == 1

    def test_a_plan(self, api: Api) -> None:
        client = api.by(*TEAM)
        plan = client.post("/job/plan", json={"operation": SHELL, "target_hostname": "group:web"}).get_json()
        assert (plan["hosts"], plan["permitted"]) == (["web1", "web2"], True)
        assert submit(client, "group:web", plan_hash=plan["plan_hash"]).status_code == 201
        error(client.post("/job/plan", json={"operation": SHELL, "target_hostname": "_all"}), 403)
        anywhere = client.post("/job/plan", json={"operation": SHELL, "target_hostname": "_any"}).get_json()
        assert set(anywhere["hosts"]) <= set(WEB)
        assert submit(client, "_any", plan_hash=anywhere["plan_hash"]).status_code == 201
        seeing = api.by("job:write@group:web", "shell:execute", "agent:read")
        plan = seeing.post("/job/plan", json={"operation": SHELL, "target_hostname": "_all"}).get_json()
        assert plan["permitted"] is False


class TestPauses:
    PAUSER = (*TEAM, "pause:write@group:web")

    def pause(self, client: FlaskClient, **what: Any) -> Any:
        return client.post("/pause", json={"reason": "works", **what})

    def test_the_hosts_of_the_grant(self, api: Api) -> None:
        client = api.by(*self.PAUSER)
        answer = self.pause(client, target="group:web")
        assert (answer.status_code, answer.get_json()["hosts"]) == (201, 2)
        job_id = api.job("web1,oracle1")
        client = api.by(*self.PAUSER)
        assert client.get(f"/job/{job_id}").get_json()["paused_by"][0]["id"] == answer.get_json()["id"]
        assert [one["value"] for one in client.get("/pause").get_json()["pauses"]] == ["group:web"]
        assert client.delete(f"/pause/{answer.get_json()['id']}").status_code == 204
        assert client.get("/pause").get_json()["total"] == 0
        error(client.delete(f"/pause/{answer.get_json()['id']}"), 404)

    @pytest.mark.parametrize("target", ["oracle1", "web1,oracle1", "not web1", "group:wbe", "oracle9", "_all"])
    def test_hosts_outside(self, api: Api, target: str) -> None:
        text = json.dumps(error(self.pause(api.by(*self.PAUSER), target=target), 403, "")).replace(target, "")
        assert "oracle" not in text
        assert "Did you mean" not in text
        assert api.services.pauses.all() == []

    @pytest.mark.parametrize("what", [{"everything": True}, {"tag": "a:b"}, {"operation": "command.*"}])
    def test_what_concerns_all_hosts(self, api: Api, what: dict[str, Any]) -> None:
        error(self.pause(api.by(*self.PAUSER), **what), 403, "concerns all hosts")
        pause_id = self.pause(api.by("*", name="root"), **what).get_json()["id"]
        client = api.by(*self.PAUSER)
        error(client.delete(f"/pause/{pause_id}"), 403, "concerns all hosts")
        assert client.get("/pause").get_json()["pauses"] == []
        assert len(api.services.pauses.all()) == 1

    @pytest.mark.parametrize("target", ["web1,oracle1", "oracle1", "group:web or group:oracle"])
    def test_a_pause_of_other_hosts_is_not_shown_and_not_ended(self, api: Api, target: str) -> None:
        pause_id = self.pause(api.by("*", name="root"), target=target).get_json()["id"]
        client = api.by(*self.PAUSER)
        assert client.get("/pause").get_json()["pauses"] == []
        assert "oracle" not in json.dumps(error(client.delete(f"/pause/{pause_id}"), 403, "does not have pause:write"))
        client = api.by("job:read", "pause:write@group:web")
        assert [one["id"] for one in client.get("/pause").get_json()["pauses"]] == [pause_id]
        error(client.delete(f"/pause/{pause_id}"), 403)
        assert api.by("job:read@group:web", "pause:write").delete(f"/pause/{pause_id}").status_code == 204

    def test_the_hosts_of_a_hidden_job_are_unknown(self, api: Api) -> None:
        hidden = api.job("_all")
        error(self.pause(api.by(*self.PAUSER), target=f"job:{hidden}.submitted and group:web"), 404, hidden)

    def test_a_limit_gives_no_pause(self, api: Api) -> None:
        client = api.by("*;max_hosts=1")
        error(self.pause(client, target="web1"), 403)
        assert api.by("*;max_hosts=1", "pause:write@web1").get("/pause").status_code == 200
        assert self.pause(api.by("*;max_hosts=1", "pause:write@web1"), target="web1").status_code == 201

    def test_from_the_overview(self, api: Api) -> None:
        pause_id = self.pause(api.by("*", name="root"), target="oracle1").get_json()["id"]
        assert api.by(*self.PAUSER).post(f"/ui/pauses/{pause_id}/end", data={}).status_code in (400, 403)
        assert len(api.services.pauses.all()) == 1


class TestReading:
    def test_a_job_elsewhere_is_unknown(self, api: Api) -> None:
        hidden = api.job("oracle1")
        api.end(hidden, "oracle1", ExecutionState.FAILED, "secret of oracle1")
        client = api.by(*TEAM)
        for path in ("", "/executions", "/logs", "/logs?hostname=oracle1", "/output", "/events"):
            error(client.get(f"/job/{hidden}{path}"), 404)
        for verb in ("cancel", "retry", "pause", "resume", "approve", "abort"):
            error(client.post(f"/job/{hidden}/{verb}"), 404)
        error(client.delete(f"/job/{hidden}"), 404)
        assert client.get(f"/ui/jobs/{hidden}").status_code == 404
        assert client.get("/job").get_json()["items"] == []
        assert "oracle1" not in client.get("/ui/jobs").text
        assert "oracle1" not in client.get("/").text
        assert client.get("/failure").get_json()["items"] == []

    def test_a_job_that_is_seen_in_part(self, api: Api) -> None:
        job_id = api.job("web1,web2,oracle1,oracle2", rollout={"batch": 4})
        api.end(job_id, "oracle1", ExecutionState.FAILED, "secret of oracle1")
        api.end(job_id, "web1")
        api.end(job_id, "web2")
        client = api.by(*TEAM)
        job = client.get(f"/job/{job_id}").get_json()
        assert (job["status"], job["execution_counts"]) == ("completed", {"completed": 2})
        assert (job["expected_agents"], job["target_hostname"]) == (["web1", "web2"], "web1,web2")
        assert (job["error"], job["rollout"], job["executions_left_out"]) == (None, None, 0)
        listed = client.get("/job").get_json()
        assert [item["execution_counts"] for item in listed["items"]] == [{"completed": 2}]
        assert (listed["total_items"], listed["status_counts"]["completed"], listed["status_counts"]["processing"]) == (
            1,
            1,
            0,
        )
        executions = client.get(f"/job/{job_id}/executions").get_json()
        assert (executions["total"], [x["hostname"] for x in executions["items"]]) == (2, ["web1", "web2"])
        grouped = client.get(f"/job/{job_id}/executions?group=answer").get_json()
        assert [group["hostnames"] for group in grouped["groups"]] == [["web1", "web2"]]
        assert client.get(f"/job/{job_id}/executions?state=failed").get_json()["items"] == []
        for path in ("", "/executions", "/logs", "/output", "/executions?state=failed"):
            assert "oracle" not in client.get(f"/job/{job_id}{path}").text, path
        error(client.get(f"/job/{job_id}/logs?hostname=oracle1"), 404)
        assert client.get(f"/job/{job_id}/logs?hostname=web1").status_code == 200
        page = client.get(f"/ui/jobs/{job_id}").text
        assert "web1" in page
        assert "oracle1" not in page
        events = client.get(f"/job/{job_id}/events", headers={"Accept": "text/event-stream"}).text
        assert "web2" in events
        assert "oracle1" not in events
        assert '"status":"completed"' in events.replace(" ", "")

    def test_what_changes_a_job_needs_all_of_its_hosts(self, api: Api) -> None:
        job_id = api.job("web1,oracle1")
        client = api.by(*TEAM)
        for verb in ("cancel", "retry", "pause", "abort"):
            body = error(client.post(f"/job/{job_id}/{verb}"), 403)
            assert "oracle1" not in json.dumps(body)
        error(client.delete(f"/job/{job_id}"), 403)
        own = submit(api.by(*TEAM), "group:web").get_json()["job_id"]
        assert client.post(f"/job/{own}/cancel").status_code == 202
        assert client.delete(f"/job/{own}").status_code == 204

    def test_reading_everywhere_writing_somewhere(self, api: Api) -> None:
        job_id = api.job("oracle1")
        client = api.by("job:read", "job:write@group:web", "agent:read")
        assert client.get(f"/job/{job_id}").status_code == 200
        error(client.post(f"/job/{job_id}/cancel"), 403, "not on oracle1")

    def test_filters_apply_to_what_is_seen(self, api: Api) -> None:
        job_id = api.job("web1,oracle1")
        api.end(job_id, "oracle1", ExecutionState.FAILED)
        client = api.by(*TEAM)
        ids = lambda query: [item["id"] for item in client.get(f"/job?{query}").get_json()["items"]]  # noqa: E731
        assert ids("status=submitted") == [job_id]
        assert ids("status=processing") == ids("hostname=oracle1") == ids("q=oracle1") == []
        assert ids("hostname=web1") == ids("q=web1") == [job_id]
        assert ids("target=web1,oracle1") == []

    def test_pages_continue_over_hidden_jobs(self, api: Api) -> None:
        wanted = []
        for number in range(12):
            job_id = api.job("web1" if number % 3 == 0 else "oracle1")
            wanted += [job_id] if number % 3 == 0 else []
        client, found, cursor = api.by(*TEAM), [], ""
        for _ in range(20):
            page = client.get(f"/job?limit=2{cursor}").get_json()
            found += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert found == wanted[::-1]

    def test_a_walk_is_bounded_and_continues(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("jobqueue.services.seen.jobs.EXAMINED_SLOTS", 4)
        shown = api.job("group:web")
        for _ in range(4):
            api.job("group:oracle")
        client, cursor, requests = api.by(*TEAM), "", 0
        while True:
            requests += 1
            page = client.get(f"/job?limit=2{cursor}").get_json()
            if page["items"]:
                break
            assert page["is_least"]
            cursor = f"&cursor={page['next_cursor']}"
        assert page["items"][0]["id"] == shown
        assert requests == 3

    def test_agents(self, api: Api) -> None:
        client = api.by(*TEAM)
        page = client.get("/agent").get_json()
        assert ([agent["hostname"] for agent in page["agents"]], page["total"]) == (["web1", "web2"], 2)
        assert client.get("/agent?state=live&label=group:oracle").get_json()["agents"] == []
        first = client.get("/agent?limit=1").get_json()
        second = client.get(f"/agent?limit=1&cursor={first['next_cursor']}").get_json()
        assert (second["agents"][0]["hostname"], second["next_cursor"]) == ("web2", None)
        error(client.get("/agent/oracle1"), 404)
        error(client.post("/agent/oracle1/drain"), 404)
        assert client.post("/agent/web1/drain").status_code == 200
        text = client.get("/ui/agents").text
        assert "web1" in text
        assert "oracle1" not in text
        error(api.by("agent:read", "agent:write@group:web").post("/agent/oracle1/drain"), 403, "not on oracle1")

    def test_selected_agents(self, api: Api) -> None:
        client, form = api.by(*TEAM), {"do": "drain", "host.oracle1": "on", "host.web2": "on"}
        asked = client.post("/ui/agents/choose", data=form).text
        assert "Drain 1 agent?" in asked
        assert "Not known any more: oracle1" in asked
        assert "1 of 2 agents drained." in client.post("/ui/agents/move", data=form).text
        assert client.get("/agent/web2").get_json()["state"] == "Draining"
        assert "oracle" not in client.get("/ui/agents?group=group").text
        reader = api.by("agent:read", "agent:write@group:web")
        assert (
            "0 of 1 agents drained." in reader.post("/ui/agents/move", data={"do": "drain", "host.oracle1": "on"}).text
        )
        assert reader.get("/agent/oracle1").get_json()["state"] == "Ready"
        assert "oracle" in reader.get("/ui/agents?group=group").text

    def test_labels_are_read_again(self, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
        """A host that leaves the scope takes its jobs along."""
        monkeypatch.setattr("jobqueue.ledger.roster.KEPT_SECONDS", 0.0)
        monkeypatch.setattr("jobqueue.ledger.roster._PAYS_OFF", 0.0)
        job_id = api.job("web1")
        assert api.by(*TEAM).get(f"/job/{job_id}").status_code == 200
        types = api.services.registry.types()
        api.services.ledger.agents.register(Registration("web1", "boot2", {"group": "oracle"}, {}, types, "1", 2))
        assert api.by(*TEAM).get(f"/job/{job_id}").status_code == 404

    def test_the_form_shows_its_hosts_only(self, api: Api) -> None:
        client = api.by(*TEAM)
        for target in ("", "group:web", "_all", "oracle1", "group:o", "@x"):
            text = client.get(f"/ui/reach?target={target}").text.replace(target or "-", "")
            assert "oracle" not in text, target
        assert client.get("/ui/submit?operation=command.shell.execute&target=web1").status_code == 200


def test_a_grant_of_an_operation_changes_no_other_permission(api: Api) -> None:
    """A principal that may run shells on some hosts only reads as before, with and without agent:read."""
    job_id = api.job("oracle1")
    for grants in (("job:read", "job:write"), ("job:read", "job:write", "agent:read")):
        client = api.by(*grants, "shell:execute@group:web")
        assert client.get(f"/job/{job_id}").status_code == 200
        assert client.get("/api/spark/configurations").status_code == 200
        assert client.get("/ui/runs").status_code == 200
        assert len(client.get("/job").get_json()["items"]) == 1
    client = api.by("job:write", "shell:execute@group:web")
    assert client.post(f"/job/{job_id}/cancel").status_code == 202
    client = api.by("job:write", "job:read", "job:delete@group:oracle")
    assert client.delete(f"/job/{job_id}").status_code == 204


def test_a_stream_ends_with_its_grants(api: Api, app: Flask) -> None:
    """It shows the hosts of the grants that it began with."""
    web, narrower = (Principal("anna", frozenset({grant})) for grant in ("job:read@group:web", "job:read@web1"))
    for now, holds in ((web, True), (narrower, False), (Principal("anna", frozenset({"agent:read"})), False)):
        gate.of(app).authenticate = _Always(now)  # type: ignore[assignment]
        assert gate.of(app).admits({}, "event.get_events", web) is holds
    everywhere = Principal("anna", frozenset({"job:read", "job:write"}))
    gate.of(app).authenticate = _Always(Principal("anna", frozenset({"job:read"})))  # type: ignore[assignment]
    assert gate.of(app).admits({}, "event.get_events", everywhere)


def test_the_feed_of_all_jobs(api: Api) -> None:
    seen = api.services.seen_by(Principal("anna", frozenset({"job:read@group:web"})))
    turns = seen.events.follow(None, 0.1)
    hidden, part, whole = api.job("oracle1"), api.job("web1,oracle1"), api.job("web1")
    for job_id, host in ((hidden, "oracle1"), (part, "oracle1"), (part, "web1"), (whole, "web1")):
        api.end(job_id, host, ExecutionState.FAILED if host == "oracle1" else ExecutionState.COMPLETED)
    news = [one for _ in range(10) for one in next(turns)]
    assert {one.job_id for one in news} == {part, whole}
    hosts = {step.hostname for one in news for step in one.events}
    assert "web1" in hosts
    assert "oracle1" not in hosts
    assert [one.status.value for one in news if one.job_id == part][-1] == "completed"


#: Grants on some hosts of everything.
ROLES = {
    "all on web": ("*@group:web",),
    "the team": TEAM,
    "a limit": ("*;max_hosts=1",),
}


@pytest.mark.parametrize("role", ROLES)
def test_every_route_for_every_scope(app: Flask, api: Api, role: str) -> None:
    """A route looks at hosts, or is closed: with whatever status it answers, no name of another host is in it."""
    hidden = api.job("oracle1,oracle2")
    api.end(hidden, "oracle1", ExecutionState.FAILED, "oracle1 broke")
    client = api.by(*ROLES[role])
    principal = Principal("anna", frozenset(ROLES[role]))
    closed = passed = 0
    for endpoint, method, path in routes(app):
        rule = rule_of(endpoint)
        assert rule is not None
        if endpoint.endswith(("get_events", "tail_logs", "end")) or method == "OPTIONS":
            continue
        response = client.open(path, method=method, buffered=True)
        if rule in (PUBLIC, KNOWN):
            continue
        if not principal.may_somewhere(rule) or not is_scoped(endpoint):
            assert response.status_code == 403, (method, path)
            closed += 1
        else:
            assert response.status_code != 500, (method, path, response.text)
            passed += 1
        if "max_hosts" not in ROLES[role][0]:
            assert "oracle1" not in response.text, (method, path)
            assert "oracle2" not in response.text, (method, path)
            assert hidden not in response.text, (method, path)
    assert closed > 40
    assert passed > 40


def test_every_scoped_route_exists(app: Flask) -> None:
    served = {rule_name(rule.endpoint) for rule in app.url_map.iter_rules()}
    assert served >= SCOPED
