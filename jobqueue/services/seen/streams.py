"""Output and events of jobs with permissions on some hosts only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from jobqueue.errors import AgentNotFound, JobNotFound
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.job import Job
from jobqueue.model.job_event import JobEvent
from jobqueue.model.output import OutputPage
from jobqueue.services.event_feed import EventFeed
from jobqueue.services.output import OutputReader
from jobqueue.services.seen.jobs import SeenJobs
from jobqueue.services.seen.sight import Sight


class SeenOutput(OutputReader):
    """The output of executions on visible hosts."""

    def __init__(self, ledger: Ledger, jobs: SeenJobs, hosts: Callable[[], frozenset[str]]) -> None:
        super().__init__(jobs, ledger.executions, ledger.output, ledger.job_slots)
        self._seen = jobs
        self._hosts = hosts

    def _names(self, job: Job) -> tuple[str, ...]:
        visible = self._hosts()
        return tuple(host for host in self._seen.hosts(job.id) if host in visible)

    def _slot(self, job_id: str, hostname: str | None) -> str:
        if hostname is not None and hostname not in self._hosts():
            self._jobs.get(job_id, 0)
            raise AgentNotFound(f"Job {job_id} has no execution on {hostname!r}, or it has not been opened yet.")
        return super()._slot(job_id, hostname)

    def _page(self, job_id: str, slot: str, offset: int) -> OutputPage:
        page = super()._page(job_id, slot, offset)
        if page.hostname and page.hostname not in self._hosts():
            # a later attempt on another host, or a host whose labels have changed
            return OutputPage("", (), offset, 0, True, page.state)
        return page

    def _follow(self, job_id: str, slot: str, offset: int, host_before: str) -> Iterator[OutputPage]:
        for page in super()._follow(job_id, slot, offset, host_before):
            if page.hostname and page.hostname not in self._hosts():
                yield OutputPage("", (), offset, 0, True, page.state)
                return
            yield page


class SeenEvents(EventFeed):
    """The events of visible hosts, from the one feed that all followers share."""

    def __init__(self, feed: EventFeed, jobs: SeenJobs, sight: Sight, read: Callable[[str], Job]) -> None:
        # no state of its own: neither a reader nor events
        self._feed = feed
        self._seen = jobs
        self._sight = sight
        self._job = read

    def position(self) -> str:
        """The id of the newest event."""
        return self._feed.position()

    def follow(self, after: str | None = None, wait_seconds: float = 1.0) -> Iterator[list[JobEvent]]:
        """As ``EventFeed.follow``, without the steps of other hosts. The status is that of the visible part."""
        return (self._shown(turn) for turn in self._feed.follow(after, wait_seconds))

    def _shown(self, turn: list[JobEvent]) -> list[JobEvent]:
        jobs: dict[str, Job | None] = {}
        return [shown for news in turn if (shown := self._part(news, jobs)) is not None]

    def _part(self, news: JobEvent, jobs: dict[str, Job | None]) -> JobEvent | None:
        if news.job_id not in jobs:
            try:
                jobs[news.job_id] = self._seen.get(news.job_id, 0)
            except JobNotFound:
                jobs[news.job_id] = None
        job = jobs[news.job_id]
        if job is None:
            return None
        is_whole = not self._sight.is_part(job)
        events = self._sight.events(news.events, all_of_job=is_whole)
        if not events:
            return None
        return replace(news, events=events, status=news.status if is_whole else job.status)
