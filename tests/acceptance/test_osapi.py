"""OSAPI's calls of hosts, against real agents."""

from __future__ import annotations

from tests.acceptance.support.api import Api


def test_calls_of_hosts(api: Api) -> None:
    everywhere = api.get("/api/node/_all/hostname")
    assert everywhere.status == 200
    known = {
        agent["hostname"]
        for agent in api.get("/api/agent").json["agents"]
        if (agent["status"], agent["state"]) == ("Ready", "Ready")
    }
    results = everywhere.json["results"]
    assert {result["hostname"] for result in results} == known
    assert {result["status"] for result in results} == {"ok"}
    (run,) = api.post("/api/node/_any/command/exec", {"command": "echo", "args": ["hi"]}).json["results"]
    assert (run["status"], run["stdout"], run["exit_code"], run["changed"]) == ("ok", "hi\n", 0, True)
    job = api.get(f"/api/job/{everywhere.json['job_id']}").json
    assert (job["status"], set(job["responses"])) == ("completed", known)
