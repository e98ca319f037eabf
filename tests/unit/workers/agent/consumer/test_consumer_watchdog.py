"""An agent notices when its consumer no longer asks for messages."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from jobqueue.model.agent import AgentState
from workers.agent.consumer.consumer_watchdog import STALLED_SECONDS, ConsumerWatchdog
from workers.agent.execution.running import RunningSet

BEAT = 5.0


class FakeTimer:
    """Celery's timer, turned by hand."""

    def __init__(self) -> None:
        self.entries: list[Callable[[], None]] = []

    def call_repeatedly(self, seconds: float, call: Callable[[], None]) -> Callable[[], None]:
        self.entries.append(call)
        return call

    def cancel(self, entry: Callable[[], None]) -> None:
        self.entries.remove(entry)

    def tick(self) -> None:
        for entry in self.entries:
            entry()


def a_consumer(**channel: Any) -> SimpleNamespace:
    return SimpleNamespace(timer=FakeTimer(), task_consumer=SimpleNamespace(channel=SimpleNamespace(**channel)))


class Watch:
    """A ConsumerWatchdog with a clock of its own, which is looked at with every heartbeat."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.beat = BEAT
        self.stalled = 0
        self.held = RunningSet()
        self.progress = ConsumerWatchdog(self.held, lambda: self.beat, self._on_stalled, clock=lambda: self.now)

    def _on_stalled(self) -> None:
        self.stalled += 1

    def beats(
        self, count: int, between: Callable[[], object] = lambda: None, state: AgentState = AgentState.READY
    ) -> int:
        """``count`` heartbeats, ``between`` called before each; how often the consumer was found stalled by now."""
        for _ in range(count):
            self.now += self.beat
            between()
            self.progress.look(state)
        return self.stalled


#: As many heartbeats as it takes to be sure, and one for the first look.
ENOUGH = int(STALLED_SECONDS / BEAT) + 1


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_consumer_that_does_not_ask_redis_any_more_has_stalled(watch: Watch) -> None:
    consumer = a_consumer(_brpop_sent_at=1.0)
    watch.progress.attach(consumer)
    assert watch.beats(ENOUGH - 1, consumer.timer.tick) == 0
    assert watch.beats(1, consumer.timer.tick) == 1


def test_it_is_found_as_well_in_a_large_fleet_whose_agents_beat_seldom(watch: Watch) -> None:
    watch.beat = 4 * BEAT
    consumer = a_consumer(_brpop_sent_at=1.0)
    watch.progress.attach(consumer)
    assert watch.beats(4, consumer.timer.tick) == 0
    assert watch.beats(1, consumer.timer.tick) == 1


def test_a_consumer_that_asks_is_not(watch: Watch) -> None:
    channel = a_consumer(_brpop_sent_at=1.0)
    watch.progress.attach(channel)

    def ask() -> None:
        channel.task_consumer.channel._brpop_sent_at += 1.0

    assert watch.beats(20, ask) == 0


def test_with_another_broker_the_event_loop_must_turn(watch: Watch) -> None:
    consumer = a_consumer()
    watch.progress.attach(consumer)
    assert watch.beats(20, consumer.timer.tick) == 0
    assert watch.beats(ENOUGH - 1) == 1


@pytest.mark.parametrize("state", [AgentState.DRAINING, AgentState.CORDONED])
def test_an_agent_that_takes_no_work_need_not_ask(watch: Watch, state: AgentState) -> None:
    watch.progress.attach(a_consumer(_brpop_sent_at=1.0))
    assert watch.beats(20, state=state) == 0
    assert watch.beats(ENOUGH - 1) == 0  # it is watched from now on, not from then


def test_an_agent_that_runs_something_need_not_ask(watch: Watch) -> None:
    watch.progress.attach(a_consumer(_brpop_sent_at=1.0))
    with watch.held.claiming():
        assert watch.beats(20) == 0


def test_without_a_consumer_there_is_nothing_to_expect(watch: Watch) -> None:
    consumer = a_consumer(_brpop_sent_at=1.0)
    watch.progress.attach(consumer)
    watch.progress.detach()
    watch.progress.detach()
    assert consumer.timer.entries == []
    assert watch.beats(20) == 0


def test_what_was_seen_before_a_gap_does_not_count(watch: Watch) -> None:
    watch.progress.attach(a_consumer(_brpop_sent_at=1.0))
    assert watch.beats(ENOUGH - 1) == 0
    watch.now += 600  # the process was suspended, or the ledger away
    assert watch.beats(ENOUGH - 1) == 0
    assert watch.beats(1) == 1
