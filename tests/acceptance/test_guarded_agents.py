"""Agents that trust only signatures: with the API's public key, on their own hosts, under attack from inside Redis."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from jobqueue.dispatch.app import make_app
from jobqueue.dispatch.envelope import template
from jobqueue.ledger.keys import Keys
from jobqueue.settings import Settings
from tests import hostile_messages
from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.api import Api
from tests.acceptance.support.processes import Process
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until

SHELL, HOSTNAME = "command.shell.execute", "node.hostname.get"
KEYS = Keys("jobqueue:")


@pytest.fixture(scope="module")
def stack(make_stack: MakeStack) -> Stack:
    """One agent beside the API; those of the tests have machines of their own, as far as files go."""
    running = make_stack({})
    running.up(1)
    return running


@pytest.fixture(scope="module")
def api(stack: Stack) -> Api:
    return stack.api


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[redis.Redis]:
    """Redis, as an attacker with all rights to write sees it."""
    url = (stack.state / "redis.url").read_text().strip()
    path, _, query = url.removeprefix("unix://").partition("?")
    found = redis.Redis(unix_socket_path=path, db=int(query.removeprefix("db=") or 0), decode_responses=True)
    yield found
    found.close()


class Machine:
    """A host elsewhere: a state directory of its own, the API's public key, the way to Redis."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack = stack
        self.name = name
        self.state = stack.directory / name
        self.state.mkdir(mode=0o700)
        self.keys = self.state / "signing.pub"
        shutil.copy(stack.state / "signing.pub", self.keys)

    def start(self, wait: bool = True, **environ: str) -> Process:
        settings = {
            "JOBQUEUE_STATE_DIR": str(self.state),
            "JOBQUEUE_REDIS_URL": (self.stack.state / "redis.url").read_text().strip(),
            "JOBQUEUE_TRUSTED_KEYS": str(self.keys),
            "JOBQUEUE_ALLOW": "read-only",
            "JOBQUEUE_HEARTBEAT_SECONDS": "1",
            **environ,
        }
        return self.stack.agent(self.name, environ=settings, wait=wait)

    def agent(self) -> dict[str, Any]:
        return self.stack.api.agent(self.name)

    def is_ready(self) -> bool:
        return self.agent().get("state") == "Ready"


@pytest.fixture(scope="module")
def guarded(stack: Stack) -> Machine:
    """A host that came with a token, and allows what changes nothing."""
    machine = Machine(stack, "guarded1")
    token = stack.run("agent", "invite", "--hostname", machine.name).stdout.strip()
    machine.start(JOBQUEUE_JOIN_TOKEN=token, SOME_SECRET="canary-environment")
    until(machine.is_ready, "the agent with a token is let in")
    return machine


def test_an_agent_beside_the_api_needs_no_ceremony(api: Api) -> None:
    job = api.run(SHELL, {"command": "echo hi"}, "agent1")
    assert job["status"] == "completed"
    assert "authenticity" not in job["responses"]["agent1"]  # it is beyond doubt


def test_an_unknown_agent_waits_until_its_fingerprint_is_accepted(stack: Stack, api: Api) -> None:
    stranger = Machine(stack, "stranger1")
    process = stranger.start()
    until(lambda: stranger.agent().get("state") == "Pending", "it waits")
    refused = api.post("/job", {"operation": {"type": HOSTNAME, "data": {}}, "target_hostname": "stranger1"})
    assert refused.status == 409
    assert "is pending; accept it with" in refused.json["error"]
    assert api.post("/agent/stranger1/undrain").status == 409
    fingerprint = stranger.agent()["fingerprint"]
    assert f"jobqueue agent accept stranger1 {fingerprint}" in process.log()
    wrong = stack.run("agent", "accept", "stranger1", "0" * 64)
    assert wrong.returncode != 0
    assert fingerprint in wrong.stderr
    assert stack.run("agent", "accept", "stranger1", fingerprint).returncode == 0
    until(stranger.is_ready, "it was accepted")
    job = api.run(HOSTNAME, target="stranger1")
    assert "authenticity" not in job["responses"]["stranger1"]
    assert stack.run("agent", "revoke", "stranger1").returncode == 0
    assert api.post("/job", {"operation": {"type": HOSTNAME, "data": {}}, "target_hostname": "stranger1"}).status == 409
    until(
        lambda: api.job(job["id"])["responses"]["stranger1"].get("authenticity") == "revoked",
        "its results count no more",
    )
    assert stranger.agent()["state"] == "Revoked"
    assert stack.run("agent", "accept", "stranger1", fingerprint).returncode == 0
    until(stranger.is_ready, "it was accepted again")
    process.stop()


def test_an_agent_without_a_trusted_key_does_not_start(stack: Stack) -> None:
    machine = Machine(stack, "keyless1")
    machine.keys.write_text("")
    process = machine.start(wait=False)
    assert process.wait() != 0
    assert "No trusted key in" in process.log()
    assert "Copy signing.pub" in process.log()


def test_a_host_runs_what_its_owner_allows(api: Api, guarded: Machine) -> None:
    assert api.run(HOSTNAME, target=guarded.name)["status"] == "completed"
    job = api.run(SHELL, {"command": "touch /tmp/never"}, guarded.name)
    assert (job["status"], job["result"]) == ("failed", None)
    assert job["error"] == f"not allowed on this host: {SHELL} is not in JOBQUEUE_ALLOW"
    assert SHELL not in guarded.agent()["operations"]
    assert HOSTNAME in guarded.agent()["operations"]


def test_what_is_written_into_redis_is_not_run(api: Api, stack: Stack, client: redis.Redis, tmp_path: Path) -> None:
    proof, ours = tmp_path / "ran", set()
    for change in ("data", "unsigned", "replay"):
        job_id = api.submit(SHELL, {"command": "true"}, "agent1", not_before="2100-01-01T00:00:00Z")
        text = str(client.get(KEYS.doc(job_id)))
        if change == "data":
            text = text.replace('"true"', json.dumps(f"touch {proof}"))
        elif change == "unsigned":
            text = json.dumps({"operation": SHELL, "data": {"command": f"touch {proof}"}, "target": "agent1"})
        else:
            ran = api.run(SHELL, {"command": f"echo x >> {proof}.replay"}, "agent1")
            text = str(client.get(KEYS.doc(ran["id"])))
        client.set(KEYS.doc(job_id), text)
        client.zadd(KEYS.kind("due"), {f"{job_id}:agent1": 1})  # now
        ours.add(job_id)
        job = api.wait(job_id)
        assert job["status"] == "failed", change
        assert "refused by the agent" in job["error"]
    assert not proof.exists()
    assert Path(f"{proof}.replay").read_text() == "x\n"
    status = api.get("/health/status").json
    assert status["counters"]["work_refused"] >= 3
    alerts = [(alert["kind"], alert["job_id"]) for alert in status["alerts"] if alert["job_id"] in ours]
    assert sorted(alerts) == sorted(("work_refused", job_id) for job_id in ours)


def test_what_ran_is_not_run_again_whatever_the_ledger_says(api: Api, client: redis.Redis, tmp_path: Path) -> None:
    count = tmp_path / "count"
    job = api.run(SHELL, {"command": f"echo x >> {count}"}, "agent1")
    execution = KEYS.execution(job["id"], "agent1")
    client.hset(execution, mapping={"state": "submitted", "attempt": "0"})
    client.hset(KEYS.job(job["id"]), mapping={"status": "submitted", "n.submitted": 1, "n.completed": 0})
    client.zadd(KEYS.kind("due"), {f"{job['id']}:agent1": 1})
    until(lambda: client.hget(execution, "state") == "failed", "the agent refused it")
    assert count.read_text() == "x\n"


def test_a_forged_result_shows_and_raises_an_alert(api: Api, client: redis.Redis) -> None:
    job = api.run(SHELL, {"command": "echo honest"}, "agent1")
    forged = json.dumps({"data": {"stdout": "forged"}, "changed": False})
    client.hdel(KEYS.execution(job["id"], "agent1"), "o2", "o3")
    client.hset(KEYS.execution(job["id"], "agent1"), "o1", forged)
    assert api.job(job["id"])["responses"]["agent1"]["authenticity"] == "forged"
    # a job that has only just ended, for maintenance to find: this one may have been looked at before it was forged
    seconds, micros = client.time()
    client.zadd(KEYS.kind("finished"), {job["id"]: int(seconds) * 1_000_000 + int(micros)})

    def is_found() -> bool:
        alerts = api.get("/health/status").json["alerts"]
        return any((alert["kind"], alert["job_id"]) == ("results_forged", job["id"]) for alert in alerts)

    until(is_found, "maintenance has found it")


def test_keys_are_rotated_while_work_goes_on(stack: Stack, api: Api, client: redis.Redis, guarded: Machine) -> None:
    def key_of(job_id: str) -> str:
        signature: str = json.loads(str(client.get(KEYS.doc(job_id))))["sig"]
        return signature.partition(".")[0]

    waiting = api.submit(HOSTNAME, target=guarded.name, not_before="2100-01-01T00:00:00Z")
    old = key_of(waiting)
    assert stack.run("signing", "prepare").returncode == 0
    shutil.copy(stack.state / "signing.pub", guarded.keys)
    assert stack.run("signing", "rotate").returncode == 0

    def is_new() -> bool:
        """Work always runs, whichever API process signed it, with whichever trusted key."""
        jobs = [api.run(HOSTNAME, target=target) for target in ("agent1", guarded.name)]
        assert {job["status"] for job in jobs} == {"completed"}
        return old not in {key_of(job["id"]) for job in jobs}

    until(is_new, "the API signs by the new key")


def test_a_command_inherits_no_secret(stack: Stack, api: Api, guarded: Machine) -> None:
    """Asked of an agent whose owner allows commands; its environment holds one."""
    open_host = Machine(stack, "open1")
    token = stack.run("agent", "invite").stdout.strip()
    open_host.start(JOBQUEUE_JOIN_TOKEN=token, JOBQUEUE_ALLOW="command.*", SOME_SECRET="canary-environment")
    until(open_host.is_ready, "the agent with a token is let in")
    output = api.run(SHELL, {"command": "env"}, open_host.name)["result"]["stdout"]
    assert "canary" not in output
    assert "JOBQUEUE_" not in output.replace("_JOBQUEUE_RUN", "")
    assert f"PATH={os.environ['PATH']}" in output


def test_no_message_ends_an_agent(api: Api, stack: Stack, client: redis.Redis) -> None:
    process = stack.agent("agent7")
    place = KEYS.queue("agent7")
    waits = api.submit(HOSTNAME, {}, "agent7", not_before="2100-01-01T00:00:00Z")
    ours = json.dumps(_a_message(waits, "agent7", place))
    hostile = [*hostile_messages.by_hand(ours), *hostile_messages.by_chance(ours, 7, 500)]
    for raw in hostile:
        client.lpush(place, raw)
    until(lambda: client.llen(place) == 0, "the agent has looked at all of them")
    until(
        lambda: api.get("/health/status").json["counters"]["messages_refused"] >= 100, "what it dropped is counted", 20
    )
    assert api.run(HOSTNAME, target="agent7")["status"] == "completed"
    assert process.exit_code is None
    assert api.job(waits)["status"] == "submitted"
    assert "SECURITY: A message in the queue jobqueue:queue:agent7 is not from jobqueue" in process.log()
    process.stop()


def _a_message(job_id: str, slot: str, place: str) -> dict[str, Any]:
    app = make_app(Settings(state_dir=Path("/nowhere")))
    text = template(app).replace("@TASK@", "@JOB@:@SLOT@:1").replace("@JOB@", job_id).replace("@SLOT@", slot)
    found: dict[str, Any] = json.loads(text.replace("@QUEUE@", place).replace("@PRIORITY@", "5"))
    return found
