"""Many agents that stop answering at once are one alert, which follows them until they are back."""

from __future__ import annotations

import pytest

from jobqueue.model.agent import Heartbeat
from jobqueue.model.alert import AGENTS_LOST, Alert
from tests.ledger.servers import on_real_servers
from tests.ledger.world import HEARTBEAT, LIVE, World
from workers.maintenance.fleet_watch import FleetWatch

pytestmark = on_real_servers

RACKS = {"r1": tuple(f"a{number}" for number in range(5)), "r2": tuple(f"b{number}" for number in range(15))}
ALL_HOSTS = RACKS["r1"] + RACKS["r2"]


class Watched:
    """A fleet of two racks under a watch that runs every few seconds."""

    def __init__(self, world: World) -> None:
        self.world = world
        for rack, hosts in RACKS.items():
            world.register(*hosts, labels={"rack": rack, "zone": "fra.1"})
        self.watch = FleetWatch(world.ledger, HEARTBEAT, clock=lambda: world.clock.now / 1_000_000)

    def run(self, seconds: float, *beating: str) -> None:
        """Time passes, in which these agents beat."""
        for _ in range(int(seconds / HEARTBEAT)):
            self.world.clock.advance(HEARTBEAT)
            for host in beating:
                self.world.agents.beat(host, "boot", Heartbeat(running=0))
            self.watch.run_once()

    def alerts(self) -> list[Alert]:
        return [alert for alert in self.world.executions.alerts() if alert.kind == AGENTS_LOST]


@pytest.fixture
def fleet(world: World) -> Watched:
    fleet = Watched(world)
    fleet.run(30, *ALL_HOSTS)
    assert fleet.alerts() == []
    return fleet


def test_a_fifth_of_the_fleet_dies_and_comes_back(fleet: Watched) -> None:
    died = fleet.world.clock.now
    fleet.run(60, *RACKS["r2"])
    [alert] = fleet.alerts()
    assert alert.at == died + LIVE * 1_000_000
    assert "5 of 20 agents have stopped answering since 2027-" in alert.message
    assert "zone:fra.1 5" in alert.message
    assert "rack:r1 5" in alert.message
    assert "rack:r2" not in alert.message
    assert fleet.world.stat(AGENTS_LOST) == 1
    fleet.run(60, *RACKS["r2"][:10])  # five more
    [alert] = fleet.alerts()
    assert alert.at == died + LIVE * 1_000_000
    assert "10 of 20 agents" in alert.message
    fleet.run(30, *RACKS["r2"], *RACKS["r1"][:3])
    [alert] = fleet.alerts()
    assert "2 of 20 agents" in alert.message
    fleet.run(30, *ALL_HOSTS)
    [alert] = fleet.alerts()
    assert alert.message.endswith("are back.")
    fleet.run(60, *ALL_HOSTS)
    assert len(fleet.alerts()) == 1
    fleet.run(60, *RACKS["r2"])  # a second outage is an alert of its own
    assert len(fleet.alerts()) == 2
    assert fleet.world.stat(AGENTS_LOST) == 2


def test_another_copy_of_maintenance_goes_on_with_the_same_alert(fleet: Watched) -> None:
    fleet.run(60, *RACKS["r2"])
    fleet.watch = FleetWatch(fleet.world.ledger, HEARTBEAT, clock=lambda: fleet.world.clock.now / 1_000_000)
    fleet.run(60, *RACKS["r2"])
    assert len(fleet.alerts()) == 1
    fleet.run(60, *ALL_HOSTS)
    assert [alert.message.endswith("are back.") for alert in fleet.alerts()] == [True]
    assert fleet.world.stat(AGENTS_LOST) == 1


def test_agents_that_leave_are_no_outage(fleet: Watched) -> None:
    fleet.world.leave(*RACKS["r1"])
    fleet.run(60, *RACKS["r2"])
    assert fleet.alerts() == []


def test_a_few_agents_are_no_outage(fleet: Watched) -> None:
    fleet.run(60, *ALL_HOSTS[3:])
    assert fleet.alerts() == []


def test_agents_that_could_not_beat_while_redis_was_away_are_no_outage(fleet: Watched) -> None:
    fleet.world.clock.advance(120)
    fleet.watch.run_once()
    assert fleet.alerts() == []
    fleet.run(30, *ALL_HOSTS)
    assert fleet.alerts() == []


def test_a_large_fleet_has_more_time_after_redis_was_away(fleet: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobqueue.ledger.agents.BEATS_PER_SECOND", len(ALL_HOSTS) / (8 * HEARTBEAT))
    fleet.world.clock.advance(120)
    fleet.run(7 * LIVE, *RACKS["r2"])  # the next heartbeats of the others are not due yet
    assert fleet.alerts() == []
    fleet.run(2 * LIVE, *RACKS["r2"])
    assert len(fleet.alerts()) == 1


def test_an_outage_without_end_is_followed_for_a_day(fleet: Watched) -> None:
    fleet.run(60, *RACKS["r2"])
    for hours in range(1, 26):
        fleet.world.clock.advance(3600 - HEARTBEAT * 8)
        fleet.run(HEARTBEAT * 8, *RACKS["r2"])
        assert len(fleet.alerts()) == 1, hours
    assert "no longer followed" in fleet.alerts()[0].message
    assert fleet.world.ledger.outages.began() is None


def test_the_names_are_read_in_steps(fleet: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobqueue.ledger.outages._STEP", 2)
    fleet.run(60, *RACKS["r2"])
    assert "5 of 20 agents" in fleet.alerts()[0].message


def test_an_altered_note_of_the_outage_does_no_harm(fleet: Watched) -> None:
    fleet.run(60, *RACKS["r2"])
    fleet.world.client.set(fleet.world.ledger.keys.kind("outage"), "nonsense")
    fleet.run(60, *RACKS["r2"])
    assert fleet.alerts()
    fleet.run(60, *ALL_HOSTS)
    assert fleet.world.ledger.outages.began() is None
