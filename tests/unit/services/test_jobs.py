"""A search examines a bounded number of jobs, and a cursor continues it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from jobqueue.model.filter import JobFilter, JobPage
from jobqueue.model.job import Job
from jobqueue.model.job_search import JobSearch
from jobqueue.model.states import JobStatus
from jobqueue.services.jobs import SEARCHED_JOBS, JobManager

OPS = JobSearch(submitted_by="ops")


def job(created: int, submitted_by: str) -> Job:
    return Job(
        id=f"job{created}",
        status=JobStatus.COMPLETED,
        created=created,
        updated=created,
        operation="node.uptime.get",
        data={},
        target="_any",
        submitted_by=submitted_by,
        executions=(),
    )


class Ledger:
    """Jobs with the creation times ``count`` to 1, every ``nth`` of which is by "ops"."""

    def __init__(self, count: int, nth: int) -> None:
        self._stored = [job(n, "ops" if n % nth == 0 else "ann") for n in range(count, 0, -1)]
        self.asked: list[JobFilter] = []
        self.jobs = SimpleNamespace(page=self._page)

    def _page(self, wanted: JobFilter) -> JobPage:
        self.asked.append(wanted)
        behind = [one for one in self._stored if wanted.cursor is None or one.created < wanted.cursor]
        items = tuple(behind[: wanted.limit])
        cursor = items[-1].created if len(behind) > wanted.limit else None
        return JobPage(items, len(self._stored), {JobStatus.COMPLETED: len(self._stored)}, cursor)


def manager(ledger: Any) -> JobManager:
    return JobManager(ledger, lambda found: found)  # type: ignore[arg-type]


def test_pages_are_continued_by_their_cursor() -> None:
    ledger = Ledger(60, 10)
    first = manager(ledger).search(JobFilter(limit=4, status=JobStatus.COMPLETED), OPS)
    assert [one.created for one in first.items] == [60, 50, 40, 30]
    assert (first.total, first.is_least, first.next_cursor) == (4, True, 30)
    last = manager(ledger).search(JobFilter(limit=4, cursor=first.next_cursor), OPS)
    assert [one.created for one in last.items] == [20, 10]
    assert last.next_cursor is None
    assert ledger.asked[0].status is JobStatus.COMPLETED


def test_all_matches_are_counted_if_they_fit_on_the_first_page() -> None:
    found = manager(Ledger(250, 100)).search(JobFilter(limit=10), OPS)
    assert ([one.created for one in found.items], found.total, found.is_least) == ([200, 100], 2, False)
    assert found.status_counts == {JobStatus.COMPLETED: 250}


def test_a_search_ends_after_a_bounded_number_of_jobs() -> None:
    ledger = Ledger(3 * SEARCHED_JOBS, 10_000)
    found = manager(ledger).search(JobFilter(limit=10), OPS)
    assert (found.items, found.total, found.is_least) == ((), 0, True)
    assert found.next_cursor == 2 * SEARCHED_JOBS + 1
    assert sum(asked.limit for asked in ledger.asked) == SEARCHED_JOBS
