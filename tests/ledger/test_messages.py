"""The messages in the queues: what stock kombu and Celery put there, and what they read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from celery import Celery
from kombu import Connection, Consumer, Message

from jobqueue.dispatch.app import make_app
from jobqueue.dispatch.envelope import template
from jobqueue.dispatch.queues import PRIORITY_STEPS, TASK, agent_queues, broker_priority, queue
from jobqueue.model.target import ANY
from tests.ledger.world import World, settings

pytestmark = pytest.mark.realredis


@pytest.fixture
def app(redis_url: str) -> Celery:
    return make_app(settings(redis_url))


def test_all_priorities_most_urgent_first(world: World) -> None:
    world.register("a")
    jobs = [(priority, world.create("a", priority=priority)) for priority in (4, 0, 9, 5, 4, 9, 1, 8, 2, 3, 7, 6, 0)]
    assert world.queued("a") == [job_id for _, job_id in sorted(jobs, key=lambda job: -job[0])]


def _shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _shape(part) for name, part in value.items()}
    return [_shape(part) for part in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("priority", [0, 4, 9])
def test_a_message_is_what_kombu_itself_would_put(real_world: World, app: Celery, priority: int) -> None:
    world = real_world
    world.register("a")
    job_id = world.create("a", priority=priority)
    [(name, ours)] = [(name, text) for name in world.queue_lists("a") if (text := world.client.lindex(name, -1))]
    world.lose_messages("a")
    app.send_task(
        TASK,
        args=[job_id, "a"],
        task_id=f"{job_id}:a:1",
        queue=queue(world.ledger.keys, "a"),
        priority=broker_priority(priority),
        ignore_result=True,
        argsrepr=f"('{job_id}', 'a')",
        kwargsrepr="{}",
    )
    app.close()
    theirs = json.loads(world.client.rpop(name))  # in the same list
    mine = json.loads(ours)
    # theirs is in base64, which scripts could not fill
    assert theirs["properties"].pop("body_encoding") == "base64"
    theirs["body"] = mine["body"]
    # what may differ: who sent it, and what makes each message one of its own
    for message in (mine, theirs):
        assert message["headers"].pop("origin")
        assert message["properties"].pop("delivery_tag")
        message["properties"].pop("reply_to")
        for name in ("argsrepr", "kwargsrepr"):  # send_task leaves them here too
            message["properties"].pop(name, None)
    assert mine == theirs
    assert _shape(mine) == _shape(theirs)


def test_a_message_to_many_hosts_says_to_how_many(world: World) -> None:
    world.register("a", "b", "c")
    world.create("_all")
    world.create("a")
    found = {slot: [message["headers"]["origin"] for message in world.messages(slot)] for slot in ("a", "b", "c")}
    assert sorted(found["a"]) == ["jobqueue", "jobqueue/3"]
    assert found["b"] == found["c"] == ["jobqueue/3"]


def test_each_message_has_a_delivery_tag_of_its_own(world: World) -> None:
    world.register("a", "b")
    for target in ("_all", "_all", "a", "group:none"):
        if target != "group:none":
            world.create(target)
    job_id = world.create("a")
    world.retry_later(world.claim(job_id, "a"), 0)
    world.promote()
    found = [message["properties"]["delivery_tag"] for slot in ("a", "b") for message in world.messages(slot)]
    assert len(found) == len(set(found)) == 7


def test_a_stock_consumer_reads_them_in_order_and_leaves_nothing(real_world: World, redis_url: str) -> None:
    world = real_world
    world.register("a")
    jobs = {priority: world.create("a", priority=priority) for priority in (1, 9, 5)}
    jobs[4] = world.create(ANY)
    taken: list[tuple[Any, str]] = []

    def on_message(body: Any, message: Message) -> None:
        taken.append((body, message.headers["id"]))
        message.ack()

    options = {"ack_emulation": False, "priority_steps": PRIORITY_STEPS, "queue_order_strategy": "priority"}
    url, _ = settings(redis_url).broker()
    with Connection(url, transport_options=options) as connection, connection.channel() as channel:
        queues = agent_queues(world.ledger.keys, "a")
        with Consumer(channel, queues, callbacks=[on_message], accept=["json"], prefetch_count=1):
            while len(taken) < len(jobs):
                connection.drain_events(timeout=60)
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    assert [body for body, _ in taken if body[0][1] == "a"] == [
        [[jobs[priority], "a"], {}, embed] for priority in (9, 5, 1)
    ]
    assert [task for body, task in taken if body[0][1] == ANY] == [f"{jobs[4]}:_any:1"]
    assert world.messages("a") == world.messages(ANY) == []
    assert world.client.keys("*unacked*") == []


def test_the_template_has_every_placeholder(app: Celery) -> None:
    text = template(app)
    for name in ("TASK", "JOB", "SLOT", "QUEUE", "PRIORITY", "TAG"):
        assert f"@{name}@" in text
