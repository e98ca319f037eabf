"""Calls of hosts: submitted as jobs, waited for, and answered in OSAPI's shape."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.osapi import waiting
from api.osapi.calls import CALLS
from jobqueue.errors import LedgerUnavailable, LedgerUncertain
from jobqueue.model.filter import JobFilter
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.services import Services
from jobqueue.services.event_feed import EventFeed, MissedEvents
from jobqueue.settings import Settings
from tests.unit.api.osapi.hosts import Hosts, completed
from tests.unit.api.osapi.shapes import refused
from tests.unit.api.osapi.system_answers import SHOWN_OF_SYSTEMS
from tests.unit.api.over_a_ledger import act, services_with

HOSTS = {"web1": {"group": "web"}, "web2": {"group": "web"}, "db1": {"group": "db"}}
NAME = {"hostname": "web1", "system_hostname": "web1", "labels": {"group": "web"}}


@pytest.fixture
def services(settings: Settings) -> Services:
    return services_with(settings, {})


@pytest.fixture
def hosts(services: Services, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """Each answers in the moment in which a job is submitted."""
    known = Hosts(services, settings)
    for hostname, labels in HOSTS.items():
        known.accept(hostname, labels)
    monkeypatch.setattr(services.submitter, "submit", known.follow(services.submitter.submit, known.work))
    return known


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return act(app, "*", kind="user")


def submitted(services: Services) -> list[tuple[str, dict[str, Any], str]]:
    """Operation, data and target of the jobs, the newest first."""
    return [(job.operation, dict(job.data), job.target) for job in services.jobs.page(JobFilter()).items]


# --- what is submitted and shown --------------------------------------------------------------------------------------

STATUS = {
    "hostname": "web1",
    "os": {"system": "linux", "distribution": "debian", "version": "12", "name": "Debian 12"},
    "uptime": {"seconds": 90_061, "boot_time": "2026-01-01T00:00:00.000Z"},
    "load": {"load1": 0.5, "load5": 0.25, "load15": 0.1, "cpus": 4},
    "memory": {"total": 1000, "available": 700, "used": 250, "free": 100, "percent": 30.0, "swap": {}},
    "disks": [
        {"device": "/dev/vda1", "mountpoint": "/", "fstype": "ext4", "total": 10, "used": 4, "free": 6, "percent": 40.0}
    ],
}
LOAD = {"1min": 0.5, "5min": 0.25, "15min": 0.1}
MEMORY = {"total": 1000, "free": 700, "used": 300}
DISKS = [{"name": "/", "total": 10, "used": 4, "free": 6}]
OS = {"distribution": "debian", "version": "12"}
UPTIME = "1 day, 1 hour, 1 minute"
PING = {
    "address": "::1",
    "ip": "::1",
    "packets_sent": 3,
    "packets_received": 2,
    "packet_loss": 33.3,
    "min_rtt_ms": 0.5,
    "avg_rtt_ms": 1.25,
    "max_rtt_ms": None,
}
PROCESS = {
    "pid": 7,
    "ppid": 1,
    "name": "sshd",
    "user": "root",
    "status": "sleeping",
    "memory": 4096,
    "cpu_seconds": 1.5,
    "started_at": "2026-01-01T00:00:00.000Z",
}
RUN = {"stdout": "hi\n", "stderr": "", "exit_code": 0, "duration_ms": 12}

#: method, path, body, operation, its data, its result, what is shown of it
SHOWN: list[tuple[str, str, Any, str, dict[str, Any], Any, dict[str, Any]]] = [
    ("GET", "/hostname", None, "node.hostname.get", {}, NAME, {"labels": {"group": "web"}}),
    (
        "GET",
        "",
        None,
        "node.status.get",
        {},
        STATUS,
        {"uptime": UPTIME, "load_average": LOAD, "memory": MEMORY, "disks": DISKS, "os_info": OS},
    ),
    ("GET", "/load", None, "node.load.get", {}, STATUS["load"], {"load_average": LOAD}),
    ("GET", "/memory", None, "node.memory.get", {}, STATUS["memory"], {"memory": MEMORY}),
    ("GET", "/disk", None, "node.disk.get", {}, {"disks": STATUS["disks"]}, {"disks": DISKS}),
    ("GET", "/os", None, "node.os.get", {}, STATUS["os"], {"os_info": OS}),
    ("GET", "/uptime", None, "node.uptime.get", {}, STATUS["uptime"], {"uptime": UPTIME}),
    (
        "GET",
        "/process",
        None,
        "node.process.list",
        {"limit": 1000},
        {"total": 1, "processes": [PROCESS]},
        {
            "processes": [
                {
                    "pid": 7,
                    "name": "sshd",
                    "user": "root",
                    "state": "sleeping",
                    "mem_rss": 4096,
                    "start_time": "2026-01-01T00:00:00.000Z",
                }
            ]
        },
    ),
    (
        "POST",
        "/network/ping",
        {"address": "::1"},
        "network.ping.do",
        {"address": "::1"},
        PING,
        {"packets_sent": 3, "packets_received": 2, "packet_loss": 33.3, "min_rtt": "0.5ms", "avg_rtt": "1.25ms"},
    ),
    (
        "GET",
        "/network/dns/eth0",
        None,
        "network.dns.get",
        {},
        {"servers": ["10.0.0.53"], "search_domains": ["example"]},
        {"servers": ["10.0.0.53"], "search_domains": ["example"]},
    ),
    (
        "POST",
        "/command/exec",
        {"command": "echo", "args": ["hi"]},
        "command.exec.execute",
        {"command": "echo", "args": ["hi"], "timeout": 30},
        RUN,
        RUN,
    ),
    (
        "POST",
        "/command/shell",
        {"command": "echo hi", "cwd": "/tmp", "timeout": 60},
        "command.shell.execute",
        {"command": "echo hi", "cwd": "/tmp", "timeout": 60},
        RUN,
        RUN,
    ),
    ("POST", "/file/undeploy", {"path": "/etc/x"}, "file.undeploy.execute", {"path": "/etc/x"}, {"path": "/etc/x"}, {}),
    (
        "POST",
        "/file/status",
        {"path": "/etc/x"},
        "file.status.get",
        {"path": "/etc/x"},
        {"path": "/etc/x", "exists": True, "sha256": "ab", "size": 1},
        {"path": "/etc/x", "status": "present", "sha256": "ab"},
    ),
    (
        "POST",
        "/file/status",
        {"path": "/etc/x"},
        "file.status.get",
        {"path": "/etc/x"},
        {"path": "/etc/x", "exists": False},
        {"path": "/etc/x", "status": "missing"},
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "operation", "data", "result", "shown"), SHOWN)
def test_a_call(
    client: FlaskClient,
    services: Services,
    hosts: Hosts,
    method: str,
    path: str,
    body: Any,
    operation: str,
    data: dict[str, Any],
    result: Any,
    shown: dict[str, Any],
) -> None:
    hosts.answers["web1"], hosts.changed = completed(result), False
    answer = client.open(f"/api/node/web1{path}", method=method, json=body)
    ((known, given, target),) = submitted(services)
    assert (known, target) == (operation, "web1")
    assert given == data
    (call,) = [call for call in CALLS if call.operation == operation and call.method == method]
    assert answer.status_code == call.status
    found = answer.get_json()
    assert found.pop("job_id")
    assert answer.headers["Location"].startswith("/api/job/")
    assert found == {"results": [{"hostname": "web1", "status": "ok", "changed": False, **shown}]}


def test_calls_that_read_and_change_systems(client: FlaskClient, services: Services, hosts: Hosts) -> None:
    """One after the other: setting up an API takes longer than a call."""
    hosts.changed = True
    for method, path, body, operation, data, result, shown in SHOWN_OF_SYSTEMS:
        hosts.answers["web1"] = completed(result)
        answer = client.open(f"/api/node/web1{path}", method=method, json=body)
        assert submitted(services)[0] == (operation, data, "web1")
        (call,) = [call for call in CALLS if call.operation == operation]
        assert answer.status_code == call.status
        assert answer.get_json()["results"] == [{"hostname": "web1", "status": "ok", "changed": True, **shown}]


def test_every_target(client: FlaskClient, services: Services, hosts: Hosts) -> None:
    hosts.answers |= dict.fromkeys(HOSTS, completed(NAME))
    for target, names in (("_all", set(HOSTS)), ("group:web", {"web1", "web2"}), ("db1", {"db1"})):
        found = client.get(f"/api/node/{target}/hostname").get_json()["results"]
        assert {result["hostname"] for result in found} == names
    assert len(client.get("/api/node/_any/hostname").get_json()["results"]) == 1
    refused(client.get("/api/node/web9/hostname"), 400, "web9")
    refused(client.get("/api/node/we%20b/hostname"), 400)


@pytest.mark.parametrize("gid", ["1500", "", 1500.0, True])
def test_a_number_in_a_body_is_a_json_number(client: FlaskClient, services: Services, gid: object) -> None:
    """In a path or a query, where all is text, the same digits are a number."""
    refused(client.post("/api/node/web1/group", json={"name": "deploy", "gid": gid}), 400, "whole number")
    assert services.jobs.counts()[JobStatus.SUBMITTED] == 0


def test_each_state_of_a_host(client: FlaskClient, hosts: Hosts) -> None:
    """A command that fails is shown with its output."""
    hosts.answers["web1"] = (
        ExecutionState.FAILED,
        {"stdout": "", "stderr": "no", "exit_code": 3},
        "exited with code 3",
    )
    hosts.answers["web2"] = (ExecutionState.SKIPPED, None, "not supported: no systemd")
    hosts.answers["db1"] = completed(RUN)
    hosts.changed = True
    body = client.post("/api/node/_all/command/shell", json={"command": "x"}).get_json()
    by_host = {result.pop("hostname"): result for result in body["results"]}
    assert by_host["db1"] == {"status": "ok", "changed": True, **RUN}
    assert by_host["web2"] == {"status": "skipped", "error": "not supported: no systemd", "changed": True}
    assert by_host["web1"] == {
        "status": "failed",
        "error": "exited with code 3",
        "stdout": "",
        "stderr": "no",
        "exit_code": 3,
        "changed": True,
    }


def test_a_result_that_its_agent_has_not_signed_is_no_success(client: FlaskClient, hosts: Hosts) -> None:
    hosts.answers["web1"] = completed(NAME)
    hosts.is_signing = False
    (result,) = client.get("/api/node/web1/hostname").get_json()["results"]
    assert (result["status"], result["error"]) == ("failed", "The result cannot be trusted: it is unsigned.")


@pytest.mark.parametrize("data", [None, 5, "text", [], [1], {}, {"disks": 3}, {"disks": [None, {"mountpoint": 1}]}])
@pytest.mark.parametrize("path", ["", "/disk", "/memory", "/load", "/os", "/uptime", "/hostname", "/process"])
def test_an_agent_may_answer_anything(client: FlaskClient, hosts: Hosts, path: str, data: Any) -> None:
    hosts.answers["web1"] = completed(data)
    (result,) = client.get(f"/api/node/web1{path}").get_json()["results"]
    assert (result["hostname"], result["status"]) == ("web1", "ok")


# --- what is not there ------------------------------------------------------------------------------------------------


def test_an_operation_that_is_not_there(
    client: FlaskClient, services: Services, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(services.registry._operations, "node.ntp.get")
    refused(client.get("/api/node/web1/ntp"), 400, "node.ntp.get is not available here")
    refused(client.post("/api/node/web1/service", json={"name": "x", "object": "y"}), 400, "no object 'y'")
    assert submitted(services) == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("command/exec", {}, "command"),
        ("command/exec", {"command": ""}, "command"),
        ("command/exec", {"command": "x", "timeout": 0}, "timeout"),
        ("command/exec", {"command": "x", "timeout": 301}, "timeout"),
        ("command/exec", {"command": "x", "args": "y"}, "args"),
        ("command/shell", {"command": "x", "timeout": True}, "timeout"),
        ("command/shell", {"command": "x", "env": {}}, "env"),
        ("network/ping", {"address": "not a host"}, "address"),
        ("file/status", {"path": "relative"}, "path"),
    ],
)
def test_bad_bodies(
    client: FlaskClient, services: Services, hosts: Hosts, path: str, body: dict[str, Any], field: str
) -> None:
    assert field in refused(client.post(f"/api/node/web1/{path}", json=body), 400, field)["details"]
    assert submitted(services) == []


def test_bad_variables_and_queries(client: FlaskClient, hosts: Hosts) -> None:
    for path in ("process/x", "process/0", "process/-1", "process/99999999999999999999", "log?lines=0", "log?x=1"):
        refused(client.get(f"/api/node/web1/{path}"), 400)
    refused(client.get("/api/node/web1/nope"), 404)
    refused(client.post("/api/node/web1/command/exec", data="x"), 415)
    refused(client.post("/api/node/web1/command/exec", data="{", content_type="application/json"), 400)


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_the_end_of_the_job_ends_the_wait(
    client: FlaskClient, services: Services, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent answers after the request has begun to wait, and the request ends long before its limit."""
    hosts.answers["web2"] = completed(NAME)
    follow_job = EventFeed.follow_job

    def follow(self: EventFeed, job_id: str, after: str | None = None) -> Any:
        turns = follow_job(self, job_id, after)
        yield next(turns)
        thread = threading.Thread(target=hosts.work, args=(job_id,))
        thread.start()
        yield from turns
        thread.join()

    monkeypatch.setattr(
        services.submitter,
        "submit",
        hosts.follow(type(services.submitter).submit.__get__(services.submitter), lambda _: None),
    )
    monkeypatch.setattr(EventFeed, "follow_job", follow)
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 600.0)
    answer = client.get("/api/node/web2/hostname")
    assert answer.status_code == 200
    assert [result["hostname"] for result in answer.get_json()["results"]] == ["web2"]


def test_what_has_not_ended_is_answered_with_the_job(
    client: FlaskClient, services: Services, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.0)
    hosts.answers["web1"] = completed(NAME)
    answer = client.get("/api/node/group:web/hostname")
    body = answer.get_json()
    assert (answer.status_code, body["unfinished"]) == (202, 1)
    assert [result["hostname"] for result in body["results"]] == ["web1"]
    assert client.get(answer.headers["Location"]).get_json()["id"] == body["job_id"]


def test_one_entry_of_the_audit_trail_for_each_call(
    client: FlaskClient, services: Services, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts.answers["web1"] = completed(RUN)
    client.post("/api/node/web1/command/exec", json={"command": "x"})
    client.post("/api/node/web1/network/ping", json={"address": "::1"})
    client.get("/api/node/web1/hostname")
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 0.0)
    client.post("/api/node/web2/network/ping", json={"address": "::1"})
    entries = [entry.content for entry in services.audit_trail.newest(10)]
    assert [(entry.path.removeprefix("/api/node/"), entry.details["operation"]) for entry in entries] == [
        ("web2/network/ping", "network.ping.do"),
        ("web1/hostname", "node.hostname.get"),
        ("web1/network/ping", "network.ping.do"),
        ("web1/command/exec", "command.exec.execute"),
    ]


def test_only_so_many_requests_wait(client: FlaskClient, hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond them, a request is answered at once, with the job."""
    monkeypatch.setattr(waiting, "WAIT_SECONDS", 600.0)
    monkeypatch.setattr(waiting, "_places", threading.BoundedSemaphore(1))
    with waiting._places:
        assert client.get("/api/node/web1/hostname").status_code == 202
    hosts.answers["web1"] = completed(NAME)
    for _ in range(3):  # each gives its place back
        assert client.get("/api/node/web1/hostname").status_code == 200


def test_a_gap_in_the_events(client: FlaskClient, hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts.answers["web1"] = completed(NAME)
    follow_job, calls = EventFeed.follow_job, [1]

    def follow(self: EventFeed, job_id: str, after: str | None = None) -> Any:
        if calls:
            calls.pop()
            raise MissedEvents
        return follow_job(self, job_id, after)

    monkeypatch.setattr(EventFeed, "follow_job", follow)
    assert client.get("/api/node/web1/hostname").status_code == 200


def test_the_ledger_goes_away_while_it_waits(
    client: FlaskClient, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job is there, and its id must not be lost."""

    def away(*_: Any) -> Any:
        raise LedgerUnavailable

    monkeypatch.setattr(EventFeed, "follow_job", away)
    answer = client.get("/api/node/web1/hostname")
    assert (answer.status_code, answer.get_json()["results"]) == (202, [])
    assert answer.get_json()["job_id"]


def test_a_submission_that_is_not_confirmed(
    client: FlaskClient, services: Services, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def uncertain(*_: Any) -> Any:
        raise LedgerUncertain

    monkeypatch.setattr(services.ledger.new_jobs, "create", uncertain)
    monkeypatch.setattr(services.submitter, "submit", type(services.submitter).submit.__get__(services.submitter))
    answer = client.get("/api/node/web1/hostname")
    assert answer.status_code == 202
    assert answer.get_json()["results"] == []


# --- permissions ------------------------------------------------------------------------------------------------------


def test_the_permissions_of_the_native_actions(app: Flask, services: Services, hosts: Hosts) -> None:
    hosts.answers |= dict.fromkeys(HOSTS, completed(RUN))
    body = {"command": "x"}
    path = "/api/node/web1/command/shell"
    refused(act(app, "job:read", "shell:execute").post(path, json=body), 403, "job:write")
    refused(act(app, "job:read", "job:write").post(path, json=body), 403, "shell:execute")
    refused(act(app, "job:*", "command:execute").post(path, json=body), 403, "shell:execute")
    assert submitted(services) == []
    assert act(app, "job:*", "shell:execute").post(path, json=body).get_json()["results"]


def test_without_the_permission_to_read_only_the_id_is_answered(app: Flask, hosts: Hosts) -> None:
    hosts.answers["web1"] = completed(NAME)
    answer = act(app, "job:write", "agent:read").get("/api/node/web1/hostname")
    assert (answer.status_code, answer.get_json()["results"]) == (202, [])


def test_permissions_on_some_hosts(app: Flask, services: Services, hosts: Hosts) -> None:
    hosts.answers |= dict.fromkeys(HOSTS, completed(NAME))
    client = act(app, "job:*@group:web", "agent:*@group:web", kind="user")
    found = client.get("/api/node/group:web/hostname").get_json()["results"]
    assert {result["hostname"] for result in found} == {"web1", "web2"}
    for target in ("db1", "_all", "group:db"):
        assert client.get(f"/api/node/{target}/hostname").status_code == 403
    assert len(submitted(services)) == 1


def test_results_of_hosts_that_may_not_be_read_are_left_out(app: Flask, hosts: Hosts) -> None:
    hosts.answers |= dict.fromkeys(HOSTS, completed(NAME))
    client = act(app, "job:write", "agent:read", "job:read@group:web", kind="user")
    found = client.get("/api/node/_all/hostname").get_json()["results"]
    assert {result["hostname"] for result in found} == {"web1", "web2"}


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_makes_no_job(client: FlaskClient, services: Services, hosts: Hosts, site: str) -> None:
    refused(client.get("/api/node/web1/hostname", headers={"Sec-Fetch-Site": site}), 403, "another site")
    assert submitted(services) == []
    hosts.answers["web1"] = completed(NAME)
    assert client.get("/api/node/web1/hostname", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_there_are_94_calls_with_names_of_their_own() -> None:
    assert len(CALLS) == len({call.name for call in CALLS}) == len({(call.method, call.path) for call in CALLS}) == 94
