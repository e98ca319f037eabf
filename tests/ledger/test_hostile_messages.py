"""What comes out of an agent's queues on a real Redis, through the transport that agents use."""

from __future__ import annotations

import json
import queue as queues_of_python
from typing import Any

import pytest
from celery import Celery
from kombu import Consumer, Message

from jobqueue.dispatch.app import make_app
from jobqueue.dispatch.message_parser import ForeignMessage, MessageParser
from jobqueue.dispatch.queues import TASK, agent_queues, broker_priority, queue
from jobqueue.dispatch.transport import MESSAGE_FILTER
from jobqueue.model.alert import MESSAGES_REFUSED
from jobqueue.model.target import ANY
from tests import hostile_messages
from tests.ledger.world import World, settings
from workers.agent.consumer.consumer import MessageFilter
from workers.agent.consumer.rejected_messages import RejectedMessages

pytestmark = pytest.mark.realredis

SEED = 20_261_122


class Agent:
    """The receiving half of one."""

    def __init__(self, world: World, redis_url: str) -> None:
        self.app = make_app(settings(redis_url))
        self.world = world
        self.url = redis_url
        self.queues = agent_queues(world.ledger.keys, "a")
        self.rejected = RejectedMessages(world.ledger.executions, "a")
        self.incoming = MessageParser(self.app, dict(zip((one.name for one in self.queues), ("a", ANY), strict=True)))
        options = {
            **self.app.conf.broker_transport_options,
            MESSAGE_FILTER: MessageFilter(self.incoming, self.rejected),
        }
        self.app.conf.broker_transport_options = options

    def take(self, until_job: str) -> list[tuple[Any, Any]]:
        """Read until the message of this job comes; headers and body of all that came."""
        taken: list[tuple[Any, Any]] = []

        def on_message(message: Message) -> None:
            taken.append((message.headers, json.loads(message.body)))
            message.ack()

        with (
            self.app.connection_for_read() as connection,
            connection.channel() as channel,
            Consumer(channel, self.queues, on_message=on_message, accept=["json"]),
        ):
            while not taken or taken[-1][1][0][0] != until_job:
                try:
                    connection.drain_events(timeout=10)
                except queues_of_python.Empty:
                    continue
        return taken


@pytest.fixture
def agent(real_world: World, redis_url: str) -> Agent:
    real_world.register("a")
    return Agent(real_world, redis_url)


def _message(world: World) -> tuple[str, str, str]:
    """A job's id, its message, and the list where it was."""
    job_id = world.create("a")
    [(place, text)] = [(name, text) for name in world.queue_lists("a") if (text := world.client.lindex(name, -1))]
    world.lose_messages("a")
    return job_id, str(text), place


def test_only_valid_messages_reach_celery(agent: Agent) -> None:
    world = agent.world
    job_id, ours, place = _message(world)
    hostile = list(hostile_messages.by_hand(ours))
    hostile += [
        raw for raw in hostile_messages.by_chance(ours, SEED, 1500) if not _is_harmless(agent.incoming, place, raw)
    ]
    assert len(hostile) > 800
    for raw in hostile:
        world.client.lpush(place, raw)
    world.client.lpush(place, ours)
    ((headers, body),) = agent.take(until_job=job_id)
    assert (headers["id"], headers["task"]) == (f"{job_id}:a:1", TASK)
    assert body[0] == [job_id, "a"]
    agent.rejected.report()
    assert world.ledger.stats()[MESSAGES_REFUSED] == len(hostile)
    [alert] = world.ledger.executions.alerts()
    assert (alert.kind, alert.hostname) == (MESSAGES_REFUSED, "a")
    assert "is not from jobqueue and was dropped" in alert.message
    assert len(alert.message) <= 500


def _is_harmless(incoming: MessageParser, place: str, raw: bytes) -> bool:
    """Whether the change is one that nobody looks at: what is made of it is ours to the byte, but for its number."""
    try:
        made = json.loads(incoming.anew(place.partition("\x06")[0], raw))
    except ForeignMessage:
        return False
    assert made["headers"]["task"] == TASK
    assert made["properties"]["delivery_info"] == {"exchange": "", "routing_key": place.partition("\x06")[0]}
    assert made["headers"].keys() == json.loads(incoming._template.replace("@PRIORITY@", "0"))["headers"].keys()
    return True


def test_what_celery_sends_is_ours_too(agent: Agent) -> None:
    world = agent.world
    job_id, _, _ = _message(world)
    sender: Celery = make_app(settings(agent.url))
    sender.send_task(
        TASK,
        args=[job_id, "a"],
        task_id=f"{job_id}:a:1",
        queue=queue(world.ledger.keys, "a"),
        priority=broker_priority(4),
        ignore_result=True,
    )
    sender.close()
    ((headers, body),) = agent.take(until_job=job_id)
    assert (headers["id"], body[0]) == (f"{job_id}:a:1", [job_id, "a"])
    agent.rejected.report()
    assert world.ledger.stats()[MESSAGES_REFUSED] == 0


def test_one_that_was_put_back_is_ours_still(agent: Agent) -> None:
    job_id, ours, place = _message(agent.world)
    agent.world.client.lpush(place, json.dumps({**json.loads(ours), "redelivered": True}))
    assert len(agent.take(until_job=job_id)) == 1
