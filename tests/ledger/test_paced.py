"""Pauses with a rate: so many executions start in spite of them, and never more, however many wait."""

from __future__ import annotations

import pytest

from jobqueue.ledger.executions import Claim
from jobqueue.model.pause import Pause, PauseKind
from jobqueue.model.rate import Rate
from jobqueue.model.target import ALL, ANY
from tests.ledger.world import OPERATION, World

SECOND = 1_000_000


@pytest.fixture(autouse=True)
def _agents(world: World) -> None:
    world.register("a", "b")


def limit(world: World, rate: str, kind: PauseKind = PauseKind.EVERYTHING, value: str = "", *hosts: str) -> Pause:
    number = len(world.ledger.pauses.all())
    made = Pause(f"{number:08x}", kind, value, "the mirror is slow", created_by="alice", rate=Rate.parse(rate))
    world.ledger.pauses.add(made, hosts)
    return made


def start_all(world: World, *slots: str) -> list[Claim]:
    """Let agents take all messages that are in the queues of these slots; returns what started."""
    started = []
    for slot in slots:
        for _ in world.queued(slot):
            answer = world.try_claim(world.pop(slot), slot, "a" if slot == ANY else slot)
            if isinstance(answer, Claim):
                started.append(answer)
    return started


def starts(world: World, seconds: int, *slots: str) -> list[tuple[int, str]]:
    """Start what may start, each second, as maintenance and agents do: (second, job) of each start."""
    found = []
    for second in range(seconds):
        world.executions.return_parked(500, world.template)
        world.executions.promote(500, world.template)
        for claim in start_all(world, *slots):
            world.finish(claim)
            found.append((second, claim.job_id))
        world.clock.advance(1)
    return found


def most_in(seconds: int, times: list[int]) -> int:
    return max(sum(begin <= time < begin + seconds for time in times) for begin in times)


def test_no_minute_has_more_starts_and_all_start_in_their_order(world: World) -> None:
    limit(world, "10/m", PauseKind.OPERATION, OPERATION)
    jobs = [world.create("a") for _ in range(35)]
    found = starts(world, 300, "a")
    assert [job_id for _, job_id in found] == jobs
    times = [second for second, _ in found]
    assert most_in(60, times) == 10, "the rate is not reached, or exceeded"


def test_several_jobs_and_hosts_share_it(world: World) -> None:
    limit(world, "6/m", PauseKind.TAG, "team:web")
    for _ in range(4):
        world.create(ALL, tags={"team": "web"})
    free = [world.create("a") for _ in range(3)]
    found = starts(world, 120, "a", "b")
    limited = [second for second, job_id in found if job_id not in free]
    assert len(limited) == 8
    assert most_in(60, limited) == 6
    assert {second for second, job_id in found if job_id in free} == {0}, "other jobs were delayed"


def test_hosts_beside_those_of_the_target_are_free(world: World) -> None:
    limit(world, "1/h", PauseKind.TARGET, "a", "a")
    for _ in range(3):
        world.create(ALL)
    hosts = [claim.hostname for claim in start_all(world, "a", "b")]
    assert sorted(hosts) == ["a", "b", "b", "b"]


def test_a_pause_without_a_rate_beside_it_lets_nothing_start(world: World) -> None:
    limit(world, "10/s")
    world.ledger.pauses.add(Pause("ffffffff", PauseKind.EVERYTHING, "", "release"))
    world.create("a")
    assert starts(world, 30, "a") == []


def test_the_slower_of_two_counts_and_a_refused_start_uses_nothing_of_the_other(world: World) -> None:
    slow = limit(world, "1/m")
    limit(world, "3/m", PauseKind.OPERATION, "op.*")
    for _ in range(4):
        world.create("a")
    assert len(starts(world, 30, "a")) == 1
    world.ledger.pauses.end(slow.id)
    assert len(starts(world, 30, "a")) == 2


def test_its_end_frees_all_at_once(world: World) -> None:
    made = limit(world, "1/h")
    jobs = [world.create("a") for _ in range(5)]
    assert len(starts(world, 3, "a")) == 1
    assert world.ledger.pauses.held_back([made]) == [4]
    assert world.execution(jobs[-1]).held_by == "pause"
    world.ledger.pauses.end(made.id)
    assert [job_id for _, job_id in starts(world, 3, "a")] == jobs[1:]
    assert not world.client.exists(world.ledger.keys.kind("paced"))


def test_it_ends_by_itself(world: World) -> None:
    made = Pause(
        "0badcafe", PauseKind.EVERYTHING, "", "x", until=int(world.clock()) + 60 * SECOND, rate=Rate.parse("1/h")
    )
    world.ledger.pauses.add(made)
    for _ in range(3):
        world.create("a")
    assert [second for second, _ in starts(world, 70, "a")] == [0, 60, 60]
    assert not world.client.exists(world.ledger.keys.kind("paced"))


def test_a_shared_execution_is_limited_too(world: World) -> None:
    limit(world, "2/m", PauseKind.TARGET, "a,b", "a", "b")
    for _ in range(5):
        world.create(ANY)
    assert most_in(60, [second for second, _ in starts(world, 300, ANY)]) == 2


def test_an_offline_host_holds_up_no_other(world: World) -> None:
    limit(world, "6/m")
    for target in ("b", "b", "b", "a", "a"):
        world.create(target)
    start_all(world, "b", "a")  # all are parked but the first
    assert len(starts(world, 60, "a")) == 2, "executions of a host that takes none hold up others"


def test_a_clock_that_went_back_does_not_hold_it_up(world: World) -> None:
    limit(world, "60/m")
    for _ in range(3):
        world.create("a")
    assert len(start_all(world, "a")) == 3
    world.clock.advance(-3600)
    for _ in range(3):
        world.create("a")
    assert len(starts(world, 30, "a")) == 3


def test_what_is_listed(world: World) -> None:
    made = limit(world, "50/s", PauseKind.TAG, "team:ü|x%")
    assert world.ledger.pauses.all() == [made]
    assert made.subject == "tag team:ü|x% above 50/s"
