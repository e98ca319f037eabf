"""Pages of jobs found in the ledger's indexes, in steps that never block Redis, and with a bound on all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

from jobqueue.errors import InvalidInput
from jobqueue.ledger.scripts import Argument, Scripts
from jobqueue.model.filter import JobFilter
from jobqueue.model.states import JobStatus

#: Index entries that one step of a multi-dimension listing examines; keeps Redis responsive (about 1 ms).
SCAN_STEP = 1000
#: Index entries that one listing examines at most (10 to 20 ms of Redis, in steps).
LOOKED_AT = 10_000
#: The newest jobs, which a search by id prefix covers.
LOOKED_THROUGH = 10_000
#: The range of creation times that a job can have: a forged index entry may hold any number.
_FIRST, _LAST = 0, 9_000_000_000_000_000
_STATUSES = tuple(map(str, JobStatus))
#: The statuses of jobs that have not ended. Any dimension but ``all:`` has one index for them, named like the first;
#: the other holds jobs that agents of versions before have started.
_UNFINISHED = (str(JobStatus.SUBMITTED), str(JobStatus.PROCESSING))
_Plan = list[tuple[str, tuple[tuple[str, ...], ...]]]
#: What a filter names: the dimensions of which a job must have one. No job has two of them.
_Condition = tuple[str, ...]


@dataclass(frozen=True)
class FoundJobs:
    """The ids of one page, newest first.

    ``total``: number of all matches, or with ``is_least`` of those that were counted. ``cursor``: creation time at
    which the next page begins; None after the last page. A page with a cursor may have fewer jobs than its limit: the
    others are among older jobs than this page examined.
    """

    ids: list[str]
    total: int
    is_least: bool = False
    cursor: int | None = None


@dataclass
class _Walk:
    """A walk through one index, newest first, which keeps the jobs that are in all indexes of an alternative."""

    index: str
    alternatives: tuple[tuple[str, ...], ...]
    #: The creation time down to which the index has been walked.
    reached: int
    is_done: bool = False

    def arguments(self) -> tuple[str, ...]:
        return (self.index, *(text for others in self.alternatives for text in (*others, "")))


@dataclass
class _Search:
    """What the walks of one range of creation times have found."""

    walks: list[_Walk]
    matches: dict[str, int] = field(default_factory=dict)

    @property
    def frontier(self) -> int | None:
        """The creation time down to which every match is known; None once all are."""
        return max((walk.reached for walk in self.walks if not walk.is_done), default=None)

    def known_matches(self) -> list[tuple[int, str]]:
        """The matches down to the frontier, newest first."""
        frontier = self.frontier
        newest_first = ((created, job_id) for job_id, created in self.matches.items())
        return sorted((pair for pair in newest_first if frontier is None or pair[0] >= frontier), reverse=True)


class JobIndex:
    """Finds pages of jobs.

    ``lua/include/index.lua`` describes the indexes. A broadcast is listed by host in indexes that do not hold its
    status, so a filter by host searches for jobs of one host and for broadcasts. Jobs that have not ended are in one
    index of a dimension, so a filter by one of their two statuses also searches the index of all jobs of that status.
    """

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    def find(self, job_filter: JobFilter, *, counts_all: bool) -> FoundJobs:
        """One page. Raises ``InvalidInput`` for an offset that reaches beyond what one listing examines.

        By status, or by final statuses and one other dimension, or by one dimension alone, one call finds the page, and
        ``total`` is exact. Any other filter examines at most ``LOOKED_AT`` index entries. Unless ``counts_all``, it
        counts the matches on the page and one more only.
        """
        statuses = tuple(map(str, job_filter.statuses))
        named = _named(job_filter)
        if job_filter.hostname is None and (not named or (len(named) == 1 and _are_indexed(statuses))):
            return self._list(job_filter, _with_statuses(named[0] if named else ("all:",), statuses))
        if job_filter.hostname is not None and not named and set(statuses) == set(_STATUSES):
            alone = _with_statuses((f"host:{job_filter.hostname}",), statuses)
            return self._list(job_filter, [*alone, _broadcasts(job_filter)])
        return self._intersect(job_filter, statuses, counts_all=counts_all)

    def starting(self, prefix: str) -> tuple[list[str], bool]:
        """Ids that begin with ``prefix`` among the newest ``LOOKED_THROUGH`` jobs; and whether that was all."""
        job_ids: list[str] = []
        cursor: Argument = ""
        indexes = _with_statuses(("all:",), _STATUSES)
        for _ in range(LOOKED_THROUGH // SCAN_STEP):
            _, ids, cursor = self._scripts.call("list_jobs", "-inf", "+inf", cursor, 0, SCAN_STEP, *indexes)
            job_ids += [job_id for job_id in ids if job_id.startswith(prefix)]
            if len(ids) < SCAN_STEP:
                return job_ids, True
        return job_ids, False

    def sizes(self, indexes: Sequence[str]) -> list[int]:
        """The number of jobs in each index."""
        return list(self._scripts.call("count_indexes", *indexes))

    def _list(self, job_filter: JobFilter, indexes: Sequence[str]) -> FoundJobs:
        low = job_filter.created_after if job_filter.created_after is not None else "-inf"
        high = job_filter.created_before if job_filter.created_before is not None else "+inf"
        cursor = job_filter.cursor if job_filter.cursor is not None else ""
        total, ids, last = self._scripts.call(
            "list_jobs", low, high, cursor, job_filter.offset, job_filter.limit, *indexes
        )
        return FoundJobs(ids, total, cursor=int(last) if last and len(ids) == job_filter.limit else None)

    def _intersect(self, job_filter: JobFilter, statuses: tuple[str, ...], *, counts_all: bool) -> FoundJobs:
        low = _FIRST if job_filter.created_after is None else job_filter.created_after
        top = _LAST if job_filter.created_before is None else job_filter.created_before
        high = top if job_filter.cursor is None else min(top, job_filter.cursor - 1)
        plan = self._plan(job_filter, statuses)
        reach = job_filter.offset + job_filter.limit
        search = _Search([_Walk(index, others, high + 1) for index, others in plan])
        budget = self._walk(search, low, LOOKED_AT, None if counts_all else reach)
        pairs = search.known_matches()
        if job_filter.offset and len(pairs) < reach and search.frontier is not None:
            raise InvalidInput.of(
                "offset",
                f"{job_filter.offset} is too far for this filter: one request examines {LOOKED_AT} jobs. Leave it out, "
                "and pass next_cursor of each page to get the next one.",
            )
        before = 0
        is_counted = search.frontier is None
        if high < top and counts_all:  # the matches on the pages before
            preceding = _Search([_Walk(index, others, top + 1) for index, others in plan])
            self._walk(preceding, max(low, high + 1), budget, None)
            before, is_counted = len(preceding.matches), is_counted and preceding.frontier is None
        page = pairs[job_filter.offset : reach]
        cursor = page[-1][0] if len(page) == job_filter.limit else search.frontier
        return FoundJobs(
            [job_id for _, job_id in page],
            before + len(search.matches if counts_all else pairs),
            not is_counted if counts_all else len(pairs) > job_filter.offset + len(page) or search.frontier is not None,
            cursor,
        )

    def _walk(self, search: _Search, low: int, budget: int, enough: int | None) -> int:
        """Walk down to ``low``, or until more than ``enough`` matches are known; returns what is left of the budget."""
        while budget > 0:
            frontier = search.frontier
            if frontier is None or (enough is not None and len(search.known_matches()) > enough):
                break
            walk = next(walk for walk in search.walks if not walk.is_done and walk.reached == frontier)
            start, step = f"({walk.reached}", min(SCAN_STEP, budget)
            flat, next_start, looked_at = self._scripts.call("intersect_indexes", low, start, step, *walk.arguments())
            search.matches.update(zip(flat[::2], (int(float(time)) for time in flat[1::2]), strict=True))
            walk.is_done = not next_start
            walk.reached = int(float(next_start[1:])) if next_start else walk.reached
            budget -= max(1, looked_at)
        return budget

    def _plan(self, job_filter: JobFilter, statuses: tuple[str, ...]) -> _Plan:
        """The indexes to walk, each with the alternatives of others that must hold: the smallest is walked."""
        named = _named(job_filter)
        if job_filter.hostname is None:
            return self._by_status(named, statuses)
        alone = self._by_status([(f"host:{job_filter.hostname}",), *named], statuses)
        broadcasts = _broadcasts(job_filter)
        groups = self._by_status(named, statuses)
        sizes = self.sizes([broadcasts, *(index for index, _ in groups)])
        if sizes[0] == 0:
            return alone
        groups = [walk for walk, size in zip(groups, sizes[1:], strict=True) if size]
        if sizes[0] <= sum(sizes[1:]):
            return [*alone, (broadcasts, tuple((index, *other) for index, others in groups for other in others))]
        return [*alone, *((index, tuple((*other, broadcasts) for other in others)) for index, others in groups)]

    def _by_status(self, conditions: list[_Condition], statuses: tuple[str, ...]) -> _Plan:
        """The walks that find the jobs that meet these conditions, through the smallest indexes that hold them."""
        if not conditions:
            return [(f"all:|{status}", ((),)) for status in statuses]
        final = [status for status in statuses if status not in _UNFINISHED]
        running = [status for status in statuses if status in _UNFINISHED]
        names = [name for dims in conditions for name in _with_statuses(dims, (*final, *_UNFINISHED))]
        exact = [f"all:|{status}" for status in running] if len(running) == 1 else []
        names += exact
        sizes = dict(zip(names, self.sizes(names), strict=True))
        first, *others = sorted(conditions, key=lambda dims: sum(sizes[name] for name in _with_statuses(dims, final)))
        walks: _Plan = []
        for status in final:
            held = [[name for name in _with_statuses(dims, (status,)) if sizes[name]] for dims in (first, *others)]
            walks += [(index, tuple(product(*held[1:]))) for index in held[0] if all(held)]
        if running:
            lists = [[name for name in _with_statuses(dims, _UNFINISHED) if sizes[name]] for dims in conditions]
            # each is a choice of indexes that hold all jobs of one condition
            choices = sorted(
                [*lists, *([name] for name in exact)], key=lambda indexes: sum(sizes[name] for name in indexes)
            )
            walks += [(index, tuple(product(*choices[1:]))) for index in choices[0]]
        return walks


def _named(job_filter: JobFilter) -> list[_Condition]:
    """What the filter names, besides status, time and host."""
    named: list[_Condition] = []
    if job_filter.operation is not None:
        named.append((f"op:{job_filter.operation}", f"step:{job_filter.operation}"))
    if job_filter.target is not None:
        named.append((f"target:{job_filter.target}",))
    if job_filter.tag is not None:
        named.append((f"tag:{job_filter.tag[0]}:{job_filter.tag[1]}",))
    if job_filter.group is not None:
        named.append((f"group:{job_filter.group}",))
    return named


def _are_indexed(statuses: Sequence[str]) -> bool:
    """Whether any dimension has indexes of exactly these statuses."""
    return sum(status in statuses for status in _UNFINISHED) != 1


def _with_statuses(dimensions: _Condition, statuses: Sequence[str]) -> list[str]:
    return [f"{dimension}|{status}" for dimension in dimensions for status in statuses]


def _broadcasts(job_filter: JobFilter) -> str:
    return f"broadcast:{job_filter.hostname}|"
