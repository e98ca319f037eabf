"""Listings: every filter and combination against a brute-force search over the same jobs."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace

import pytest
from _pytest.monkeypatch import MonkeyPatch

from jobqueue.ledger import job_index
from jobqueue.model.filter import JobFilter
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.target import ALL, ANY
from tests.ledger.servers import on_real_servers
from tests.ledger.world import World

pytestmark = on_real_servers

S = ExecutionState
HOSTS = ("a", "b", "c")
OPERATIONS = ("op.x", "op.y", "op.z")
#: Its jobs have the others as steps.
WHOLE = "op.whole"
TAGS = ({}, {"team": "web"}, {"team": "web", "env": "dev"}, {"env": "dev|x"})


@dataclass(frozen=True)
class Known:
    """A job as the brute-force search knows it."""

    id: str
    created: int
    operations: tuple[str, ...]
    target: str
    tags: dict[str, str]
    hosts: tuple[str, ...]
    status: JobStatus


def populate(world: World, rng: random.Random, count: int) -> list[Known]:
    """Jobs of all kinds in all states, newest first."""
    world.register(*HOSTS, labels={"group": "web"}, operations=(*OPERATIONS, WHOLE))
    known = []
    for _ in range(count):
        world.clock.now += rng.choice((0, 0, 1, 1000, 20_000))
        target = rng.choice((ANY, ALL, "group:web", *HOSTS))
        operation = rng.choice((*OPERATIONS, WHOLE))
        inner = tuple(sorted(rng.sample(OPERATIONS, rng.randrange(3)))) if operation == WHOLE else ()
        job = world.new_job(target, operation=operation, inner_operations=inner, tags=rng.choice(TAGS))
        created = world.new_jobs.create(job, world.template).accepted.created
        hosts = HOSTS if job.target.is_broadcast else () if target == ANY else (target,)
        for slot in (ANY,) if target == ANY else hosts:
            step = rng.randrange(8)
            if step < 2:
                continue
            host = rng.choice(HOSTS) if slot == ANY else slot
            claim = world.claim(job.id, slot, host)
            if slot == ANY:
                hosts = (host,)
            if step == 3:
                world.retry_later(claim, 1000)
            elif step > 3:
                world.finish(claim, rng.choice((S.COMPLETED, S.COMPLETED, S.FAILED, S.SKIPPED, S.CANCELLED)))
        known.append(
            Known(
                job.id,
                created,
                (operation, *inner),
                target,
                dict(job.submission.tags),
                hosts,
                world.job(job.id).status,
            )
        )
    return known[::-1]


def search(known: list[Known], wanted: JobFilter) -> list[Known]:
    """All matches, without offset, cursor and limit."""
    return [
        job
        for job in known
        if job.status in wanted.statuses
        and (wanted.operation is None or wanted.operation in job.operations)
        and wanted.target in (None, job.target)
        and (wanted.hostname is None or wanted.hostname in job.hosts)
        and (wanted.tag is None or job.tags.get(wanted.tag[0]) == wanted.tag[1])
        and (wanted.created_after is None or job.created >= wanted.created_after)
        and (wanted.created_before is None or job.created <= wanted.created_before)
    ]


def random_filter(known: list[Known], rng: random.Random) -> JobFilter:
    times = [rng.choice(known).created + rng.choice((-1, 0, 1)) for _ in range(3)]
    return JobFilter(
        status=rng.choice((None, None, *JobStatus, (*JobStatus,)[1:4], (JobStatus.FAILED, JobStatus.COMPLETED))),
        operation=rng.choice((None, None, *OPERATIONS, WHOLE, "op.none")),
        target=rng.choice((None, None, None, ANY, ALL, "group:web", *HOSTS)),
        hostname=rng.choice((None, None, *HOSTS, "nohost")),
        tag=rng.choice((None, None, ("team", "web"), ("env", "dev|x"), ("env", "dev"), ("team", "none"))),
        created_after=rng.choice((None, None, times[0])),
        created_before=rng.choice((None, None, times[1])),
        cursor=rng.choice((None, None, times[2])),
        limit=rng.choice((1, 2, 10, 100)),
        offset=rng.choice((0, 0, 1, 5, 99, 100, 101, 150, 230, 500)),
    )


def check_page(world: World, known: list[Known], wanted: JobFilter) -> None:
    matches = search(known, wanted)
    behind = [job for job in matches if wanted.cursor is None or job.created < wanted.cursor]
    expected = behind[wanted.offset : wanted.offset + wanted.limit]
    page = world.jobs.page(wanted)
    assert [job.id for job in page.items] == [job.id for job in expected], wanted
    assert page.total == len(matches), wanted
    assert page.next_cursor == (expected[-1].created if len(expected) == wanted.limit else None), wanted


def test_every_filter_against_a_brute_force_search(world: World, rng: random.Random) -> None:
    known = populate(world, rng, 160)
    for offset in (0, 99, 100, 101, 102, 130, 158, 159, 160, 161):  # deep ones skip by bisection
        check_page(world, known, JobFilter(offset=offset, limit=3))
        check_page(world, known, JobFilter(offset=offset, limit=100, created_before=known[20].created))
        check_page(world, known, JobFilter(offset=offset, limit=100, created_after=known[140].created))
        check_page(world, known, JobFilter(offset=offset, limit=2, cursor=known[50].created))
    for status in JobStatus:
        check_page(world, known, JobFilter(status=status, limit=100))
    for _ in range(80):
        check_page(world, known, random_filter(known, rng))
    counts = Counter(job.status for job in known)
    assert world.jobs.counts() == {status: counts[status] for status in JobStatus}
    assert world.jobs.page(JobFilter(operation="op.none")).status_counts == world.jobs.counts()


@pytest.mark.parametrize("wanted", [JobFilter(limit=7), JobFilter(limit=7, operation="op.x", hostname="a")])
def test_a_walk_by_cursor_sees_every_job_once(
    world: World, rng: random.Random, wanted: JobFilter, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr(job_index, "SCAN_STEP", 5)  # several steps, as with many jobs
    known = populate(world, rng, 60)
    expected, seen = [job.id for job in search(known, wanted)], []
    cursor: int | None = None
    while True:
        page = world.jobs.page(replace(wanted, cursor=cursor))
        seen += [job.id for job in page.items]
        world.create("a")  # what comes in front does not shift the walk
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert seen == expected


def test_a_cursor_does_not_reach_behind_created_before(world: World, rng: random.Random) -> None:
    known = populate(world, rng, 10)
    for operation, hostname in ((None, None), ("op.x", "a")):
        wanted = JobFilter(
            operation=operation, hostname=hostname, created_before=known[5].created, cursor=known[2].created
        )
        check_page(world, known, wanted)


def test_an_empty_ledger(world: World) -> None:
    for wanted in (JobFilter(), JobFilter(offset=500), JobFilter(operation="op.x", target=ANY, cursor=5)):
        page = world.jobs.page(wanted)
        assert (page.items, page.total, page.next_cursor) == ((), 0, None)
        assert page.status_counts == dict.fromkeys(JobStatus, 0)


def test_an_any_job_is_listed_under_the_agent_that_has_it(world: World) -> None:
    world.register("a", "b")
    job_id = world.create(ANY)

    def listed(hostname: str) -> list[str]:
        return [job.id for job in world.jobs.page(JobFilter(hostname=hostname)).items]

    assert listed("a") == listed("b") == []
    claim = world.claim(job_id, ANY, "a")
    assert (listed("a"), listed("b")) == ([job_id], [])
    world.retry_later(claim, 0)
    world.promote()
    world.run(job_id, ANY, "b")
    assert (listed("a"), listed("b")) == ([], [job_id])


def test_by_the_beginning_of_an_id(world: World, monkeypatch: MonkeyPatch) -> None:
    monkeypatch.setattr(job_index, "SCAN_STEP", 3)
    monkeypatch.setattr(job_index, "LOOKED_THROUGH", 9)
    world.register(*HOSTS)
    ids = [world.create("a") for _ in range(8)][::-1]
    for length in (1, 2, 8, 36):
        wanted = ids[5][:length]
        found, is_all = world.jobs.starting(wanted)
        assert (found, is_all) == ([job_id for job_id in ids if job_id.startswith(wanted)], True)
    oldest = ids[-1]
    assert [head.id for head in world.jobs.summaries_of([oldest, "gone", ids[0]])] == [oldest, ids[0]]
    for _ in range(2):
        world.create("a")
    assert world.jobs.starting(oldest) == ([], False)
