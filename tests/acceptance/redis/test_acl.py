"""Each part with a user of its own: everything works with them, and who has taken an agent over can do little else."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from redis.exceptions import NoPermissionError

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Scripts
from jobqueue.standalone.ports import LOOPBACK
from tests.acceptance.conftest import MakeStack
from tests.acceptance.redis.parts import Parts
from tests.acceptance.redis.servers import Server
from tests.acceptance.support.api import Api
from tests.acceptance.support.processes import Process
from tests.acceptance.support.stack import clean_environ
from tests.acceptance.support.until import until

#: The name of one is the beginning of the other's.
AGENTS = ("web1", "web1-b")
NOTE, FLAKY, SHELL = "accept.note.do", "accept.flaky.do", "command.shell.execute"
KEYS = Keys("jobqueue:")


class Guarded:
    """A Redis whose users are those that ``jobqueue redis acl`` prints, and the parts on it."""

    def __init__(
        self, server: Server, make_stack: MakeStack, environ: dict[str, str], passwords: dict[str, str]
    ) -> None:
        self.server = server
        self.passwords = passwords
        self.parts = Parts(make_stack({**environ, **Parts.environ(self.url("jobqueue-api"))}))

    @property
    def api(self) -> Api:
        return self.parts.api

    def url(self, user: str) -> str:
        return f"redis://{user}:{self.passwords[user]}@{LOOPBACK}:{self.server.port}/0"

    def client(self, user: str) -> redis.Redis:
        """A client with the user's password, as an attacker who has taken over this component has."""
        return redis.Redis.from_url(self.url(user), decode_responses=True, socket_timeout=5)

    def start(self) -> None:
        self.start_maintenance()
        self.parts.start_api()
        # one beside the API, and one that has been invited, with nothing but the API's public key
        first, second = AGENTS
        self.start_agent(first, {})
        stack = self.parts.stack
        invited = self.api.post("/agent/invite", {"hostname": second, "seconds": 600})
        assert invited.status == 201, invited
        self.start_agent(
            second,
            {
                "JOBQUEUE_STATE_DIR": str(stack.directory / "elsewhere"),
                "JOBQUEUE_TRUSTED_KEYS": str(stack.state / "signing.pub"),
                "JOBQUEUE_JOIN_TOKEN": invited.json["token"],
            },
        )
        until(lambda: self.api.agent(second)["state"] == "Ready", "the invited agent is accepted")

    def start_maintenance(self) -> Process:
        environ = {**self.parts.stack.environ, "JOBQUEUE_REDIS_URL": self.url("jobqueue-maintenance")}
        self.parts.maintenance = self.parts.stack.start("maintenance", ["maintenance"], environ)
        return self.parts.maintenance

    def start_agent(self, hostname: str, settings: dict[str, str]) -> Process:
        environ = {**settings, "JOBQUEUE_REDIS_URL": self.url(f"jobqueue-agent-{hostname}")}
        agent = self.parts.stack.agent(hostname, "--label", f"group={hostname}", environ=environ)
        self.parts.agents[hostname] = agent
        return agent

    def denials(self) -> list[str]:
        """What Redis has refused since the last look."""
        with self.server.client() as client:
            found = [f"{entry['username']}: {entry['reason']} {entry['object']}" for entry in client.acl_log()]
            client.acl_log_reset()
        return found


def _users(*options: str) -> tuple[list[str], dict[str, str]]:
    """The lines and the passwords that the command prints."""
    argv = [sys.executable, "-m", "jobqueue", "redis", "acl", *options]
    done = subprocess.run(argv, env=clean_environ(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), dict(line.split(": ", 1) for line in done.stderr.splitlines())


@pytest.fixture(scope="module")
def guarded(make_stack: MakeStack, with_own_plugin: dict[str, str], home: Path) -> Iterator[Guarded]:
    place = Path(tempfile.mkdtemp(prefix="acl-", dir=home))
    lines, passwords = _users()
    for_agents = _users(*(word for hostname in AGENTS for word in ("--agent", hostname)))
    file = place / "users.acl"
    # the default user is the tests' own
    file.write_text("\n".join(["user default on nopass ~* &* +@all", *lines, *for_agents[0]]) + "\n")
    server = Server(place / "redis", f'aclfile "{file}"', "appendonly yes").start()
    try:
        guarded = Guarded(server, make_stack, with_own_plugin, passwords | for_agents[1])
        guarded.start()
        yield guarded
        for process in (*guarded.parts.agents.values(), guarded.parts.api_process, guarded.parts.maintenance):
            assert process is not None
            process.stop()
    finally:
        server.stop()


@pytest.fixture
def api(guarded: Guarded) -> Api:
    return guarded.api


@pytest.fixture
def taken_over(guarded: Guarded) -> Iterator[redis.Redis]:
    """The first agent's user, in the wrong hands."""
    with guarded.client("jobqueue-agent-web1") as client:
        yield client


def test_everything_works_and_nothing_is_refused(guarded: Guarded, api: Api, tmp_path: Path) -> None:
    for number, target in enumerate(("_any", "_all", "web1", "group:web1-b", "web1-b")):
        job = api.run(NOTE, {"file": str(tmp_path / str(number))}, target, priority=number * 2)
        assert job["status"] == "completed", job
    retries = {"max_attempts": 3, "backoff_seconds": 0.1}
    for number, target in enumerate(("_any", "web1")):
        file = str(tmp_path / f"flaky{number}")
        assert api.run(FLAKY, {"file": file, "failures": 1}, target, retries=retries)["attempts"] == 2
        failed = api.run(FLAKY, {"file": f"{file}.", "failures": 9}, target, tags={"a": "b"}, expires_at="2100-01-01")
        assert failed["status"] == "failed"
    # the agent that ends a batch raises the gate, or stops the rollout
    rolled = api.run(NOTE, {"file": str(tmp_path / "rolled")}, "_all", rollout={"batch": 1})
    assert [batch["state"] for batch in rolled["rollout"]["batches"]] == ["ended", "ended"]
    stopped = api.run(SHELL, {"command": "exit 3"}, "_all", rollout={"batch": 1})
    assert [state["status"] for state in stopped["agent_states"].values()] == ["failed", "cancelled"]
    printing = api.submit(SHELL, {"command": "echo begun; sleep 600"}, "web1")
    until(lambda: api.get(f"/job/{printing}/logs").json["chunks"], "there is output")
    assert api.post(f"/job/{printing}/cancel").status == 202
    assert api.wait(printing)["status"] == "cancelled"
    assert api.post("/agent/web1/drain").status == 200
    until(lambda: api.agent("web1")["state"] == "Cordoned", "the agent is cordoned")
    assert api.post("/agent/web1/undrain").status == 200
    assert api.delete(f"/job/{printing}").status == 204
    # that is how an agent looks at the server's settings, and tries once whether it may enter itself into the lists
    tried = {denial.partition(" ")[2] for denial in guarded.denials()}
    assert tried <= {"command info", f"key {KEYS.kind('joining')}"}


@pytest.mark.parametrize(
    "command",
    [
        *("KEYS *", "SCAN 0", "RANDOMKEY", "DBSIZE", "CONFIG GET *", "CONFIG SET dir /tmp", "FLUSHALL", "FLUSHDB"),
        *("EVAL return(1) 0", "SCRIPT LOAD return(1)", "SCRIPT FLUSH", "FUNCTION LIST", "MONITOR"),
        *("ACL LIST", "ACL SETUSER x", "ACL LOG", "CLIENT LIST", "CLIENT KILL ID 1", "SLOWLOG GET", "INFO", "SHUTDOWN"),
        *("SAVE", "REPLICAOF 127.0.0.1 1", "MODULE LIST", "LATENCY LATEST", "MEMORY USAGE x", "SYNC", "PSYNC ? -1"),
        *("MIGRATE 127.0.0.1 1 x 0 1", "RESTORE x 0 x", "DUMP jobqueue:credentials", "OBJECT ENCODING x"),
        *("PUBLISH /0.celery.pidbox x", "PSUBSCRIBE *", "SUBSCRIBE other", "PUBSUB CHANNELS", "SWAPDB 0 1"),
        *("FCALL x 0", "SORT jobqueue:index:all:|completed", "BGREWRITEAOF", "FAILOVER", "CLUSTER NODES"),
    ],
)
def test_an_agent_may_not_rule_the_server(taken_over: redis.Redis, command: str) -> None:
    with pytest.raises(NoPermissionError):
        taken_over.execute_command(*command.split())


@pytest.mark.parametrize(
    "command",
    [
        # others' work and what they answered
        *("HGETALL {exec}", "HGET {exec} token", "HSET {exec} state submitted", "DEL {exec}", "GET {out}"),
        *("SET {out} forged", "XRANGE {log} - +", "XADD {log} * t x", "RENAME {exec} jobqueue:exec:web1:{id}"),
        *("BRPOP jobqueue:queue:web1-b 1", "RPOP jobqueue:queue:web1-b", "LRANGE jobqueue:queue:web1-b 0 -1"),
        # neither its own, nor by a name that begins with its own
        *("LPUSH jobqueue:queue:web1 x", "LPUSH jobqueue:queue:_any x", "RPOP jobqueue:queue:web1-bxx3"),
        *("HSET jobqueue:agent:web1-b boot x", "HGETALL jobqueue:agent:web1-b", "RPUSH jobqueue:agent-log:web1-b x"),
        # new work, or other work under an id that is known
        *("SET {doc} x", "DEL {doc}", "SET jobqueue:doc:new x", "DEL {job}"),
        # where it could find ids of others' work
        *("ZRANGE jobqueue:index:all:|completed 0 -1", "ZRANGE jobqueue:leases 0 -1", "ZRANGE jobqueue:due 0 -1"),
        *(
            "ZRANGE jobqueue:finished 0 -1",
            "LRANGE jobqueue:alerts 0 -1",
            "LTRIM jobqueue:alerts 1 0",
            "ZRANGE jobqueue:waiting:web1-b 0 -1",
        ),
        *("ZPOPMIN jobqueue:due", "ZRANGESTORE jobqueue:agents jobqueue:index:all:|completed 0 -1"),
        # who may get in
        *("HGETALL jobqueue:credentials", "HSET jobqueue:credentials key:x y", "HGETALL jobqueue:roles"),
        *("XRANGE jobqueue:audit - +", "XADD jobqueue:audit * a b", "DEL jobqueue:audit", "SET jobqueue:leader me"),
        *("SMEMBERS jobqueue:away", "HGETALL jobqueue:certificates", "SET other x", "GET other"),
    ],
)
def test_an_agent_may_not_touch_what_is_not_its_own(api: Api, taken_over: redis.Redis, command: str) -> None:
    job_id = _job_of_the_other(api)
    names = {
        "id": job_id, "doc": KEYS.doc(job_id), "job": KEYS.job(job_id), "exec": KEYS.execution(job_id, "web1-b"),
        "out": f"{KEYS.kind('out')}web1-b:{job_id}", "log": KEYS.log(job_id, "web1-b"),
    }  # fmt: skip
    with pytest.raises(NoPermissionError):
        taken_over.execute_command(*command.format(**names).split())


_of_the_other: list[str] = []


def _job_of_the_other(api: Api) -> str:
    """A job of the other agent that has ended; one for all."""
    if not _of_the_other:
        job = api.run("node.hostname.get", target="web1-b")
        _of_the_other.append(job["id"])
    return _of_the_other[0]


def test_the_ledgers_scripts_give_an_agent_no_more(guarded: Guarded, api: Api, taken_over: redis.Redis) -> None:
    """Every script, called by its hash under the agent's user, against another agent's job."""
    job_id = _job_of_the_other(api)
    waiting = api.submit("node.hostname.get", target="web1-b", not_before="2100-01-01T00:00:00Z")
    scripts = Scripts(taken_over, KEYS)
    calls: dict[str, tuple[str | int, ...]] = {
        "cancel_job": ("", waiting, "me", 100, ""),
        "delete_job": (job_id, ""),
        "read_job": (job_id, 1, 1, 1),
        "read_executions": (job_id, 0, 1, 1, 1),
        "read_slots": (job_id, 1, "web1-b"),
        "list_states": (job_id, "web1-b"),
        "survey_agents": ("", "", 10),
        "store_fleet": ("{}",),
        "report_progress": (job_id, "web1-b", "x", "{}"),
        "append_output": (job_id, "web1-b", "x", 1000, 1, "stdout", 1, "t", "x"),
        "open_fetched": (job_id, "web1-b", "x"),
        "reserve_fetched": (job_id, "web1-b", "x", 1, 1),
        "store_fetched": (job_id, "web1-b", "x", 0, "x"),
        "register_agent": ("", "web1-b", "boot", 1_000_000, "{}", "", ""),
        "heartbeat": ("", "web1-b", "boot", 1_000_000, "{}", "0", "", "Ready"),
        "leave": ("", "web1-b", "boot"),
        "drain_agent": ("", "web1-b", "drain"),
        "list_prunable": ("", 0, 100),
        "reap": ("", 100, ""),
        "alert": ("", "", "", "", ""),
    }
    before = _told(api.job(waiting)), _told(api.job(job_id))
    for verb, arguments in calls.items():
        with pytest.raises(LedgerUnavailable, match="refuses the user of"):
            scripts.call(verb, *arguments)
    with pytest.raises(LedgerUnavailable, match="refuses the user of"):
        scripts.call_each("finish", ("",), [(job_id, "web1-b", "x", "completed", "{}", "", "", "", "")])
    with pytest.raises(LedgerUnavailable, match="refuses the user of"):
        scripts.call_each("claim", ("", "web1-b", 1_000_000, ""), [(waiting, "web1-b", "x")])
    scripts.close()
    # a job whose id an agent knows it can mark as cancelled; it can neither end it nor answer for another
    assert (_told(api.job(waiting)), _told(api.job(job_id))) == before
    assert api.agent("web1-b")["status"] == "live"
    api.post(f"/job/{waiting}/cancel")
    guarded.denials()


def _told(job: dict[str, Any]) -> dict[str, Any]:
    """What became of a job, and who said so."""
    return {name: job[name] for name in ("status", "result", "responses", "agent_states", "hostname", "attempts")}


def test_an_event_stream_filled_by_an_agent_stops_no_job(guarded: Guarded, api: Api, taken_over: redis.Redis) -> None:
    """To a stream whose last id is the highest that there is, no entry can be added."""
    last = "18446744073709551615-18446744073709551615"
    taken_over.execute_command("XADD", KEYS.kind("events"), last, "v", "x")
    for hostname in AGENTS:
        assert api.run("node.hostname.get", target=hostname)["status"] == "completed"
    alerts = api.get("/health/status").json["alerts"]
    assert any(KEYS.kind("events") in alert["message"] for alert in alerts), alerts


@pytest.mark.parametrize("role", ["api", "maintenance"])
def test_the_others_do_not_rule_the_server_either(guarded: Guarded, role: str) -> None:
    commands = ("KEYS *", "CONFIG GET *", "FLUSHALL", "FLUSHDB", "SHUTDOWN", "SCRIPT FLUSH", "ACL LIST",
                "MONITOR", "REPLICAOF 127.0.0.1 1", "MODULE LIST", "SET other x", "SCAN 0", "RANDOMKEY")  # fmt: skip
    with guarded.client(f"jobqueue-{role}") as client:
        for command in commands:
            with pytest.raises(NoPermissionError):
                client.execute_command(*command.split())
        if role == "maintenance":
            for key in ("credentials", "roles", "audit"):
                with pytest.raises(NoPermissionError):
                    client.execute_command("TYPE", KEYS.kind(key))
    guarded.denials()


def test_remote_control_is_disabled(guarded: Guarded) -> None:
    """Celery's workers would obey any client that can publish: shut down, consume other queues, forget tasks."""
    with guarded.server.client() as client:
        assert client.pubsub_channels() == []
        assert client.pubsub_numpat() == 0
        order = json.dumps({"body": json.dumps({"method": "shutdown", "arguments": {}, "destination": None})})
        assert client.publish("/0.celery.pidbox", order) == 0


def test_maintenance_loads_the_scripts_again(guarded: Guarded, api: Api) -> None:
    """A Redis that was restarted has none, and agents may not bring theirs."""
    guarded.server.stop()
    guarded.server.start()
    until(lambda: guarded.parts.status("/health/ready") == 200, "the API has Redis again")
    for hostname in AGENTS:
        assert api.run("node.hostname.get", target=hostname, expires_at="2100-01-01")["status"] == "completed"
    assert [denial for denial in guarded.denials() if "eval" not in denial] == []


def test_an_agent_waits_for_the_scripts(guarded: Guarded, api: Api) -> None:
    """Without maintenance it says what it waits for; what is submitted meanwhile is run later."""
    maintenance = guarded.parts.maintenance
    assert maintenance is not None
    maintenance.stop()
    with guarded.server.client() as client:
        client.script_flush()
    waits = "maintenance does, as soon as it runs"
    for hostname in AGENTS:
        until(lambda name=hostname: waits in guarded.parts.agents[name].log(), f"{hostname} says what it waits for")
    job_id = api.submit("node.hostname.get", target="web1", expires_at="2100-01-01")
    guarded.start_maintenance()
    assert api.wait(job_id)["status"] == "completed"
