"""The query of the list of jobs: filters, a range of time, the size of a page, where it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from api import validation
from api.dashboard import pages, query
from api.dashboard.sorting import Column, Order, order_of
from api.native import requests
from api.native.job_query_schemas import JobQuery
from jobqueue.model.filter import JobFilter
from jobqueue.model.job_search import JobSearch
from jobqueue.model.job_summary import JobSummary
from jobqueue.model.timestamps import to_iso

#: Jobs on a page; the first is the default.
SIZES = (25, 50, 100)
#: Ranges of time that end now: name -> seconds.
RANGES = {"1h": 3600, "24h": 86_400, "7d": 7 * 86_400}
#: The form's fields besides status; each is a parameter of the API, too.
FILTERS = (
    *("q", "operation", "target", "hostname", "tag", "submitted_by", "error"),
    *("created_after", "created_before"),
)
_LONGEST = 512
_MOST_OFFSET = 1_000_000_000
_MICROS = 1_000_000

_query = JobQuery()


def _agents(job: JobSummary) -> int | None:
    return job.agents if job.is_broadcast else 1


COLUMNS: dict[str, Column[JobSummary]] = {
    "job": Column(lambda job: (job.alias or job.id).casefold()),
    "status": Column(lambda job: str(job.status)),
    "title": Column(lambda job: (job.title or job.operation).casefold()),
    "target": Column(lambda job: job.target.casefold()),
    "agents": Column(_agents, is_largest_first=True),
    "submitted": Column(lambda job: job.created, is_largest_first=True),
    "took": Column(lambda job: job.updated - job.created if job.status.is_final else None, is_largest_first=True),
}


@dataclass(frozen=True)
class JobListQuery:
    """``filters`` has every field of the form and ``status``, empty if it is not given. ``within`` is a name in
    ``RANGES`` or empty; times in ``filters`` take precedence. ``cursor`` continues a search, ``offset`` any other list.
    """

    filters: dict[str, str]
    within: str
    size: int
    offset: int
    cursor: str
    order: Order

    @property
    def is_lookup(self) -> bool:
        """Whether it asks for one job, by the search field at the top of each page."""
        filter_values = (value for name, value in self.filters.items() if name != "q")
        return bool(self.filters["q"]) and not any(filter_values) and not self.within and not self.cursor

    def parameters(self) -> dict[str, str]:
        """The filters as parameters of the API."""
        filters = {name: value for name, value in self.filters.items() if value}
        if self.within and not ({"created_after", "created_before"} & filters.keys()):
            filters["created_after"] = to_iso(pages.now() - RANGES[self.within] * _MICROS)
        return filters

    def parsed(self) -> tuple[JobFilter, JobSearch]:
        """The filter and the search that the API would read from the same parameters; raises ``InvalidInput``."""
        cursor = {"cursor": self.cursor} if self.cursor else {}
        loaded = validation.load(_query, {**self.parameters(), **cursor, "limit": str(self.size)})
        # a search has no offset: its pages follow one another by cursor
        search = requests.job_search(loaded)
        return replace(requests.job_filter(loaded), offset=self.offset if search.is_empty else 0), search


def check(parameters: Mapping[str, str]) -> None:
    """Raise ``InvalidInput`` for parameters that the API would refuse."""
    loaded = validation.load(_query, dict(parameters))
    requests.job_filter(loaded)
    requests.job_search(loaded)


def read(longest_cursor: int = 100) -> JobListQuery:
    """The query of this request; unknown parameters are ignored, as on other pages."""
    within = query.text("within")
    size = query.number("size", SIZES[0], max(SIZES))
    filters = {name: query.text(name, _LONGEST) for name in ("status", *FILTERS)}
    return JobListQuery(
        filters,
        within if within in RANGES and not (filters["created_after"] or filters["created_before"]) else "",
        size if size in SIZES else SIZES[0],
        query.number("offset", 0, _MOST_OFFSET),
        query.text("cursor", longest_cursor),
        order_of(COLUMNS),
    )
