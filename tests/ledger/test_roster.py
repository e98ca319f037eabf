"""The registry as target expressions see it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobqueue.errors import PlanChanged, UnknownTarget
from jobqueue.ledger.new_jobs import NewJob
from jobqueue.ledger.roster import KEPT_SECONDS, Roster
from jobqueue.model.agent import AgentState, Heartbeat, Registration
from jobqueue.model.target import Target, TargetKind
from tests.ledger.world import LIVE, OPERATION, World


def listed(world: World, expression: str, *hosts: str) -> NewJob:
    """A job whose target is an expression that named these hosts."""
    job = world.new_job("_all", only=hosts, among=hosts)
    return replace(
        job, target=Target(TargetKind.HOSTS, expression), submission=replace(job.submission, target=expression)
    )


@pytest.fixture
def time() -> list[float]:
    return [100.0]


@pytest.fixture
def roster(world: World, time: list[float]) -> Roster:
    return Roster(world.client, world.ledger.keys, now=world.clock, monotonic=lambda: time[0])


def test_it_shows_what_agents_report(world: World, roster: Roster) -> None:
    world.clock.advance(1)
    facts = {"os": {"name": "x"}, "cpus": 8, "disks": [{"total": 1}, {"total": 2}], "addresses": ["a", "b"], "no": None}
    world.agents.register(Registration("web1", "boot", {"group": "web"}, facts, (OPERATION,), "0.3", 2))
    world.agents.beat("web1", "boot", Heartbeat(conditions=("HighLoad",)))
    world.register("web2")
    world.agents.drain("web2")
    one, two = roster.fleet().hosts
    assert (one.hostname, one.live, one.state, one.version) == ("web1", True, AgentState.READY, "0.3")
    assert one.labels == {"group": "web"}
    assert one.facts == {"os.name": ("x",), "cpus": (8,), "disks.total": (1, 2), "addresses": ("a", "b")}
    assert one.conditions == ("HighLoad",)
    assert one.operations == {OPERATION}
    assert (two.state, one.takes_work, two.takes_work) == (AgentState.DRAINING, True, False)
    world.clock.advance(LIVE + 1)
    assert [host.live for host in roster.fleet(is_fresh=True).hosts] == [False, False]


def test_it_is_kept_for_a_second(world: World, roster: Roster, time: list[float]) -> None:
    world.register("web1")
    first = roster.fleet()
    world.register("web2")
    time[0] += KEPT_SECONDS / 2
    assert roster.fleet() is first
    time[0] += KEPT_SECONDS
    assert list(roster.fleet().hostnames) == ["web1", "web2"]
    world.register("web3")
    assert list(roster.fleet(is_fresh=True).hostnames) == ["web1", "web2", "web3"]


def test_new_facts_and_labels_are_seen(world: World, roster: Roster) -> None:
    world.register("web1", labels={"group": "a"})
    assert roster.fleet().hosts[0].labels == {"group": "a"}
    world.register("web1", labels={"group": "b"}, boot_id="other")
    assert roster.fleet(is_fresh=True).hosts[0].labels == {"group": "b"}


def test_more_agents_than_one_slice(world: World, roster: Roster) -> None:
    names = [f"web{number:04}" for number in range(450)]
    world.register(*names)
    assert list(roster.fleet().hostnames) == names


def test_an_altered_record_hides_no_other(world: World, roster: Roster) -> None:
    world.register("web1", "web2", "web3", "web4")
    keys = world.ledger.keys
    world.client.hset(keys.agent("web1"), "info", "{")
    world.client.delete(keys.agent("web2"))
    world.client.set(keys.agent("web2"), "text")
    world.client.hset(keys.agent("web3"), mapping={"state": "Ready", "vitals": "["})
    assert [(host.hostname, host.state) for host in roster.fleet().hosts] == [
        ("web3", AgentState.PENDING),
        ("web4", AgentState.READY),
    ]
    world.client.flushall()  # the records are inconsistent on purpose


def test_a_revoked_agent_takes_no_work_whatever_it_reports(world: World, roster: Roster) -> None:
    world.register("web1")
    world.agents.revoke("web1", "signed word")
    assert roster.fleet().hosts[0].state is AgentState.REVOKED


def test_a_job_for_listed_hosts_goes_to_those_that_take_work(world: World) -> None:
    world.register("web1", "web2", "web3", "web4")
    world.agents.drain("web2")
    world.leave("web3")
    job = listed(world, "web[1-3]", "web1", "web2", "web3")
    world.new_jobs.create(job, world.template)
    found = world.job(job.id)
    assert [x.slot for x in found.executions] == ["web1"]
    assert found.is_broadcast
    assert found.expected_agents == ("web1",)


def test_a_job_for_planned_hosts_goes_to_all_of_them_or_none(world: World) -> None:
    world.register("web1", "web2", "web3")
    planned = replace(listed(world, "web[1-3]", "web1", "web2", "web3"), target=Target(TargetKind.PLANNED, "web[1-3]"))
    world.agents.drain("web2")
    world.leave("web3")
    with pytest.raises(PlanChanged, match=r"no longer web2, web3\.") as refused:
        world.new_jobs.create(planned, world.template)
    assert refused.value.details == {"added": [], "removed": ["web2", "web3"]}
    world.agents.undrain("web2")
    world.register("web3")
    world.new_jobs.create(planned, world.template)
    assert [x.slot for x in world.job(planned.id).executions] == ["web1", "web2", "web3"]


def test_a_job_for_no_host_is_refused(world: World) -> None:
    world.register("web1")
    job = listed(world, "web[7-9]")
    with pytest.raises(UnknownTarget):
        world.new_jobs.create(job, world.template)
    explained = replace(job, unmatched=UnknownTarget("No agent matches web[7-9]."))
    with pytest.raises(UnknownTarget, match=r"web\[7-9\]\.$"):
        world.new_jobs.create(explained, world.template)
