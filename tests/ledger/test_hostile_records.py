"""Foreign data in the ledger's indexes and records: the verbs continue with all other records."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis

from jobqueue.errors import RecordAltered
from jobqueue.ledger.agents import UNREADABLE
from jobqueue.model.agent import Agent
from jobqueue.model.audit import AuditEntry
from jobqueue.model.filter import JobFilter
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ANY
from tests.ledger.clock import FakeClock
from tests.ledger.world import World

ODD_NUMBERS = ["abc", "", "nan", "inf", "-inf", "1e300", "9" * 40, "[]"]


@pytest.fixture
def odd(client: redis.Redis, clock: FakeClock) -> World:
    """A ledger that is not looked at afterwards: it is not consistent."""
    world = World(client, clock)
    world.register("a")
    return world


def _key(world: World, kind: str) -> str:
    return world.ledger.keys.kind(kind)


@pytest.mark.parametrize("kind", ["packages", "uploads", "deadlines", "due", "leases", "outside", "finished"])
def test_a_member_that_leads_nowhere_is_removed(odd: World, clock: FakeClock, kind: str) -> None:
    odd.client.zadd(_key(odd, kind), {"zz": 1, "z" * 36 + ":a": 2, "z" * 40: 3})
    clock.advance(10)
    for _ in range(2):
        odd.promote()
        odd.executions.reap(10)
        odd.executions.expire(10)
        odd.ledger.external_runs.expire_external(1, 10)
        odd.ledger.packages.sweep(10)
        odd.jobs.prune(1, 10)
    assert odd.client.zrange(_key(odd, kind), 0, -1) == []


def test_two_hundred_of_them_block_no_other_client(odd: World, clock: FakeClock) -> None:
    job_id = odd.create("a")
    odd.run(job_id, "a")
    odd.client.zadd(_key(odd, "finished"), {f"zz{number}": number for number in range(50)})
    clock.advance(100)
    for _ in range(6):
        odd.jobs.prune(1, 10)
    assert odd.jobs.get_many([job_id]) == []


@pytest.mark.parametrize("value", ODD_NUMBERS)
def test_an_odd_clock_heals(odd: World, value: str) -> None:
    odd.client.set(_key(odd, "clock"), value)
    first, second = odd.create("a"), odd.create("a")
    assert odd.job(first).created < odd.job(second).created < 4_000_000_000_000_000
    assert odd.reconcile("a") == []


def _numbers_of_the_job(world: World, job_id: str, value: str) -> None:
    for field in ("created", "updated", "prio", "n.submitted", "n.started", "events", "last", "retry"):
        world.client.hset(world.ledger.keys.job(job_id), field, value)


def _numbers_of_the_run(world: World, job_id: str, value: str) -> None:
    for field in ("attempt", "events", "last"):
        world.client.hset(world.ledger.keys.kind("exec") + f"a:{job_id}", field, value)


def _counters(world: World, job_id: str, value: str) -> None:
    for kind in ("measured", "stats"):
        for field in world.client.hkeys(_key(world, kind)) or ["leases_lost"]:
            world.client.hset(_key(world, kind), field, value)


def _nothing_but_a_status(world: World, job_id: str, value: str) -> None:
    world.client.delete(world.ledger.keys.job(job_id), world.ledger.keys.doc(job_id))
    world.client.hset(world.ledger.keys.job(job_id), mapping={"status": "processing", "slot": "a", "prio": value})


@pytest.mark.parametrize("value", ["abc", "1e300", "nan", ""])
@pytest.mark.parametrize("spoil", [_numbers_of_the_job, _numbers_of_the_run, _counters, _nothing_but_a_status])
def test_a_lost_run_is_dealt_with(
    odd: World, clock: FakeClock, spoil: Callable[[World, str, str], None], value: str
) -> None:
    spoiled, good = odd.create("a"), odd.create("a")
    odd.claim(spoiled, "a")
    odd.claim(good, "a")
    spoil(odd, spoiled, value)
    clock.advance(10_000)
    assert sum(odd.executions.reap(10)) == 2
    assert odd.state(good) is ExecutionState.LOST


@pytest.mark.parametrize("value", ["abc", "1e300", "nan", ""])
@pytest.mark.parametrize("spoil", [_numbers_of_the_job, _numbers_of_the_run, _counters, _nothing_but_a_status])
def test_what_waits_is_published_again(
    odd: World, clock: FakeClock, spoil: Callable[[World, str, str], None], value: str
) -> None:
    spoiled, good = odd.create("a"), odd.create("a")
    odd.lose_messages("a")
    spoil(odd, spoiled, value)
    clock.advance(100)
    odd.register("a")
    assert good in odd.reconcile("a")


@pytest.mark.parametrize("text", ["{", "[]", "5", "", '{"data": 5}', "\xff"])
def test_a_job_with_an_invalid_document_can_be_deleted(odd: World, text: str) -> None:
    job_id = odd.create("a", exclusive="fusion:x")
    odd.run(job_id, "a")
    odd.client.set(odd.ledger.keys.doc(job_id), text)
    odd.jobs.delete(job_id)
    assert odd.client.exists(odd.ledger.keys.job(job_id)) == 0


@pytest.mark.parametrize("key", ["job:{}", "exec:a:{}"])
def test_a_record_with_endless_fields_is_not_read_whole(odd: World, key: str) -> None:
    """Reading them would hold up every other client of Redis."""
    job_id, other = odd.create("a"), odd.create("a")
    record = "jobqueue:" + key.format(job_id)
    odd.client.hset(record, mapping={f"x{number}": "x" for number in range(20_001)})
    with pytest.raises(RecordAltered, match="cannot be read"):
        odd.job(job_id)
    [unreadable, intact] = odd.jobs.get_many([job_id, other])
    assert (unreadable.is_readable, intact.is_readable) == (False, True)
    odd.jobs.delete(job_id)
    assert odd.client.exists(record) == 0
    assert odd.jobs.get_many([job_id, other]) == [intact]


@pytest.mark.parametrize("is_flushed", [False, True], ids=["scripts loaded", "scripts gone"])
def test_a_record_of_another_type_hides_no_other_job(odd: World, is_flushed: bool) -> None:
    job_id, other = odd.create("a"), odd.create("a")
    key = odd.ledger.keys.job(job_id)
    odd.client.delete(key)
    odd.client.set(key, "text")
    if is_flushed:
        odd.client.script_flush()
    [unreadable, intact] = odd.jobs.get_many([job_id, other])
    assert (unreadable.is_readable, intact.is_readable) == (False, True)
    if is_flushed:
        odd.client.script_flush()
    with pytest.raises(RecordAltered, match="holds a string"):
        odd.ledger.scripts.call_many("read_job", [(one, 1, 1, 1000) for one in (other, job_id)])


@pytest.mark.realredis
@pytest.mark.parametrize(("key", "field"), [("job:{}", "tags"), ("exec:a:{}", "x"), ("out:a:{}", "")])
def test_a_record_with_an_endless_value_is_not_read(real_world: World, key: str, field: str) -> None:
    """It would be sent to each client that lists the job."""
    world = real_world
    world.register("a")
    job_id, other = world.create("a"), world.create("a")
    for one in (job_id, other):
        world.run(one, "a")
    record, value = "jobqueue:" + key.format(job_id), "x" * 9_000_000
    if field:
        world.client.hset(record, field, value)
    else:
        world.client.hdel(f"jobqueue:exec:a:{job_id}", "o1", "o2", "o3")
        world.client.set(record, value)
    sent = _sent_by(world, lambda: world.jobs.get_many([job_id, other]))
    assert sent < 100_000
    assert _sent_by(world, lambda: world.jobs.summaries_of([job_id, other])) < 100_000
    assert _sent_by(world, lambda: world.ledger.failures.since(0)) < 100_000
    [unreadable, intact] = world.jobs.get_many([job_id, other])
    assert (unreadable.is_readable, intact.is_readable) == (False, True)
    world.jobs.delete(job_id)
    assert world.client.exists(record) == 0


@pytest.mark.realredis
@pytest.mark.parametrize("records", [{f"/{number}": "{}" for number in range(20_001)}, {"/a": "x" * 9_000_000}])
def test_endless_deployments_of_a_host_are_not_read(real_world: World, records: dict[str, str]) -> None:
    world = real_world
    world.client.hset("jobqueue:deployed:a", mapping=records)
    world.client.zadd("jobqueue:deployed-hosts", {"a": 0, "b": 0})
    world.client.hset("jobqueue:deployed:b", "/b", "{}")
    page: list[list[str]] = []
    sent = _sent_by(world, lambda: page.append([one.hostname for one in world.ledger.deployments.page("", 10)[0]]))
    assert (page, sent < 100_000) == ([["b"]], True)
    assert world.client.hget("jobqueue:stats", "records_altered") == "1"


@pytest.mark.realredis
def test_an_agent_with_an_endless_value_is_not_read(real_world: World) -> None:
    world = real_world
    world.register("a", "b")
    world.client.hset("jobqueue:agent:a", "x", "x" * 9_000_000)
    agents: list[Agent] = []
    assert _sent_by(world, lambda: agents.extend(world.ledger.agents.all())) < 100_000
    assert [(agent.hostname, UNREADABLE in agent.conditions) for agent in agents] == [("a", True), ("b", False)]


@pytest.mark.realredis
@pytest.mark.parametrize("states", [["x" * 9_000_000], ["1|ready"] * 100_000], ids=["an endless one", "very many"])
def test_endless_states_of_an_agent_are_not_read(real_world: World, states: list[str]) -> None:
    world = real_world
    world.register("a", "b")
    world.client.rpush("jobqueue:agent-log:a", *states)
    agents: list[Agent] = []
    assert _sent_by(world, lambda: agents.extend(world.ledger.agents.all())) < 100_000
    assert [(agent.hostname, UNREADABLE in agent.conditions) for agent in agents] == [("a", True), ("b", False)]


def _sent_by(world: World, read: Callable[[], object]) -> int:
    """Bytes that Redis sends for a call."""
    before = int(world.client.info("stats")["total_net_output_bytes"])
    read()
    return int(world.client.info("stats")["total_net_output_bytes"]) - before


def test_an_impossible_end_time_hides_no_job(odd: World, clock: FakeClock) -> None:
    odd.client.zadd(_key(odd, "finished"), {"x": float("inf"), "y": 8e15, "z": 1.5})
    job_id = odd.create("a")
    odd.run(job_id, "a")
    ids, newest = odd.jobs.ended_since(1, 10)
    assert ids[0] == job_id
    assert newest < 8e15


@pytest.mark.parametrize("score", [float("inf"), float("-inf"), 1e300, -5.5, 1.5])
def test_a_listing_ends_whatever_an_index_holds(odd: World, score: float) -> None:
    ids = [odd.create("a", tags={"x": "y"}) for _ in range(120)]
    for dim in ("all:", "op:" + odd.job(ids[0]).operation, "tag:x:y"):
        odd.client.zadd(_key(odd, "index") + dim + "|submitted", {"x": score})
    for wanted in (
        JobFilter(limit=5),
        JobFilter(limit=5, offset=110),
        JobFilter(limit=5, status=JobStatus.SUBMITTED, offset=118),
        JobFilter(limit=5, operation=odd.job(ids[0]).operation, tag=("x", "y")),
    ):
        page = odd.jobs.page(wanted)
        assert {job.id for job in page.items} <= set(ids)
    assert odd.jobs.page(JobFilter(limit=5)).items[0].id == ids[-1]


@pytest.mark.parametrize("value", [value for value in ODD_NUMBERS if value != "9" * 40])
def test_the_trail_goes_on(odd: World, value: str) -> None:
    entry = AuditEntry("me", "key", "1.2.3.4", "POST", "/job", 201, "done", "request")
    odd.ledger.audit.append([entry])
    odd.client.hset(_key(odd, "audit_head"), "number", value)
    assert odd.ledger.audit.verify().problems
    assert odd.ledger.audit.append([entry]) == 2
    assert [entry.number for entry in odd.ledger.audit.newest(10)] == [2, 1]


def test_a_stopped_any_job_without_an_agent(odd: World) -> None:
    job_id = odd.create(ANY)
    odd.client.hdel(odd.ledger.keys.job(job_id), "slot")
    assert odd.jobs.cancel(job_id, "me") in (True, False)
