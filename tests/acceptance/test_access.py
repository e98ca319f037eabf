"""Keys, users and the audit trail on the real system: several processes of the API, one Redis."""

from __future__ import annotations

import base64
import json
import threading

import pytest

from tests.acceptance.support.api import Api, assert_error, request
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

SHELL = "command.shell.execute"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


def submit(api: Api, key: str, operation: str, data: dict[str, object]) -> int:
    body = json.dumps(request(operation, data)).encode()
    return api.send("POST", "/job", body, bearer(key)).status


def test_a_key_lives_and_dies_everywhere(stack: Stack, api: Api) -> None:
    made = stack.run("key", "create", "robot", "--role", "read", "--permission", "job:write")
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert submit(api, key, "node.hostname.get", {}) == 201
    assert submit(api, key, SHELL, {"command": "id"}) == 403
    job_id = api.submit(SHELL, {"command": "exit 1"})
    api.wait(job_id)
    # a job of another user: readable, but not to be run again
    assert api.send("GET", f"/job/{job_id}", headers=bearer(key)).status == 200
    assert_error(api.send("POST", f"/job/{job_id}/retry", headers=bearer(key)), 403)
    assert stack.run("key", "revoke", key.split("_")[1]).returncode == 0
    # several processes answer; none of them may know it any more
    until(
        lambda: all(api.send("GET", "/job", headers=bearer(key)).status == 401 for _ in range(20)),
        "the key opens nothing any more",
    )
    assert {api.send("GET", "/job", headers=bearer(key)).status for _ in range(20)} <= {401, 429}


def test_logging_in_does_not_hold_up_others(stack: Stack, api: Api) -> None:
    """argon2 runs beside the loop: requests are answered while many log in."""
    keys = []
    for number in range(12):
        answer = api.post("/key", {"name": f"k{number}", "roles": ["read"]})
        assert answer.status == 201
        keys.append(answer.json["key"])
    statuses: list[int] = []

    def log_in(key: str) -> None:
        statuses.append(api.send("GET", "/job", headers=bearer(key)).status)

    threads = [threading.Thread(target=log_in, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert api.get("/health").status == 200
    for thread in threads:
        thread.join()
    assert statuses == [200] * len(keys)
    for key in keys:
        assert api.delete(f"/key/{key.split('_')[1]}").status == 204


def test_a_user_of_every_api(stack: Stack, api: Api) -> None:
    made = stack.run("user", "create", "alice", "--role", "write")
    assert made.returncode == 0, made.stderr
    basic = base64.b64encode(f"alice:{made.stdout.strip()}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}
    body = json.dumps(request(SHELL, {"command": "echo hello"})).encode()
    answer = api.send("POST", "/api/job", body, headers)
    assert answer.status == 201
    job = api.wait(answer.json["job_id"])
    assert (job["submitted_by"], job["status"]) == ("alice", "completed")
    assert_error(api.send("GET", "/key", headers=headers), 403)
    assert stack.run("user", "delete", "alice").returncode == 0


def test_the_audit_trail_is_whole(stack: Stack, api: Api) -> None:
    before = api.get("/audit", limit=1).json["entries"]
    job = api.run("node.hostname.get")
    entries = api.get("/audit", after=before[0]["number"] if before else 0).json["entries"]
    (entry,) = [entry for entry in entries if entry["details"].get("job") == job["id"]]
    assert (entry["method"], entry["path"], entry["status"], entry["result"]) == ("POST", "/job", 201, "done")
    assert entry["details"] == {"operation": "node.hostname.get", "target": "_any", "job": job["id"]}
    verified = stack.run("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    exported = [json.loads(line) for line in stack.run("audit", "export").stdout.splitlines()]
    assert [entry["number"] for entry in exported] == list(range(1, len(exported) + 1))
    assert api.token not in json.dumps(exported)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:80"])
def test_a_foreign_host(api: Api, host: str) -> None:
    assert_error(api.send("GET", "/job", headers={"Host": host}), 400)
