"""What a list shows of jobs is what the whole jobs say; the counts over time are what a recount gives."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from jobqueue.ledger import job_index
from jobqueue.model.filter import JobFilter
from jobqueue.model.states import JobStatus
from tests.ledger.clock import SECOND
from tests.ledger.servers import on_real_servers
from tests.ledger.test_page import populate
from tests.ledger.world import World

pytestmark = on_real_servers


def test_a_summary_agrees_with_its_job(world: World, rng: random.Random) -> None:
    populate(world, rng, 60)
    world.create("_all", alias="mine")
    page = world.jobs.summaries(JobFilter(limit=100))
    jobs = world.jobs.page(JobFilter(limit=100))
    assert [summary.alias for summary in page.items] == ["mine"] + [None] * 60
    assert page.total == jobs.total == 61
    assert page.status_counts == jobs.status_counts
    for summary, job in zip(page.items, jobs.items, strict=True):
        assert summary.counts == Counter(execution.state for execution in job.executions)
        assert (summary.id, summary.status, summary.created, summary.updated) == (
            job.id, job.status, job.created, job.updated,
        )  # fmt: skip
        assert (summary.operation, summary.target) == (job.operation, job.target)
        assert (summary.is_broadcast, summary.cancel_requested) == (job.is_broadcast, job.cancel_requested)
        if not job.is_broadcast:
            assert summary.hostname == job.hostname
        assert summary.agents == len(job.executions)
        assert summary.ended == sum(execution.state.is_final for execution in job.executions)


def test_no_jobs_no_summaries(world: World) -> None:
    page = world.jobs.summaries(JobFilter())
    assert (page.items, page.total, page.next_cursor) == ((), 0, None)


@pytest.mark.parametrize("status", [None, JobStatus.SUBMITTED])
def test_pages_by_several_dimensions_are_the_same_pages(
    world: World, rng: random.Random, monkeypatch: pytest.MonkeyPatch, status: JobStatus | None
) -> None:
    monkeypatch.setattr(job_index, "SCAN_STEP", 3)
    populate(world, rng, 120)
    seen = 0
    for offset in range(0, 60, 4):
        wanted = JobFilter(status=status, operation="op.x", hostname="a", limit=4, offset=offset)
        quick, whole = world.jobs.summaries(wanted), world.jobs.page(wanted)
        assert [summary.id for summary in quick.items] == [job.id for job in whole.items]
        # there is a further page exactly where there is one
        reach = offset + len(quick.items)
        assert (quick.total > reach) == (whole.total > reach)
        assert quick.is_least == (whole.total > reach)
        seen += len(quick.items)
    assert seen > (0 if status else 10)


def test_history_counts_what_came_and_what_ended(world: World, rng: random.Random) -> None:
    known = populate(world, rng, 200)
    world.clock.advance(3)
    found = world.ledger.counting.history(world.clock.now, 1, 10)
    assert [span.start for span in found.spans] == [
        world.clock.now // SECOND * SECOND - back * SECOND for back in range(9, -1, -1)
    ]
    jobs = [world.job(one.id) for one in known]
    for span in found.spans:
        inside = range(span.start, span.start + SECOND)
        assert span.submitted == Counter(job.status for job in jobs if job.created in inside)
        assert span.ended == sum(job.status.is_final and job.updated in inside for job in jobs)
    assert found.submitted == sum(span.total for span in found.spans) > 50
    assert found.ended > 10
