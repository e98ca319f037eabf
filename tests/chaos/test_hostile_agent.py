"""An agent's user of Redis in the wrong hands: random commands that its rules permit, on keys of every kind, by seed.

Jobs of others go on meanwhile, nothing runs that was not asked for, no alert is erased, and the doctor finds all damage
and repairs it. CHAOS_SEED changes the run.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import RedisError

from jobqueue.errors import JobQueueError
from jobqueue.ledger import acl
from jobqueue.ledger.doctor import Doctor
from jobqueue.ledger.executions import Claim, Finished
from jobqueue.ledger.shared_key_watch import Watch
from jobqueue.model.agent import Heartbeat, Registration
from jobqueue.model.concurrency import Concurrency
from jobqueue.model.rollout import Rollout
from jobqueue.model.stored_target import StoredTarget
from jobqueue.standalone.binary import find_redis_server
from tests.ledger.clock import FakeClock
from tests.ledger.redis_server import RedisServer
from tests.ledger.test_notifications import Post
from tests.ledger.world import LEASE, World

_SEED = int(os.environ.get("CHAOS_SEED", "1"))
ROUNDS, COMMANDS = 40, 25
LAST_ID = "18446744073709551615-18446744073709551615"
CONCURRENCY, EACH = Concurrency("deploy"), Concurrency("{host}")


@pytest.fixture
def server() -> Iterator[RedisServer]:
    found = find_redis_server()
    if found.version < (7, 0, 0):
        pytest.skip("this Redis knows no rules for single keys")
    directory = Path(tempfile.mkdtemp(prefix="jqf-"))
    server = RedisServer(found.path, directory)
    server.start()
    yield server
    server.kill()
    shutil.rmtree(directory)


class Intruder:
    """Has the password of the agent ``evil``, and knows ids of some jobs: its own, and those of broadcasts."""

    def __init__(self, world: World, url: str, rng: random.Random) -> None:
        user = acl.agent_user(world.ledger.keys, "evil")
        world.client.execute_command(
            "ACL", "SETUSER", user.name, "reset", "on", ">secret", *" ".join(user.rules).split()
        )
        self.client = redis.Redis.from_url(url, username=user.name, password="secret", decode_responses=True)
        self._keys = world.ledger.keys
        self._rng = rng
        self._permitted = self._commands(user.rules)
        self.known: list[str] = []
        self.done = 0

    @staticmethod
    def _commands(rules: tuple[str, ...]) -> list[tuple[str, str]]:
        """(command, pattern of a key) of each rule."""
        found = []
        for rule in rules:
            words = rule.strip("()").split()
            patterns = [word[1:] for word in words if word.startswith("~")]
            commands = [word[1:] for word in words if word.startswith("+") and "@" not in word]
            found += [(command, pattern) for pattern in patterns for command in commands]
        return found

    def strike(self) -> None:
        command, pattern = self._rng.choice(self._permitted)
        key = pattern.replace("[^-.0-9A-Z_a-z]", "\x06").replace("*", self._rest(pattern))
        try:
            self.client.execute_command(command, key, *self._arguments(command))
            self.done += 1
        except RedisError:
            pass  # not permitted, or no such command on what is there

    def _rest(self, pattern: str) -> str:
        if pattern.startswith(self._keys.kind("index")):
            return self._rng.choice(
                ["all:|submitted", "all:|completed", "op:op.x|submitted", "target:b|submitted", "x"]
            )
        if pattern.startswith(self._keys.kind("package")):
            return "p"
        if pattern.startswith((self._keys.kind("holders"), self._keys.kind("line"))):
            return self._rng.choice([CONCURRENCY.key, "{}{b}", "{}{evil}", "x"])
        if pattern.startswith(self._keys.kind("parked")):
            return self._rng.choice(["granted", "each:{}{b}", f"key:{self._rng.choice(self.known)}", "pause:x"])
        return self._rng.choice([*self.known, "9" * 36])

    def _member(self) -> str:
        job_id = self._rng.choice([*self.known, "9" * 36])
        known = [job_id, f"{job_id}:evil", f"{job_id}:b", f"{job_id}:_any", "b", "evil", "ghost"]
        return self._rng.choice([*known, CONCURRENCY.key, "{}{b}", "{}{evil}"])

    def _arguments(self, command: str) -> list[str | int]:
        rng, value = (
            self._rng,
            str(
                self._rng.choice(
                    [
                        "",
                        "x",
                        "submitted",
                        "completed",
                        "nan",
                        "9" * 30,
                        "-1",
                        "1",
                        "2|x",
                        "completed|1|x",
                        "0|1|9|0|auto|stop",
                    ]
                )
            ),
        )
        field = rng.choice(
            [
                "status",
                "state",
                "n.submitted",
                "n.completed",
                "e1",
                "events",
                "created",
                "updated",
                "attempt",
                "token",
                "slot",
                "fanout",
                "target",
                "cancel",
                "tags",
                "boot",
                "until",
                "registered",
                "opened",
                "gate",
                "opens",
                "rest",
                "rollout",
                "b1",
                "awaits",
                "paused",
                "stopped",
                "conc",
                "parked",
                "labels",
                "offers",
                "holds",
                "x",
            ]
        )
        score = rng.choice(["0", "1", "inf", "-inf", "9e15", "1e300"])
        return {
            "hset": [field, value],
            "hget": [field],
            "hmget": [field],
            "hdel": [field],
            "hincrby": [field, rng.choice([1, -99, 2**62])],
            "zadd": [score, self._member()],
            "zrem": [self._member()],
            "zscore": [self._member()],
            "xadd": [
                *rng.choice([[], [], ["MAXLEN", "0"], ["MINID", LAST_ID]]),
                rng.choice(["*", LAST_ID, "99999999999999-1"]),
                *("v", rng.choice([value, f"ended|1|{rng.choice(self.known)}|failed", "begin|x||", "|||"])),
            ],
            "xtrim": ["MAXLEN", "0"],
            "xrevrange": ["+", "-"],
            "sadd": [self._member()],
            "srem": [self._member()],
            "sismember": [self._member()],
            "lpush": [value],
            "rpush": [value],
            "ltrim": [1, 0],
            "lrange": [0, -1],
            "set": [value],
            "brpop": ["0.01"],
            "rename": [f"{self._keys.kind('exec')}evil:{'9' * 36}"],
        }.get(command, [])


def _run(world: World, host: str, job_id: str) -> None:
    claim = world.claim(job_id, host)
    assert isinstance(claim, Claim)
    assert world.finish(claim) is Finished.FINISHED


def test_what_one_host_writes_stops_no_other(server: RedisServer) -> None:
    rng = random.Random(_SEED)
    with redis.Redis.from_url(server.url, decode_responses=True, socket_timeout=30) as client:
        world = World(client, FakeClock())
        world.ledger.scripts.load()
        world.register("b", "evil")
        post = Post(world)
        post.put(events=("job.completed",))
        world.ledger.stored_targets.put(StoredTarget("t", "b", "", 1, "admin"))
        watch = Watch(world.ledger, LEASE)
        world.executions.alert("work_refused", "", "b", "raised before")
        intruder = Intruder(world, server.url, rng)
        rollout = Rollout.read({"batch": 1, "max_failures": 2, "between": "approve"})
        intruder.known += [world.create("evil"), world.create("_all"), world.create("evil")]
        intruder.known += [world.create("_all", rollout=rollout)]
        asked = set()
        for _ in range(ROUNDS):
            for _ in range(COMMANDS):
                intruder.strike()
            # others submit, run and report, whatever stands in the shared keys
            job_id = world.create("b")
            asked.add(job_id)
            _run(world, "b", job_id)
            post.deliver()
            assert post.receiver.jobs[-1] == job_id, "its end was not reported"
            asked |= {
                world.create("b"),
                world.create("b", concurrency=CONCURRENCY),
                world.create("_all", concurrency=EACH),
            }
            # maintenance goes on, too
            world.clock.advance(1)
            world.agents.muster(100)
            watch.shared_keys()
            world.promote()
            world.executions.reap(100)
            world.executions.expire(100)
            for due in world.ledger.rollouts.due(10):
                world.ledger.rollouts.open(due, world.template)
            world.executions.advance_lines(100)
            world.executions.return_parked(100, world.template)
            world.reconcile("b")
            world.jobs.prune(10**6, 100)
            world.agents.beat("b", "boot", _vitals())
        assert intruder.done > ROUNDS * COMMANDS / 4, "most of the commands were none"
        queued = set(world.queued("b"))
        assert queued <= asked | set(intruder.known), "work that nobody asked for is in the queue of another agent"
        assert any(alert.message == "raised before" for alert in world.executions.alerts())
        world.agents.register(_registration())
        for _ in range(4):
            if not list(Doctor(world.ledger, repairs=True, lease_seconds=LEASE).run()):
                break
        assert list(Doctor(world.ledger, repairs=False, lease_seconds=LEASE).run()) == []
        assert world.ledger.stored_targets.get("t").text == "b"
        kept = [job_id for job_id in asked if _is_readable(world, job_id)]
        assert len(kept) == len(asked)
        intruder.client.close()


def _is_readable(world: World, job_id: str) -> bool:
    try:
        world.job(job_id)
    except JobQueueError:
        return False
    return True


def _vitals() -> Heartbeat:
    return Heartbeat(load=(), memory={}, running=0, conditions=())


def _registration() -> Registration:
    return Registration("evil", "boot2", {}, {"os": "linux"}, ("op.x",), "1", 2)


@pytest.mark.parametrize(
    "command",
    [
        *("LTRIM jobqueue:alerts 1 0", "LPUSH jobqueue:alerts x", "ZADD jobqueue:agents 0 b", "SADD jobqueue:away b"),
        *(
            "SREM jobqueue:away evil",
            "SREM jobqueue:label:group:web b",
            "SREM jobqueue:offers:op.x b",
            "SPOP jobqueue:arrivals",
        ),
        *("HSET jobqueue:certificates key x", "SADD jobqueue:joining b", "HSET jobqueue:roster:evil registered x"),
        *(
            "LPUSH jobqueue:noted:b x",
            "DEL jobqueue:events",
            "RENAME jobqueue:events x",
            "XTRIM jobqueue:events MAXLEN 0",
        ),
    ],
)
def test_what_others_go_by_is_out_of_its_reach(server: RedisServer, command: str) -> None:
    with redis.Redis.from_url(server.url, decode_responses=True) as client:
        intruder = Intruder(World(client, FakeClock()), server.url, random.Random(_SEED))
        with pytest.raises(redis.exceptions.NoPermissionError):
            intruder.client.execute_command(*command.split())
        intruder.client.close()
