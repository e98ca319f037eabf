"""The lists of a host's broadcasts, which do not hold the status: a change of status costs the same for any fleet."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.errors import AgentNotFound, Conflict, InvalidInput
from jobqueue.ledger import agents as agents_module
from jobqueue.ledger import job_index
from jobqueue.ledger.doctor import Damage, Doctor
from jobqueue.model.filter import JobFilter
from jobqueue.model.states import JobStatus
from jobqueue.model.target import ALL
from tests.ledger.counting import commands_of
from tests.ledger.world import LEASE, LIVE, World


def as_before(world: World, job_id: str) -> None:
    """Store a broadcast as versions before did: in one index per host and status."""
    keys, job = world.ledger.keys, world.job(job_id)
    world.client.hset(keys.job(job_id), "fanout", "1")
    for execution in job.executions:
        world.client.zrem(keys.index("broadcast", execution.slot, ""), job_id)
        world.client.zadd(keys.index("host", execution.slot, str(job.status)), {job_id: job.created})


def listed(world: World, hostname: str, **more: Any) -> list[str]:
    page = world.jobs.page(JobFilter(hostname=hostname, **more))
    assert page.total == len(page.items)
    assert not page.is_least
    summaries = world.jobs.summaries(JobFilter(hostname=hostname, **more))
    assert [item.id for item in summaries.items] == [job.id for job in page.items]
    return [job.id for job in page.items]


def test_broadcasts_and_jobs_of_a_host_are_one_list(world: World) -> None:
    world.register("a", "b", "c", labels={"group": "web"})
    first, alone, second, other = (world.create(target) for target in (ALL, "a", "group:web", "b"))
    world.run(first, "a")
    assert listed(world, "a") == [second, alone, first]
    assert listed(world, "b") == [other, second, first]
    assert listed(world, "a", status=JobStatus.PROCESSING) == [first]
    assert listed(world, "a", status=JobStatus.SUBMITTED) == [second, alone]
    assert listed(world, "a", target="group:web") == [second]
    assert listed(world, "a", target=ALL, status=JobStatus.SUBMITTED) == []
    for host in ("b", "c"):
        world.run(first, host)
    assert listed(world, "c", status=JobStatus.COMPLETED) == [first]
    world.jobs.delete(first)
    assert listed(world, "a") == [second, alone]


@pytest.mark.realredis
def test_a_change_of_status_costs_the_same_for_any_number_of_hosts(real_world: World) -> None:
    world, ran = real_world, []
    for hosts in (10, 200):
        world.register(*(f"host{number}" for number in range(hosts)))
        job_id = world.create(ALL)
        ran.append(commands_of(world.client, lambda job_id=job_id: world.claim(job_id, "host0")))
    assert ran[0] == ran[1] < 60


def test_broadcasts_of_the_version_before_are_listed_moved_and_deleted(world: World) -> None:
    world.register("a", "b")
    old, new = world.create(ALL), world.create(ALL)
    as_before(world, old)
    assert listed(world, "a") == [new, old]
    assert listed(world, "b", status=JobStatus.SUBMITTED) == [new, old]
    world.run(old, "a")
    assert listed(world, "b", status=JobStatus.PROCESSING) == [old]
    assert listed(world, "b", status=JobStatus.SUBMITTED) == [new]
    world.run(old, "b")
    assert listed(world, "a", status=JobStatus.COMPLETED) == [old]
    assert listed(world, "a") == [new, old]
    world.jobs.delete(old)
    assert listed(world, "a") == [new]


def test_an_agent_of_the_version_before_may_have_moved_it(world: World) -> None:
    """Its scripts take every broadcast for one of the version before."""
    world.register("a", "b")
    job_id = world.create(ALL)
    world.client.zadd(world.ledger.keys.index("host", "a", "processing"), {job_id: world.job(job_id).created})
    doctor = Doctor(world.ledger, repairs=True, lease_seconds=LEASE)
    found: list[Damage] = list(doctor.run())
    assert [(damage.kind, damage.repaired) for damage in found] == [("job", True)]
    assert listed(world, "a") == [job_id]


def test_an_agent_with_an_open_execution_of_a_broadcast_is_not_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agents_module, "_FORGET_STEP", 2)  # several steps, as with many broadcasts
    world.register("a", "b")
    ids = [world.create(ALL) for _ in range(7)]
    for job_id in ids[:5]:
        world.run(job_id, "a")
    world.leave("a")
    world.clock.advance(LIVE)
    with pytest.raises(Conflict, match="has not ended there"):
        world.agents.forget("a")
    for job_id in ids[5:]:
        world.jobs.cancel(job_id, "ada")
    world.agents.forget("a")
    with pytest.raises(AgentNotFound):
        world.agents.get("a")


# --- the bound on a listing by several fields -------------------------------------------------------------------------


def _alternating(world: World, count: int) -> list[str]:
    """Jobs with tag t:0 or t:1 in turn, newest first."""
    world.register("a", operations=("op.x", "op.y"))
    ids = [
        world.create("a", operation="op.x" if number % 10 == 0 else "op.y", tags={"t": str(number % 2)})
        for number in range(count)
    ]
    return ids[::-1]


@pytest.mark.parametrize("quick", [False, True])
def test_a_listing_examines_a_bounded_number_of_jobs(
    world: World, monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    ids = _alternating(world, 60)
    monkeypatch.setattr(job_index, "SCAN_STEP", 4)
    monkeypatch.setattr(job_index, "LOOKED_AT", 20)
    matching = ids[9::10]  # t:0 and op.x
    find = world.jobs.summaries if quick else world.jobs.page
    wanted = JobFilter(target="a", tag=("t", "0"), hostname="a", limit=2)
    page = find(wanted)
    assert page.is_least
    assert len(page.items) == 2
    seen, pages, cursor = [], 0, None
    while True:
        page = find(JobFilter(operation="op.y", tag=("t", "0"), target="a", limit=3, cursor=cursor))
        seen += [item.id for item in page.items]
        pages += 1
        cursor = page.next_cursor
        if cursor is None:
            break
        assert pages < 40
    assert seen == [job_id for job_id in ids[1::2] if job_id not in matching]
    assert not page.is_least or not quick


def test_matches_beyond_the_bound_are_reached_by_cursor(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages in between may be empty: the match is older than the jobs that one request examines."""
    world.register("a")
    rare = world.create("a", tags={"one": "1", "two": "2"})
    for number in range(30):
        world.create("a", tags={"one": "1"} if number % 2 else {"two": "2"})
    monkeypatch.setattr(job_index, "SCAN_STEP", 3)
    monkeypatch.setattr(job_index, "LOOKED_AT", 6)
    seen, pages, cursor = [], 0, None
    while pages == 0 or cursor is not None:
        page = world.jobs.page(JobFilter(target="a", tag=("one", "1"), status=JobStatus.SUBMITTED, cursor=cursor))
        assert page.total <= 6
        seen += [job.id for job in page.items]
        cursor, pages = page.next_cursor, pages + 1
        assert pages < 20
    assert rare in seen
    assert len(seen) == len(set(seen)) == 16
    with pytest.raises(InvalidInput, match="next_cursor"):
        world.jobs.page(JobFilter(target="a", tag=("one", "1"), offset=10))
