"""Lists of agents in pages, and the summary of all: no call grows with the fleet."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.ledger import agents, fleet
from jobqueue.model.agent import AgentState, Heartbeat
from jobqueue.model.agent_filter import AgentFilter
from jobqueue.model.fleet import MOST_NAMED, MOST_TROUBLED, AgentRow, FleetSummary, summarize
from jobqueue.model.measures import OTHER
from jobqueue.services.fleet import FleetReader
from tests.ledger.world import World
from workers.maintenance.surveyor import Surveyor


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps so small that a handful of agents takes several."""
    monkeypatch.setattr(agents, "_NAMES", 3)
    monkeypatch.setattr(fleet, "STEP", 3)


@pytest.fixture
def world_of_eight(world: World, small_steps: None) -> World:
    world.register("web1", "web2", "web3", labels={"group": "web.dev"})
    world.register("web4", labels={"group": "web.prod"})
    world.register("db1", "db2", labels={"group": "db"})
    world.register("Mail", "lb")
    world.agents.drain("db2")
    world.leave("web3")
    return world


def names(world: World, **wanted: Any) -> list[str]:
    return [agent.hostname for agent in world.agents.page(AgentFilter(**wanted)).items]


class TestPages:
    def test_by_hostname(self, world_of_eight: World) -> None:
        found, after = [], ""
        while True:
            page = world_of_eight.agents.page(AgentFilter(limit=3, after=after))
            assert (page.total, page.is_least) == (8, False)
            found.append([agent.hostname for agent in page.items])
            if page.next_after is None:
                break
            after = page.next_after
        assert found == [["Mail", "db1", "db2"], ["lb", "web1", "web2"], ["web3", "web4"]]

    def test_a_full_last_page(self, world_of_eight: World) -> None:
        assert world_of_eight.agents.page(AgentFilter(limit=8)).next_after is None
        assert world_of_eight.agents.page(AgentFilter(hostname="web*", limit=4)).next_after is None

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            ({"hostname": "web*"}, ["web1", "web2", "web3", "web4"]),
            ({"hostname": "*b1"}, ["db1", "web1"]),
            ({"hostname": "db1"}, ["db1"]),
            ({"hostname": "none*"}, []),
            ({"labels": (("group", "web"),)}, ["web1", "web2", "web3", "web4"]),
            ({"labels": (("group", "web.dev"),)}, ["web1", "web2", "web3"]),
            ({"labels": (("group", "web"), ("group", "db"))}, []),
            ({"states": (AgentState.DRAINING,)}, ["db2"]),
            ({"states": (AgentState.PENDING,)}, []),
            ({"is_live": False}, ["web3"]),
            ({"states": (AgentState.READY,), "is_live": True, "hostname": "*2"}, ["web2"]),
        ],
    )
    def test_filters(self, world_of_eight: World, wanted: dict[str, Any], expected: list[str]) -> None:
        page = world_of_eight.agents.page(AgentFilter(**wanted))
        assert [agent.hostname for agent in page.items] == expected
        assert (page.total, page.is_least, page.next_after) == (len(expected), False, None)

    def test_filtered_pages_count_all_matches(self, world_of_eight: World) -> None:
        first = world_of_eight.agents.page(AgentFilter(hostname="web*", limit=2))
        assert (first.total, first.next_after) == (4, "web2")
        second = world_of_eight.agents.page(AgentFilter(hostname="web*", limit=2, after="web2"))
        assert [agent.hostname for agent in second.items] == ["web3", "web4"]
        assert (second.total, second.next_after) == (4, None)

    def test_beyond_the_bound(self, world_of_eight: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(agents, "MAX_LOOKED_AT", 6)
        page = world_of_eight.agents.page(AgentFilter(hostname="web*"))
        assert page.is_least
        assert [agent.hostname for agent in page.items] == ["web1", "web2"]
        assert page.next_after == "web2"
        rest = world_of_eight.agents.page(AgentFilter(hostname="web*", after="web2"))
        assert [agent.hostname for agent in rest.items] == ["web3", "web4"]

    def test_beyond_the_bound_without_a_match(self, world_of_eight: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(agents, "MAX_LOOKED_AT", 3)
        page = world_of_eight.agents.page(AgentFilter(hostname="web*"))
        assert (page.items, page.is_least) == ((), True)
        assert page.next_after == "db2"  # the search continues there

    def test_a_forgotten_agent(self, world_of_eight: World) -> None:
        world_of_eight.agents.forget("web3")
        assert names(world_of_eight, hostname="web*") == ["web1", "web2", "web4"]

    @pytest.mark.parametrize("damage", ["gone", "partly", "too much"])
    def test_the_list_is_completed(self, world_of_eight: World, damage: str) -> None:
        key = world_of_eight.ledger.keys.kind("hostnames")
        if damage == "gone":
            world_of_eight.client.delete(key)
        elif damage == "partly":
            world_of_eight.client.zrem(key, "web1", "lb")
        else:
            world_of_eight.client.zadd(key, {"ghost": 0})
        assert names(world_of_eight) == ["Mail", "db1", "db2", "lb", "web1", "web2", "web3", "web4"]

    def test_no_call_reads_more_than_a_step(self, world_of_eight: World, monkeypatch: pytest.MonkeyPatch) -> None:
        looked_at: list[int] = []
        original = world_of_eight.agents._names

        def counted(after: str, limit: int) -> list[str]:
            found = original(after, limit)
            looked_at.append(len(found))
            return found

        monkeypatch.setattr(world_of_eight.agents, "_names", counted)
        world_of_eight.agents.page(AgentFilter(hostname="none"))
        assert looked_at == [3, 3, 2]
        looked_at.clear()
        world_of_eight.agents.page(AgentFilter(limit=2))
        assert looked_at == [3]  # the page, and whether there is more


@pytest.fixture
def surveyor(world: World) -> Surveyor:
    return Surveyor(world.ledger, clock=lambda: 0.0)


@pytest.fixture
def reader(world: World) -> FleetReader:
    return FleetReader(world.ledger.fleet, world.agents, clock=lambda: 0.0)


def check_eight(found: FleetSummary) -> None:
    assert (found.total, found.live, found.count(AgentState.READY, live=True)) == (8, 7, 6)
    assert found.count(AgentState.DRAINING) == 1
    assert found.room == 12  # two each, of those that are live and ready
    assert [one.hostname for one in found.troubled] == ["web1", "web3"]
    assert found.conditions == {"HighLoad": 1}
    assert (found.afflicted, found.running, found.waiting) == (1, 1, 2)
    assert {one.queue: (one.waiting, one.oldest_seconds) for one in found.backlogs if one.waiting} == {"lb": (2, 4.0)}
    assert len(found.pulses) == 8


class TestSummary:
    @pytest.fixture
    def busy(self, world_of_eight: World) -> World:
        world_of_eight.agents.beat("web1", "boot", Heartbeat(running=1, conditions=("HighLoad",)))
        world_of_eight.create("lb")
        world_of_eight.clock.advance(4)
        world_of_eight.create("lb")
        return world_of_eight

    def test_in_steps(self, busy: World, surveyor: Surveyor) -> None:
        for _ in range(2):
            surveyor.run_once()
            assert busy.ledger.fleet.stored() is None
        surveyor.run_once()
        found = busy.ledger.fleet.stored()
        assert found is not None
        check_eight(found)
        assert found.at == busy.clock.now

    def test_a_step_reads_three(self, busy: World) -> None:
        rows, after, _ = busy.ledger.fleet.survey()
        assert ([row.hostname for row in rows], after) == (["Mail", "db1", "db2"], "db2")
        rows, after, _ = busy.ledger.fleet.survey("web2")
        assert ([row.hostname for row in rows], after) == (["web3", "web4"], "")

    def test_a_large_fleet_is_not_read(
        self, busy: World, surveyor: Surveyor, reader: FleetReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobqueue.services.fleet.STEP", 3)
        for _ in range(3):
            surveyor.run_once()
        monkeypatch.setattr(busy.ledger.fleet, "survey", lambda *_: pytest.fail("the fleet is read"))
        check_eight(reader.summary())

    def test_a_large_fleet_without_a_summary(
        self, busy: World, reader: FleetReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobqueue.services.fleet.STEP", 3)
        check_eight(reader.summary())

    def test_a_small_fleet_is_read_at_once(self, busy: World, reader: FleetReader) -> None:
        check_eight(reader.summary())

    @pytest.mark.parametrize("text", ["{", "[]", "{}", '{"at": -1}', '{"at": 1, "states": [[1, 2]]}'])
    def test_an_altered_summary(
        self, busy: World, reader: FleetReader, text: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("jobqueue.services.fleet.STEP", 3)
        busy.client.set(busy.ledger.keys.kind("fleet"), text)
        assert busy.ledger.fleet.stored() is None
        check_eight(reader.summary())

    def test_an_altered_agent_hides_no_other(self, busy: World) -> None:
        busy.client.hset(busy.ledger.keys.agent("db1"), "beat", "soon")
        busy.client.hset(busy.ledger.keys.agent("lb"), "vitals", "{")
        assert len(list(busy.ledger.fleet.rows())) == 8

    def test_a_record_of_another_type_hides_no_other(self, busy: World) -> None:
        key = busy.ledger.keys.agent("db1")
        busy.client.rename(key, "kept")
        busy.client.set(key, "text")
        rows = list(busy.ledger.fleet.rows())
        busy.client.rename("kept", key)
        assert [row.hostname for row in rows] == ["Mail", "db2", "lb", "web1", "web2", "web3", "web4"]

    def test_a_revoked_agent(self, busy: World) -> None:
        busy.client.sadd(busy.ledger.keys.kind("barred"), "db1")
        states = {row.hostname: row.state for row in busy.ledger.fleet.rows()}
        busy.client.srem(busy.ledger.keys.kind("barred"), "db1")
        assert (states["db1"], states["lb"]) == ("Revoked", "Ready")

    def test_a_large_fleet_is_surveyed_as_often_as_its_agents_send_heartbeats(
        self, busy: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(agents, "BEATS_PER_SECOND", 1)  # eight agents send one each eight seconds
        monkeypatch.setattr(fleet, "STEP", 250)
        now = 0.0
        surveys: list[float] = []
        survey = busy.ledger.fleet.survey

        def noted(after: str) -> Any:
            surveys.append(now)
            return survey(after)

        monkeypatch.setattr(busy.ledger.fleet, "survey", noted)
        surveyor = Surveyor(busy.ledger, clock=lambda: now)
        for second in range(20):
            now = float(second)
            surveyor.run_once()
        assert surveys == [0.0, 8.0, 16.0]

    def test_an_empty_fleet(self, world: World, surveyor: Surveyor, reader: FleetReader) -> None:
        surveyor.run_once()
        assert world.ledger.fleet.stored() == reader.summary() == FleetSummary(int(world.clock.now))

    def test_its_size_does_not_grow(self) -> None:
        rows = [AgentRow(f"h{n}", False, "Ready", n + 1, 1, 2, 1, n + 1) for n in range(MOST_NAMED + 500)]
        found = summarize(rows, 10_000_000_000)
        assert len(found.troubled) == MOST_TROUBLED
        assert (len(found.backlogs), len(found.pulses)) == (MOST_NAMED + 1, MOST_NAMED + 1)
        assert (found.backlogs[-1].queue, found.backlogs[-1].waiting) == (OTHER, 500)
        assert (found.pulses[-1].hostname, found.pulses[-1].running) == (OTHER, 500)
        assert found.total == MOST_NAMED + 500
