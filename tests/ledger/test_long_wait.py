"""How an agent waits for messages: on one connection, long, and yet never longer than it should."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from kombu import Connection, Consumer, Message
from redis.exceptions import ConnectionError as RedisConnectionError

from jobqueue.dispatch.app import make_app
from jobqueue.dispatch.long_wait import WAIT_SECONDS
from jobqueue.dispatch.queues import agent_queues
from jobqueue.dispatch.transport import MESSAGE_FILTER
from jobqueue.redis_url import RedisUrl
from tests.acceptance.support.until import until
from tests.ledger.counting import calls_of
from tests.ledger.world import World, settings

pytestmark = pytest.mark.realredis
#: What must happen at once; less than one wait by far.
AT_ONCE = 2.0


class EveryMessage:
    """A filter that takes every message, in groups if there is room."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.free, self.sharers = 0, {"a": 1}

    def __call__(self, queue: str, messages: list[bytes]) -> bytes | None:
        self.groups.append([json.loads(raw)["headers"]["id"].partition(":")[0] for raw in messages])
        return messages[0] if self.free == 0 else None

    def room(self) -> int:
        return self.free

    def readers(self, queue: str) -> int:
        return self.sharers.get(queue.rpartition(":")[2], 0)


class Agent:
    """The reading part of an agent: a kombu consumer, whose events a thread of its own drains."""

    def __init__(self, url: str, world: World, *hostnames: str) -> None:
        app = make_app(settings(url))
        self.filter = filter_ = EveryMessage()
        options = {**app.conf.broker_transport_options, MESSAGE_FILTER: filter_}
        self.taken: list[str] = []
        self.connection: Connection = app.connection_for_read(transport_options=options)
        self.channel: Any = self.connection.channel()
        self._queues = [queue for hostname in hostnames for queue in agent_queues(world.ledger.keys, hostname)]
        self.consumer = Consumer(self.channel, self._queues, callbacks=[self._take], accept=["json"], prefetch_count=1)

    def _take(self, _: object, message: Message) -> None:
        self.taken.append(message.headers["id"].partition(":")[0])
        message.ack()

    def wait(self, seconds: float = WAIT_SECONDS + 5) -> None:
        """Handle one event."""
        self.connection.drain_events(timeout=seconds)

    def groups(self, messages: int) -> list[list[str]]:
        """Read until so many messages have come; how they came together."""
        while sum(map(len, self.filter.groups)) < messages:
            with suppress(TimeoutError):
                self.wait(0.1)
        return self.filter.groups


@pytest.fixture
def agent(real_world: World, redis_url: str) -> Iterator[Agent]:
    real_world.register("a")
    agent = Agent(redis_url, real_world, "a")
    agent.consumer.consume()
    yield agent
    agent.connection.close()


def waiting(world: World) -> list[dict[str, str]]:
    found: list[dict[str, str]] = world.client.client_list()
    return [one for one in found if one["cmd"] == "brpop" and "b" in one["flags"]]


def begin_to_wait(agent: Agent, world: World) -> None:
    """The channel waits at the server, and the caller does not."""
    agent.channel.connection.cycle.on_poll_start()
    until(lambda: len(waiting(world)) == 1, "it waits")


def connections(world: World) -> int:
    return len(world.client.client_list())


def test_one_wait_is_long_and_takes_a_message_at_once(agent: Agent, real_world: World) -> None:
    begin_to_wait(agent, real_world)
    calls = calls_of(real_world.client, "brpop")
    time.sleep(2.5)
    assert len(waiting(real_world)) == 1
    assert calls_of(real_world.client, "brpop") == calls
    job_id = real_world.create("a")
    begin = time.monotonic()
    agent.wait()
    assert time.monotonic() - begin < AT_ONCE
    assert agent.taken == [job_id]


def test_waits_differ_in_length(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[float] = []
    agent.channel.client.connection = agent.channel.client.connection_pool.get_connection()
    monkeypatch.setattr(
        agent.channel.client.connection, "send_command", lambda *words: sent.append(words[-1]), raising=True
    )
    for _ in range(50):
        agent.channel._brpop_start()
    agent.channel._in_poll = None
    assert len(set(sent)) > 10
    assert 0 < min(sent) <= max(sent) <= WAIT_SECONDS


def test_an_agent_keeps_one_connection(agent: Agent, real_world: World) -> None:
    begin_to_wait(agent, real_world)
    before = connections(real_world)
    agent.connection.close()
    until(lambda: connections(real_world) < before, "its connections are closed")
    assert connections(real_world) == before - 1


def test_closing_waits_for_no_message(agent: Agent, real_world: World) -> None:
    begin_to_wait(agent, real_world)
    begin = time.monotonic()
    agent.channel.close()
    assert time.monotonic() - begin < AT_ONCE
    until(lambda: not waiting(real_world), "the server has noticed", AT_ONCE)
    job_id = real_world.create("a")
    assert real_world.queued("a") == [job_id]  # no dead reader takes it


@pytest.mark.parametrize("step", ["close", "cancel"])
def test_a_message_that_comes_just_before_is_delivered(agent: Agent, real_world: World, step: str) -> None:
    begin_to_wait(agent, real_world)
    job_id = real_world.create("a")  # the server has sent it before it answers this
    getattr(agent.channel if step == "close" else agent.consumer, step)()
    assert agent.taken == [job_id]
    assert real_world.queued("a") == []


def test_a_queue_that_is_cancelled_is_not_read_any_more(agent: Agent, real_world: World) -> None:
    begin_to_wait(agent, real_world)
    begin = time.monotonic()
    agent.consumer.cancel()
    assert time.monotonic() - begin < AT_ONCE
    until(lambda: not waiting(real_world), "the server has noticed", AT_ONCE)
    job_id = real_world.create("a")
    assert real_world.queued("a") == [job_id]
    agent.consumer.consume()
    agent.wait()
    assert agent.taken == [job_id]


def test_a_queue_that_is_added_is_read_at_once(real_world: World, redis_url: str) -> None:
    real_world.register("a", "b")
    agent = Agent(redis_url, real_world, "a")
    agent.consumer.consume()
    begin_to_wait(agent, real_world)
    more = Consumer(
        agent.channel, agent_queues(real_world.ledger.keys, "b")[:1], callbacks=[agent._take], accept=["json"]
    )
    more.consume()
    job_id = real_world.create("b")
    begin = time.monotonic()
    agent.wait()
    assert time.monotonic() - begin < AT_ONCE
    assert agent.taken == [job_id]
    agent.connection.close()


def test_a_server_that_does_not_notice_holds_nothing_up(agent: Agent, real_world: World) -> None:
    """Such as one that hangs, or a proxy that forwards no half-closed streams."""
    begin_to_wait(agent, real_world)
    real_world.client.execute_command("CLIENT", "PAUSE", "4000")
    begin = time.monotonic()
    agent.channel.close()
    assert time.monotonic() - begin < AT_ONCE
    real_world.client.ping()


def test_the_most_urgent_first_after_a_wait(agent: Agent, real_world: World) -> None:
    jobs = {priority: real_world.create("a", priority=priority) for priority in (1, 9, 5)}
    for _ in jobs:
        agent.wait()
    assert agent.taken == [jobs[9], jobs[5], jobs[1]]


def test_an_agent_without_a_free_connection_gets_a_clear_error(real_world: World, redis_url: str) -> None:
    admin = real_world.client
    before = admin.config_get("maxclients")["maxclients"]
    admin.config_set("maxclients", len(admin.client_list()))
    try:
        with pytest.raises(RedisConnectionError, match="max number of clients reached"):
            Agent(redis_url, real_world, "a")
    finally:
        admin.config_set("maxclients", before)


def test_messages_that_wait_come_together_as_far_as_there_is_room(agent: Agent, real_world: World) -> None:
    jobs = [real_world.create("a") for _ in range(7)]
    agent.filter.free = 3
    assert agent.groups(7) == [jobs[:4], jobs[4:]]


def test_a_queue_that_others_read_is_shared(agent: Agent, real_world: World) -> None:
    jobs = [real_world.create() for _ in range(9)]
    agent.filter.free, agent.filter.sharers["_any"] = 8, 2
    # one, and half of those behind it: of eight, of three, of one
    assert agent.groups(9) == [jobs[:5], jobs[5:7], jobs[7:8], jobs[8:]]


def test_messages_come_one_by_one_if_the_number_of_readers_is_not_known(agent: Agent, real_world: World) -> None:
    jobs = [real_world.create() for _ in range(3)]
    agent.filter.free = 8
    assert agent.groups(3) == [[job_id] for job_id in jobs]


def test_urgent_messages_come_before_others_that_came_together(agent: Agent, real_world: World) -> None:
    jobs = {priority: [real_world.create("a", priority=priority) for _ in range(3)] for priority in (1, 9, 5)}
    agent.filter.free = 8
    assert agent.groups(9) == [jobs[9], jobs[5], jobs[1]]


def test_a_message_that_has_just_been_sent_comes_alone(agent: Agent, real_world: World) -> None:
    agent.filter.free = 8
    begin_to_wait(agent, real_world)
    time.sleep(0.1)  # longer than a server takes to bring a message that it has
    calls = calls_of(real_world.client, "rpop")
    job_id = real_world.create("a")
    assert agent.groups(1) == [[job_id]]
    assert calls_of(real_world.client, "rpop") == calls


def test_a_wait_that_ends_brings_no_further_messages(agent: Agent, real_world: World) -> None:
    agent.filter.free = 8
    begin_to_wait(agent, real_world)
    first, *others = (real_world.create("a") for _ in range(3))
    agent.channel.end_wait()
    assert agent.filter.groups == [[first]]
    assert real_world.queued("a") == others


def test_a_user_who_may_only_wait_gets_messages_one_by_one(real_world: World, redis_url: str) -> None:
    real_world.register("a")
    jobs = [real_world.create("a") for _ in range(3)]
    real_world.client.execute_command("ACL SETUSER waiter on >pw ~* +@all -rpop")
    agent = Agent(RedisUrl.parse(redis_url).with_login("waiter", "pw"), real_world, "a")
    agent.filter.free = 8
    try:
        agent.consumer.consume()
        assert agent.groups(3) == [[job_id] for job_id in jobs]
    finally:
        agent.connection.close()
        real_world.client.execute_command("ACL DELUSER waiter")
