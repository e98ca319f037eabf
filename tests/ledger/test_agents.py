"""Agents: known, live, replaced, changed."""

from __future__ import annotations

import pytest
import redis

from jobqueue.errors import AgentNotFound, Conflict, NoLiveAgent, UnknownTarget
from jobqueue.ledger.agents import Refused, beat_seconds
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import AgentState, Heartbeat, Registration
from jobqueue.model.target import ALL
from tests.ledger.world import HEARTBEAT, LIVE, World, settings

VITALS = Heartbeat(load=(0.5, 0.25, 0.1), memory={"total": 100, "percent": 12.5}, running=2, conditions=("HighLoad",))


def test_an_agent_as_it_is_read_back(world: World) -> None:
    registration = Registration(
        "web1", "boot", {"group": "web.dev"}, {"os": "Linux", "disks": [{"free": 1}]}, ("op.x", "op.y"), "1.2", 8
    )
    started = world.clock.now
    assert world.agents.register(registration) is False
    world.create("web1")
    world.clock.advance(5)
    assert world.agents.beat("web1", "boot", VITALS) is AgentState.READY
    agent = world.agents.get("web1")
    assert (agent.hostname, agent.live, agent.status, agent.state) == ("web1", True, "live", AgentState.READY)
    assert (agent.labels, agent.facts) == (registration.labels, registration.facts)
    assert (agent.operations, agent.version, agent.concurrency) == (("op.x", "op.y"), "1.2", 8)
    assert (agent.started_at, agent.last_heartbeat, agent.queue_length) == (started, world.clock.now, 1)
    assert (agent.load, agent.memory, agent.running, agent.conditions) == (
        VITALS.load, VITALS.memory, VITALS.running, VITALS.conditions,
    )  # fmt: skip
    assert [(event.at, event.state) for event in agent.timeline] == [(started, AgentState.READY)]


def test_it_counts_as_live_until_three_beats_are_missed(world: World) -> None:
    world.register("a")
    world.clock.advance(LIVE - 0.000001)
    assert world.agents.get("a").live
    world.clock.advance(0.000001)
    assert not world.agents.get("a").live
    assert world.agents.get("a").running == 0
    assert world.agents.beat("a", "boot", VITALS) is AgentState.READY
    assert world.agents.get("a").live
    assert LIVE == 3 * HEARTBEAT


def test_leaving_makes_it_offline_at_once_and_keeps_it_known(world: World) -> None:
    world.register("a", labels={"group": "web"})
    world.agents.beat("a", "boot", VITALS)
    world.leave("a")
    agent = world.agents.get("a")
    assert (agent.live, agent.running) == (False, 0)
    with pytest.raises(NoLiveAgent):
        world.create("group:web")


def test_a_heartbeat_can_bring_fresh_facts(world: World) -> None:
    world.register("a")
    fresh = Registration("a", "boot", {}, {"os": "newer"}, ("op.x",), "1", 2)
    world.agents.beat("a", "boot", VITALS, fresh=fresh)
    assert world.agents.get("a").facts == {"os": "newer"}


def test_the_newest_process_under_a_hostname_wins(world: World) -> None:
    world.register("a", boot_id="old")
    assert world.agents.register(Registration("a", "new", {}, {}, ("op.x",))) is True
    assert world.agents.beat("a", "old", VITALS) is Refused.REPLACED
    assert world.agents.beat("a", "new", VITALS) is AgentState.READY
    world.agents.leave("a", "old")
    assert world.agents.get("a").live


def test_a_restart_or_an_expired_lease_replaces_no_agent(world: World) -> None:
    world.register("a", boot_id="old")
    assert world.agents.register(Registration("a", "old", {}, {}, ("op.x",))) is False
    world.clock.advance(LIVE)
    assert world.agents.register(Registration("a", "new", {}, {}, ("op.x",))) is False


def test_a_ledger_that_lost_its_data_says_so(world: World) -> None:
    assert world.agents.beat("a", "boot", VITALS) is Refused.UNKNOWN
    world.agents.leave("a", "boot")
    with pytest.raises(AgentNotFound, match="'a'"):
        world.agents.get("a")
    assert world.agents.all() == []


def test_labels_and_operations_follow_a_new_registration(world: World) -> None:
    world.register("a", labels={"group": "web.dev", "rack": "r1"}, operations=("op.x", "op.y"))
    world.register("a", labels={"group": "db", "rack": "r1"}, operations=("op.x", "op.z"), boot_id="second")
    world.create("group:db")
    world.create("rack:r1")
    for target in ("group:web", "group:web.dev"):
        with pytest.raises(UnknownTarget):
            world.create(target)
    with pytest.raises(NoLiveAgent):
        world.create(operation="op.y")
    world.create(operation="op.z")


def test_listed_by_hostname(world: World) -> None:
    world.register("c", "a", "b")
    world.leave("b")
    assert [(agent.hostname, agent.live) for agent in world.agents.all()] == [("a", True), ("b", False), ("c", True)]
    assert world.agents.hostnames() == ["a", "b", "c"]


class TestDrain:
    def test_it_is_cordoned_when_nothing_runs_any_more(self, world: World) -> None:
        world.register("a")
        assert world.agents.drain("a") is AgentState.DRAINING
        busy, idle = VITALS, Heartbeat(running=0)
        # what was counted before the agent knew proves nothing
        assert world.agents.beat("a", "boot", idle, AgentState.READY) is AgentState.DRAINING
        assert world.agents.beat("a", "boot", busy, AgentState.DRAINING) is AgentState.DRAINING
        world.clock.advance(1)
        assert world.agents.beat("a", "boot", idle, AgentState.DRAINING) is AgentState.CORDONED
        assert world.agents.undrain("a") is AgentState.READY
        states = [event.state for event in world.agents.get("a").timeline]
        assert states == [AgentState.READY, AgentState.DRAINING, AgentState.CORDONED, AgentState.READY]
        world.create(ALL)

    def test_the_reason_is_kept_until_it_is_undrained(self, world: World) -> None:
        world.register("a")
        world.agents.drain("a", "new disk")
        world.agents.beat("a", "boot", Heartbeat(running=0), AgentState.DRAINING)
        world.register("a", boot_id="second")
        assert world.agents.get("a").drain_reason == "new disk"
        world.agents.undrain("a")
        assert world.agents.get("a").drain_reason == ""
        world.agents.drain("a")
        assert world.agents.get("a").drain_reason == ""

    def test_the_reason_ends_when_it_takes_work_after_a_revocation(self, world: World) -> None:
        world.register("a")
        world.agents.drain("a", "new disk")
        world.agents.revoke("a", "signed word")
        assert world.agents.certify("a", "key", "certificate")
        world.agents.register(Registration("a", "second", certificate="certificate"), "key")
        accepted = world.agents.get("a")
        assert (accepted.state, accepted.drain_reason) == (AgentState.READY, "")
        world.client.delete(world.ledger.keys.kind("certificates"))  # of a key that no agent of this test has

    def test_an_offline_agent_is_cordoned_at_once(self, world: World) -> None:
        world.register("a")
        world.leave("a")
        assert world.agents.drain("a") is AgentState.CORDONED

    def test_a_restart_does_not_undo_it(self, world: World) -> None:
        world.register("a")
        world.agents.drain("a")
        world.register("a", boot_id="second")
        assert world.agents.get("a").state is AgentState.DRAINING
        with pytest.raises(Conflict):
            world.create("a")

    def test_what_cannot_be(self, world: World) -> None:
        world.register("a")
        with pytest.raises(Conflict):
            world.agents.undrain("a")
        world.agents.drain("a")
        with pytest.raises(Conflict):
            world.agents.drain("a")
        with pytest.raises(AgentNotFound):
            world.agents.drain("b")

    def test_its_timeline_is_bounded(self, world: World) -> None:
        world.register("a")
        for _ in range(60):
            world.agents.drain("a")
            world.agents.undrain("a")
        assert len(world.agents.get("a").timeline) == 100


class TestForget:
    def test_everything_of_an_offline_agent_is_gone(self, world: World) -> None:
        before = set(world.client.keys())
        world.register("a", labels={"group": "web"})
        world.leave("a")
        world.agents.forget("a")
        assert set(world.client.keys()) <= before
        assert world.agents.all() == []
        with pytest.raises(AgentNotFound, match="agent list"):
            world.agents.forget("a")
        for target in ("a", "group:web"):
            with pytest.raises(UnknownTarget):
                world.create(target)

    def test_it_comes_back_as_a_new_one(self, world: World) -> None:
        world.register("a", labels={"group": "web"})
        world.agents.drain("a")
        world.clock.advance(LIVE)
        world.agents.forget("a")
        assert world.agents.beat("a", "boot", VITALS) is Refused.UNKNOWN
        world.register("a", labels={"group": "db"})
        agent = world.agents.get("a")
        assert (agent.live, agent.state, len(agent.timeline)) == (True, AgentState.READY, 1)
        world.run(world.create("group:db"), "a")

    def test_a_live_one_is_kept(self, world: World) -> None:
        world.register("a")
        with pytest.raises(Conflict, match="is live: stop it on its host"):
            world.agents.forget("a")
        assert world.agents.get("a").live

    def test_one_with_work_is_kept_until_that_has_ended(self, world: World) -> None:
        world.register("a", "b")
        waiting, fleet, running = world.create("a"), world.create(ALL), world.create("a")
        claim = world.claim(running, "a")
        world.run(fleet, "a")
        world.leave("a")
        for end in (lambda: world.jobs.cancel(waiting, "test"), lambda: world.finish(claim)):
            with pytest.raises(Conflict, match="--status submitted,processing"):
                world.agents.forget("a")
            end()
        world.agents.forget("a")  # the broadcast goes on, on b only
        assert world.queue_lists("a")
        assert world.client.exists(*world.queue_lists("a")) == 0
        assert world.job(waiting).id == waiting
        assert set(world.job(fleet).expected_agents) == {"a", "b"}

    def test_work_that_waits_for_its_time_counts_too(self, world: World) -> None:
        world.register("a")
        world.create("a", not_before=world.clock.now + 60_000_000)
        world.leave("a")
        with pytest.raises(Conflict):
            world.agents.forget("a")

    def test_a_revocation_outlives_it(self, world: World) -> None:
        world.register("a")
        world.agents.revoke("a", "signed word")
        world.leave("a")
        world.agents.forget("a")
        world.register("a")
        assert world.agents.get("a").state is AgentState.REVOKED
        assert world.agents.revocations() == {"a": "signed word"}


def test_a_heartbeat_says_how_large_the_fleet_is(world: World) -> None:
    world.register("a", "b", "c")
    assert world.agents.fleet_size == 0
    world.agents.beat("a", "boot", VITALS)
    assert world.agents.fleet_size == 3


def test_agents_of_a_large_fleet_beat_less_often_and_count_longer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobqueue.ledger.agents.BEATS_PER_SECOND", 3 / (4 * HEARTBEAT))
    world.register("a", "b", "c")
    key, first = world.ledger.keys.kind("agents"), world.clock.now
    assert world.agents.beat_seconds() == HEARTBEAT  # it does not know the others yet
    world.agents.beat("a", "boot", VITALS)
    assert world.client.zscore(key, "a") == first + LIVE * 1_000_000
    assert world.agents.beat_seconds() == 4 * HEARTBEAT
    world.clock.advance(HEARTBEAT)
    world.agents.beat("a", "boot", VITALS)
    assert world.client.zscore(key, "a") == first + (HEARTBEAT + 4 * LIVE) * 1_000_000


def test_a_log_of_states_without_end_is_read_in_part(world: World) -> None:
    world.register("a")
    world.client.rpush("jobqueue:agent-log:a", *(f"{world.clock.now + number}|Ready" for number in range(150)))
    timeline = world.agents.get("a").timeline
    assert [event.at for event in timeline] == [world.clock.now + number for number in range(50, 150)]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("labels", "\n".join(f"k:{number}" for number in range(2_001))),
        ("offers", "\n".join(f"op.x{number}" for number in range(2_001))),
        ("labels", "k:" + "v" * 70_000),
    ],
)
def test_a_record_with_endless_lists_is_registered_without_them(world: World, field: str, text: str) -> None:
    """Each entry costs a command: those of one agent must not hold up all others."""
    world.register("a", "b", labels={"group": "web"})
    world.client.hset("jobqueue:agent:a", mapping={field: text, "registered": "9"})
    world.client.sadd("jobqueue:arrivals", "a")
    assert world.agents.muster(10) == 1
    assert world.client.exists("jobqueue:label:k:1", "jobqueue:offers:op.x1") == 0
    assert world.client.smembers("jobqueue:label:group:web") == {"b"}
    assert world.client.smembers("jobqueue:offers:op.x") == {"b"}
    [alert] = world.executions.alerts()
    assert (alert.kind, alert.hostname) == ("records_altered", "a")
    assert "more labels or operations than an agent can have" in alert.message
    world.client.hset("jobqueue:agent:a", mapping={"labels": "group:web", "offers": "op.x", "registered": "10"})
    world.client.sadd("jobqueue:arrivals", "a")
    world.agents.muster(10)
    assert world.client.smembers("jobqueue:offers:op.x") == {"a", "b"}


@pytest.mark.parametrize(
    ("agents", "seconds"), [(0, 5.0), (2_500, 5.0), (3_000, 6.0), (10_000, 20.0), (1_000_000, 60.0)]
)
def test_seconds_between_heartbeats(agents: int, seconds: float) -> None:
    assert beat_seconds(5.0, agents) == seconds
    assert beat_seconds(90.0, agents) == 90.0


@pytest.mark.realredis
def test_a_user_that_may_not_count_agents_still_sends_heartbeats(real_world: World) -> None:
    """Rules that an earlier version printed."""
    real_world.register("a", "b")
    admin = real_world.client
    admin.execute_command("ACL", "SETUSER", "earlier", "reset", "on", ">secret", "~*", "+@all", "-zcard")
    options = {**admin.connection_pool.connection_kwargs, "username": "earlier", "password": "secret"}
    pool = redis.ConnectionPool(connection_class=admin.connection_pool.connection_class, **options)
    ledger = Ledger(redis.Redis(connection_pool=pool), settings())
    assert ledger.agents.beat("a", "boot", VITALS) is AgentState.READY
    assert ledger.agents.fleet_size == 0
    ledger.close()
    admin.execute_command("ACL", "DELUSER", "earlier")
