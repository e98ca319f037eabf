"""Every step of every job reaches the followers of all jobs."""

from __future__ import annotations

from jobqueue.ledger.events import START
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL, ANY
from tests.ledger.world import LEASE, World


def steps(world: World, after: str = START) -> list[tuple[str, str, str, str]]:
    """(job, event, hostname, status of the job)."""
    return [
        (news.job_id, event.event, event.hostname, news.status.value)
        for news in world.ledger.events.read(after)
        for event in news.events
    ]


def test_the_steps_of_a_job(world: World) -> None:
    world.register("a")
    job_id = world.create(ANY)
    world.finish(world.claim(job_id, ANY, "a"))
    assert steps(world) == [
        (job_id, "submitted", "_api", "submitted"),
        (job_id, "acknowledged", "a", "processing"),
        (job_id, "started", "a", "processing"),
        (job_id, "completed", "a", "completed"),
    ]


def test_every_event_of_the_timelines_was_published(world: World) -> None:
    world.register("a", "b")
    broadcast = world.create(ALL)
    world.finish(world.claim(broadcast, "a"), ExecutionState.FAILED, note="disk | full\nreally")
    world.claim(broadcast, "b")
    again = world.create("a", is_idempotent=True)
    world.retry_later(world.claim(again, "a"), 1.0)
    late = world.create("b", expires_at=world.clock.after(5))
    world.clock.advance(LEASE + 1)
    world.promote()
    world.executions.reap(10)
    world.executions.expire(10)
    cancelled = world.create("a")
    world.jobs.cancel(cancelled, "by ann")
    retry = world.create("b", retry_of=cancelled)
    for job_id in (broadcast, again, late, cancelled, retry):
        job = world.job(job_id)
        found = [news for news in world.ledger.events.read(START) if news.job_id == job_id]
        events = [event for news in found for event in news.events]
        assert sorted(map(repr, events)) == sorted(map(repr, job.timeline))
        assert found[-1].status is job.status
    assert world.job(broadcast).status is JobStatus.FAILED


def test_reading_goes_on_behind_what_was_seen(world: World) -> None:
    world.register("a")
    assert (world.ledger.events.newest(), world.ledger.events.read(START)) == (START, [])
    first = world.create("a")
    seen = world.ledger.events.newest()
    assert world.ledger.events.holds(seen)
    assert not world.ledger.events.holds("1-1")
    assert world.ledger.events.wait(seen, 0.01) == []
    second = world.create("a")
    assert [news.job_id for news in world.ledger.events.wait(seen, 10)] == [second]
    assert [entry[0] for entry in steps(world)] == [first, second]
    places = [news.position for news in world.ledger.events.read(START)]
    assert places == sorted(set(places))


def test_the_stream_is_bounded(world: World) -> None:
    world.register("a")
    key = world.ledger.keys.kind("events")
    with world.client.pipeline(transaction=False) as pipe:
        for number in range(11_000):
            pipe.xadd(key, {"v": "x"}, id=f"{number + 1}-0")
        pipe.execute()
    world.create("a")
    assert 10_000 <= world.client.xlen(key) < 10_500
