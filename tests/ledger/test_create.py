"""Accepting jobs: which agents a target means, and what is refused."""

from __future__ import annotations

import uuid

import pytest

from jobqueue.errors import AgentAway, JobQueueError, NoLiveAgent, UnknownTarget
from jobqueue.ledger.new_jobs import Stored
from jobqueue.model.agent import AgentState, Heartbeat, Registration
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL, ANY
from tests.ledger.world import LIVE, World


def slots(world: World, job_id: str) -> list[str]:
    return [x.slot for x in world.job(job_id).executions]


def test_a_job_as_it_is_read_back(world: World) -> None:
    world.register("db1")
    expires = world.clock.after(60)
    job_id = world.create(
        "db1", operation="op.x", priority=7, tags={"team": "web", "ticket": "a|b:c"}, expires_at=expires
    )
    job = world.job(job_id)
    assert (job.id, job.status, job.operation, job.data, job.target) == (
        job_id, JobStatus.SUBMITTED, "op.x", {"n": 1}, "db1",
    )  # fmt: skip
    assert (job.priority, job.tags, job.expires_at) == (7, {"team": "web", "ticket": "a|b:c"}, expires)
    assert job.created == job.updated == world.clock.now
    assert job.expected_agents == ("db1",)
    assert not job.is_broadcast
    assert not job.cancel_requested
    assert [(e.at, e.event, e.hostname) for e in job.timeline] == [(world.clock.now, "submitted", "_api")]
    [x] = job.executions
    assert (x.slot, x.hostname, x.state, x.attempt, x.started, x.finished) == (
        "db1", "db1", ExecutionState.SUBMITTED, 0, 0, 0,
    )  # fmt: skip
    assert world.queued("db1") == [job_id]


def test_any_goes_to_the_shared_queue(world: World) -> None:
    world.register("a", "b")
    job_id = world.create(ANY)
    assert slots(world, job_id) == [ANY]
    assert world.job(job_id).expected_agents == ()
    assert world.execution(job_id).hostname == ""
    assert world.queued(ANY) == [job_id]


def test_all_goes_to_every_live_agent(world: World) -> None:
    world.register("c", "a", "b", "gone")
    world.leave("gone")
    job = world.job(world.create(ALL))
    assert job.expected_agents == ("a", "b", "c")
    assert job.is_broadcast
    for host in ("a", "b", "c"):
        assert world.queued(host) == [job.id]
    assert world.queued("gone") == []


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("group:web", ("w1", "w2", "w3")),
        ("group:web.dev", ("w2", "w3")),
        ("group:web.dev.eu", ("w3",)),
        ("group:db", ("d1",)),
        ("rack:r1", ("d1", "w1")),
    ],
)
def test_a_label_matches_by_dotted_prefix(world: World, target: str, expected: tuple[str, ...]) -> None:
    world.register("w1", labels={"group": "web", "rack": "r1"})
    world.register("w2", labels={"group": "web.dev"})
    world.register("w3", labels={"group": "web.dev.eu"})
    world.register("d1", labels={"group": "db", "rack": "r1"})
    assert world.job(world.create(target)).expected_agents == expected


@pytest.mark.parametrize("target", ["group:we", "group:web.de", "group:web.dev.eu.x", "other:web", "nohost"])
def test_an_unknown_target_is_refused_by_name(world: World, target: str) -> None:
    world.register("w2", labels={"group": "web.dev.eu"})
    with pytest.raises(UnknownTarget, match=target):
        world.create(target)
    assert world.jobs.counts() == dict.fromkeys(JobStatus, 0)


@pytest.mark.parametrize(("target", "near"), [("W2.Example.COM", "w2.example.com"), ("db1", "DB1")])
def test_a_hostname_in_another_case_is_suggested(world: World, target: str, near: str) -> None:
    world.register("w2.example.com")
    world.register("DB1")
    with pytest.raises(UnknownTarget, match=rf"'{target}'\. Did you mean {near}\?"):
        world.create(target)


@pytest.mark.parametrize("target", [ANY, ALL, "group:web"])
def test_offline_agents_are_not_waited_for_without_a_deadline(world: World, target: str) -> None:
    world.register("w1", labels={"group": "web"})
    world.clock.advance(LIVE)
    with pytest.raises(NoLiveAgent):
        world.create(target)


@pytest.mark.parametrize("target", [ANY, ALL, "group:web", "w1"])
def test_offline_agents_are_waited_for_until_a_deadline(world: World, target: str) -> None:
    world.register("w1", labels={"group": "web"})
    world.clock.advance(LIVE)
    job_id = world.create(target, expires_at=world.clock.after(60))
    world.register("w1", labels={"group": "web"})
    slot = ANY if target == ANY else "w1"
    assert world.queued(slot) == [job_id]
    world.run(job_id, slot, "w1")


def test_a_named_host_is_waited_for_without_a_deadline(world: World) -> None:
    world.register("w1")
    world.leave("w1")
    job_id = world.create("w1")
    world.register("w1")
    world.run(job_id, "w1")


def test_a_refusal_names_the_agents_that_are_offline(world: World) -> None:
    world.register("w1", "w2", labels={"group": "web"})
    world.leave("w1", "w2")
    with pytest.raises(NoLiveAgent, match=r"group:web' \(w1, w2\)"):
        world.create("group:web")


def test_no_agent_at_all(world: World) -> None:
    with pytest.raises(NoLiveAgent):
        world.create(ANY)
    with pytest.raises(UnknownTarget):
        world.create(ALL)


@pytest.mark.parametrize("target", [ALL, "group:web"])
def test_only_keeps_a_broadcast_to_some_of_its_agents(world: World, target: str) -> None:
    world.register("a", "b", "c", labels={"group": "web"})
    world.register("d", labels={"group": "db"})
    job = world.job(world.create(target, only=("b", "c", "stranger")))
    assert job.expected_agents == ("b", "c")
    assert job.is_broadcast
    assert world.queued("a") == []


def test_only_agents_that_the_target_does_not_mean(world: World) -> None:
    world.register("a", labels={"group": "web"})
    world.register("d", labels={"group": "db"})
    with pytest.raises(NoLiveAgent, match="d"):
        world.create("group:web", only=("d",))


class TestSupport:
    """Not every agent supports every operation."""

    def test_a_named_host_gets_it_all_the_same_and_will_skip_it(self, world: World) -> None:
        world.register("a", operations=())
        assert slots(world, world.create("a")) == ["a"]

    def test_any_goes_to_an_agent_that_can(self, world: World) -> None:
        world.register("able")
        world.register("unable", operations=("op.y",))
        assert slots(world, world.create(ANY)) == ["able"]

    def test_any_goes_to_the_least_busy_of_those_that_can(self, world: World) -> None:
        world.register("a", "b")
        world.register("unable", operations=())
        assert sorted(slots(world, world.create(ANY))[0] for _ in range(4)) == ["a", "a", "b", "b"]

    def test_any_goes_to_a_live_agent_rather_than_one_to_wait_for(self, world: World) -> None:
        world.register("asleep", "live", "unable")
        world.register("unable", operations=())
        world.leave("asleep")
        for _ in range(3):
            assert slots(world, world.create(ANY, expires_at=world.clock.after(60))) == ["live"]

    def test_any_waits_for_the_one_that_can(self, world: World) -> None:
        world.register("asleep")
        world.register("unable", operations=())
        world.leave("asleep")
        with pytest.raises(NoLiveAgent, match="asleep"):
            world.create(ANY)
        assert slots(world, world.create(ANY, expires_at=world.clock.after(60))) == ["asleep"]

    def test_no_agent_supports_the_operation(self, world: World) -> None:
        world.register("a")
        with pytest.raises(NoLiveAgent, match=r"No agent supports 'op\.y'"):
            world.create(ANY, operation="op.y")

    def test_the_shared_queue_serves_while_those_that_cannot_are_offline(self, world: World) -> None:
        world.register("a", "b")
        world.register("unable", operations=())
        world.leave("unable")
        assert slots(world, world.create(ANY)) == [ANY]


class TestAway:
    """Agents that drain, or are cordoned, get no new work."""

    def test_a_named_host_is_refused(self, world: World) -> None:
        world.register("a")
        world.agents.drain("a")
        with pytest.raises(AgentAway, match="'a'"):
            world.create("a")

    def test_the_refusal_says_why_and_what_helps(self, world: World) -> None:
        world.register("a")
        world.agents.register(Registration("new", "boot", {}, {}, ("op.x",), accepted=False))
        messages = {
            "new": "is pending; .* agent accept new FINGERPRINT",
            "a": "is draining: `jobqueue agent undrain a`",
        }
        world.agents.drain("a")
        for hostname, words in messages.items():
            with pytest.raises(AgentAway, match=words):
                world.create(hostname)
        world.agents.beat("a", "boot", Heartbeat(running=0), AgentState.DRAINING)
        with pytest.raises(AgentAway, match="is cordoned: `jobqueue agent undrain a`"):
            world.create("a")
        world.agents.revoke("a", "signed word")
        with pytest.raises(AgentAway, match="was revoked; `jobqueue agent accept a FINGERPRINT`"):
            world.create("a")

    @pytest.mark.parametrize("target", [ALL, "group:web"])
    def test_broadcasts_leave_it_out(self, world: World, target: str) -> None:
        world.register("a", "b", labels={"group": "web"})
        world.agents.drain("a")
        assert slots(world, world.create(target)) == ["b"]
        world.agents.drain("b")
        with pytest.raises(NoLiveAgent, match="a, b"):
            world.create(target)
        with pytest.raises(NoLiveAgent):  # a deadline does not make it wait for what was taken out of service
            world.create(target, expires_at=world.clock.after(60))

    def test_any_uses_the_others_through_the_shared_queue(self, world: World) -> None:
        world.register("a", "b")
        world.agents.drain("a")
        assert slots(world, world.create(ANY)) == [ANY]
        world.agents.drain("b")
        with pytest.raises(NoLiveAgent):
            world.create(ANY)

    def test_any_does_not_fall_to_one_that_cannot(self, world: World) -> None:
        world.register("able", "leaving")
        world.register("unable", operations=())
        world.agents.drain("leaving")
        assert slots(world, world.create(ANY)) == ["able"]


def test_creation_times_are_unique_and_grow(world: World) -> None:
    world.register("a")
    first = world.store("a").accepted.created
    second = world.store("a").accepted.created
    world.clock.advance(-3600)
    third = world.store("a").accepted.created
    assert first < second < third


def test_not_before_in_the_future_is_not_published_yet(world: World) -> None:
    world.register("a")
    job_id = world.create("a", not_before=world.clock.after(10))
    assert world.queued("a") == []
    assert world.refused(job_id, "a") == "waiting"


def test_not_before_in_the_past_is_published_at_once(world: World) -> None:
    world.register("a")
    job_id = world.create("a", not_before=world.clock.after(-10))
    assert world.queued("a") == [job_id]


def test_the_same_id_again_changes_nothing(world: World) -> None:
    """The answer was lost on the way, and the client asks again."""
    world.register("a", "b")
    job = world.new_job(ALL)
    first = world.new_jobs.create(job, world.template)
    world.run(job.id, "a")
    again = world.new_jobs.create(job, world.template)
    assert again.accepted == first.accepted
    assert world.queued("a") == [job.id]
    assert world.state(job.id, "a") is ExecutionState.COMPLETED


def test_a_retry_and_its_first_job_name_each_other(world: World) -> None:
    world.register("a")
    first = world.create("a")
    world.run(first, "a")
    world.clock.advance(1)
    retries = [world.create("a", retry_of=first) for _ in range(2)]
    assert [world.job(job_id).retry_of for job_id in retries] == [first, first]
    job = world.job(first)
    assert job.retried_as == tuple(retries)
    assert [event.note for event in job.timeline if event.event == "retried"] == [f"as {job_id}" for job_id in retries]
    assert job.status is JobStatus.COMPLETED


def test_a_retry_of_a_job_that_is_gone(world: World) -> None:
    world.register("a")
    gone = str(uuid.uuid4())
    assert world.job(world.create("a", retry_of=gone)).retry_of == gone


def test_many_at_once_each_on_its_own(world: World) -> None:
    world.register("a")
    new = [world.new_job(target) for target in ("a", "nohost", ALL, "group:x", ANY)]
    answers = world.new_jobs.create_many(new, world.template)
    stored = [answer.accepted.job_id if isinstance(answer, Stored) else type(answer) for answer in answers]
    assert stored == [new[0].id, UnknownTarget, new[2].id, UnknownTarget, new[4].id]
    assert [job.id for job in world.jobs.get_many([job.id for job in new])] == [new[0].id, new[2].id, new[4].id]
    assert not any(isinstance(answer, JobQueueError) and "create_jobs.lua" in answer.message for answer in answers)
    assert world.new_jobs.create_many([], world.template) == []


def test_without_a_template_the_caller_sends(world: World) -> None:
    world.register("a", "b")
    later = world.new_jobs.create(world.new_job(ALL, not_before=world.clock.after(9)), "")
    now = world.new_jobs.create(world.new_job(ALL), "")
    assert later.unsent == ()
    assert now.unsent == ("a", "b")
    assert world.messages("a") == []
    world.clock.advance(9)
    assert sorted((due.job_id, due.slot, due.attempt) for due in world.executions.promote(10, "")[1]) == [
        (later.accepted.job_id, "a", 1),
        (later.accepted.job_id, "b", 1),
    ]


def test_a_broadcast_to_more_agents_than_lua_can_unpack(real_world: World) -> None:
    """Lua's unpack ends at 8,000."""
    world = real_world
    hosts = [f"h{number:05}" for number in range(8_200)]
    now, keys = world.clock.now, world.ledger.keys
    for first in range(0, len(hosts), 1000):  # registered by hand: ten thousand calls would take seconds
        part = hosts[first : first + 1000]
        with world.client.pipeline(transaction=False) as pipe:
            pipe.zadd(keys.kind("agents"), dict.fromkeys(part, now + 10**9))
            pipe.zadd(keys.kind("hostnames"), dict.fromkeys(part, 0))
            pipe.sadd(keys.kind("label") + "group:web", *part)
            pipe.sadd(keys.kind("offers") + "op.x", *part)
            for host in part:
                info = '{"labels": {"group": "web"}, "operations": ["op.x"]}'
                pipe.hset(keys.agent(host), mapping={"state": "Ready", "info": info})
            pipe.execute()
    for target, only in ((ALL, ()), ("group:web", tuple(hosts[:8_100]))):
        job_id = world.create(target, only=only)
        expected = len(only) or len(hosts)
        assert len(world.job(job_id).executions) == expected
        world.run(job_id, "h00007")
        assert world.jobs.cancel(job_id, "on request") is True
        assert world.job(job_id).status is JobStatus.CANCELLED
        world.jobs.delete(job_id)
