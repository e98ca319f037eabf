"""Pauses and concurrency keys under the Redis user of an agent, which may read and write few keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobqueue.ledger.executions import Claim, Refusal
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.redis_users import RedisUsers
from jobqueue.model.concurrency import Concurrency
from jobqueue.model.pause import Pause, PauseKind
from jobqueue.model.states import ExecutionState
from jobqueue.model.target import ANY
from jobqueue.redis_url import RedisUrl
from jobqueue.standalone.ports import free_port
from jobqueue.standalone.redis import EmbeddedRedis
from tests.ledger import invariants
from tests.ledger.clock import FakeClock
from tests.ledger.conftest import connect_patiently
from tests.ledger.world import OPERATION, World, settings

pytestmark = pytest.mark.realredis


@pytest.fixture
def server(short_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(short_path / "redis", listen=("127.0.0.1", free_port())).running() as running:
        yield running


def test_claims_and_ends(server: EmbeddedRedis) -> None:
    users, clock = RedisUsers(server.url, "jobqueue:"), FakeClock()
    login = users.create_agent("a")
    users.close()
    own = connect_patiently(RedisUrl.parse(server.url).with_login(login.name, login.password))
    with connect_patiently(server.url) as client, own:
        world, agent = World(client, clock), Ledger(own, settings(), now=clock).executions
        world.ledger.scripts.load()
        world.register("a", labels={"zone": "east"})

        def claim(slot: str = "a") -> Claim | Refusal:
            return agent.claim(world.pop(slot), slot, "a", f"token{clock()}")

        for key in ("deploy", "{label:zone}-{host}"):
            for _ in range(2):
                world.create("a", concurrency=Concurrency(key))
            first = claim()
            assert isinstance(first, Claim)
            assert claim() == Refusal("concurrency")
            world.create(ANY, concurrency=Concurrency(key))
            assert claim(ANY) == Refusal("concurrency")
            invariants.check(client, world.ledger.keys)
            agent.finish(first, ExecutionState.COMPLETED, out="{}")
            world.executions.advance_lines(10)
            world.executions.return_parked(10, world.template)
            second = claim()
            assert isinstance(second, Claim)
            agent.finish(second, ExecutionState.FAILED, note="x")
        for kind, value in ((PauseKind.EVERYTHING, ""), (PauseKind.OPERATION, OPERATION), (PauseKind.TARGET, "a")):
            pause = Pause("0badcafe", kind, value, "why")
            world.ledger.pauses.add(pause, ["a"] if value == "a" else [])
            world.create("a")
            assert claim() == Refusal("paused")
            world.ledger.pauses.end(pause.id)
            world.executions.return_parked(10, world.template)
            assert isinstance(claim(), Claim)
        invariants.check(client, world.ledger.keys)
