"""An agent's presence: live while it reads, known afterwards, replaced by the newest."""

from __future__ import annotations

import threading

import pytest

from jobqueue.ledger.ledger import Ledger
from jobqueue.model.agent import AgentState
from jobqueue.operations.registry import Registry
from jobqueue.settings import Settings
from tests.acceptance.support.until import until
from tests.unit.workers.conftest import WithoutKey
from workers.agent.consumer.intake import Intake
from workers.agent.execution.running import RunningSet
from workers.agent.presence import Presence


@pytest.fixture
def states() -> list[AgentState]:
    return []


@pytest.fixture
def presence(
    ledger: Ledger, registry: Registry, held: RunningSet, settings: Settings, states: list[AgentState]
) -> Presence:
    return Presence(ledger.agents, registry, held, settings, WithoutKey(), states.append, on_replaced=lambda: None)


def test_the_first_beat_registers(
    ledger: Ledger, presence: Presence, registry: Registry, states: list[AgentState]
) -> None:
    presence.beat_once()
    agent = ledger.agents.get("web1")
    assert agent.live
    assert agent.labels == {"group": "web.dev"}
    assert agent.operations == registry.types()
    assert agent.memory["total"] > 0
    assert len(agent.load) == 3
    assert agent.facts["kernel"]
    assert states == [AgentState.READY]


def test_an_agent_that_stops_reading_is_offline_at_once_and_stays_known(ledger: Ledger, presence: Presence) -> None:
    presence.beat_once()
    presence.not_reading()
    assert not ledger.agents.get("web1").live
    assert ledger.agents.hostnames() == ["web1"]


def test_the_agent_registers_again_when_the_ledger_lost_it(ledger: Ledger, presence: Presence) -> None:
    presence.beat_once()
    ledger.client.flushall()
    presence.beat_once()
    assert ledger.agents.get("web1").live


def test_the_newest_process_under_a_hostname_wins(
    ledger: Ledger, registry: Registry, held: RunningSet, settings: Settings, presence: Presence
) -> None:
    replaced = threading.Event()
    older = Presence(ledger.agents, registry, held, settings, WithoutKey(), lambda _: None, on_replaced=replaced.set)
    older.beat_once()
    presence.beat_once()
    older.beat_once()
    assert replaced.is_set()
    older.not_reading()  # the older one's farewell must not take the newer one offline
    assert ledger.agents.get("web1").live


def test_one_that_was_cut_off_and_replaced_does_not_take_its_hostname_back(
    ledger: Ledger, registry: Registry, held: RunningSet, settings: Settings
) -> None:
    replaced, kept = threading.Event(), threading.Event()
    older = Presence(ledger.agents, registry, held, settings, WithoutKey(), lambda _: None, on_replaced=replaced.set)
    newer = Presence(ledger.agents, registry, held, settings, WithoutKey(), lambda _: None, on_replaced=kept.set)
    older.beat_once()
    older.not_reading()
    newer.beat_once()
    older.reading()
    older.beat_once()
    newer.beat_once()
    assert replaced.is_set()
    assert not kept.is_set()


def test_one_that_was_cut_off_is_live_again_with_its_next_beat(ledger: Ledger, presence: Presence) -> None:
    presence.beat_once()
    presence.cut_off()
    presence.reading()
    presence.beat_once()
    assert ledger.agents.get("web1").live


def test_an_outage_is_survived(ledger: Ledger, presence: Presence, outage: threading.Event) -> None:
    outage.set()
    presence.reading()
    presence.start()
    outage.clear()
    until(ledger.agents.hostnames, "it registers")
    presence.stop()
    presence.join(30)
    assert not presence.is_alive()
    assert ledger.agents.get("web1").live


def test_draining_ends_when_nothing_runs(
    ledger: Ledger, presence: Presence, held: RunningSet, states: list[AgentState]
) -> None:
    presence.beat_once()
    ledger.agents.drain("web1")
    with held.claiming():
        presence.beat_once()
        presence.beat_once()
        assert states[-1] is AgentState.DRAINING
    presence.beat_once()
    assert states[-1] is AgentState.CORDONED
    ledger.agents.undrain("web1")
    presence.beat_once()
    assert states[-1] is AgentState.READY
    assert [event.state.value for event in ledger.agents.get("web1").timeline] == [
        "Ready",
        "Draining",
        "Cordoned",
        "Ready",
    ]


def test_a_count_from_before_the_drain_does_not_end_it(ledger: Ledger, presence: Presence) -> None:
    presence.beat_once()
    ledger.agents.drain("web1")
    presence.beat_once()  # counted while the agent believed to be Ready: a claim may have slipped in behind
    assert ledger.agents.get("web1").state is AgentState.DRAINING


class FakeConsumer:
    def __init__(self) -> None:
        self.reads: set[str] = {"own", "shared"}

    def call_soon(self, change, name: str) -> None:  # type: ignore[no-untyped-def]
        change(name)

    def add_task_queue(self, name: str) -> None:
        self.reads.add(name)

    def cancel_task_queue(self, name: str) -> None:
        self.reads.discard(name)


def test_the_intake_follows_the_state_also_across_a_new_consumer() -> None:
    intake, consumer = Intake(["own", "shared"]), FakeConsumer()
    intake.set_state(AgentState.DRAINING)  # nothing to close yet
    intake.attach(consumer)
    intake.set_state(AgentState.DRAINING)
    assert consumer.reads == set()
    intake.detach()
    again = FakeConsumer()
    again.reads = set()  # Celery remembers that the queues were cancelled
    intake.attach(again)
    intake.set_state(AgentState.READY)
    assert again.reads == {"own", "shared"}


def test_a_beat_behind_the_farewell_does_not_make_it_live_again(ledger: Ledger, presence: Presence) -> None:
    presence.beat_once()
    presence.not_reading()
    presence.beat_once()
    assert not ledger.agents.get("web1").live
