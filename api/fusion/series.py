"""Series of runs: which runs belong together, and the groups and tags by which they are found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.errors import JobNotFound
from jobqueue.ledger.jobs import Jobs
from jobqueue.model.filter import MAX_LIMIT, JobFilter
from jobqueue.model.job import Job
from jobqueue.model.principal import Principal
from jobqueue.model.states import JobStatus

ORIGIN = "fusion"
#: Groups, which only this facade puts jobs on: all runs, and those that were started here.
ALL_RUNS = "fusion.run"
STARTED_RUNS = "fusion.started"
#: Tags by which people find runs with GET /job. Any caller may give any job the same tags, so nothing here reads them.
RUN_TAG = ("fusion", "run")
REPORTED_TAG = ("fusion", "reported")
CONFIGURATION_TAG = "fusion.id"
TYPE_TAG = "fusion.type"
#: The name that an external driver gives its run.
NAME_TAG = "fusion.reported"

_LONGEST_TAG = 256
_OWNER_LENGTH = 32


@dataclass(frozen=True)
class Series:
    """Runs that belong together: at most one of them is active, and each continues where the previous one ended.

    All runs of a stored configuration form one series, independent of the caller. Inline configurations form separate
    series per caller: their id is chosen by the caller and proves nothing.
    """

    group: str
    exclusive: str

    @classmethod
    def stored(cls, config_id: str) -> Series:
        """The runs of a stored configuration."""
        return cls(f"fusion.config:{config_id}", exclusive_name(config_id))

    @classmethod
    def inline(cls, config_id: str, principal: Principal) -> Series:
        """The runs that ``principal`` starts with configurations of this id."""
        owner = owner_of(principal)
        return cls(f"fusion.inline:{owner}:{config_id}", f"fusion-inline:{owner}:{config_id}")

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of each run in it."""
        return (ALL_RUNS, STARTED_RUNS, self.group)


def exclusive_name(config_id: str) -> str:
    """The name that a run of a stored configuration holds while it has not ended."""
    return f"fusion:{config_id}"


def members(jobs: Jobs, series: Series, status: JobStatus | None, created_after: int | None) -> Iterator[Job]:
    """The runs of ``series`` in ``status`` (None: in any), the newest first."""
    cursor: int | None = None
    while True:
        page = jobs.page(
            JobFilter(status=status, group=series.group, created_after=created_after, limit=MAX_LIMIT, cursor=cursor)
        )
        # groups in Redis may have been altered; the job's own record is authoritative
        yield from (job for job in page.items if series.group in job.groups)
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def find(jobs: Jobs, run_id: str) -> Job:
    """A run that agents run, by its id. Raises ``JobNotFound``."""
    job = jobs.named(run_id)
    if job.origin != ORIGIN:
        raise JobNotFound(f"Job {run_id} is not a run of a configuration; `jobqueue job show {job.id}` shows it.")
    return job


def named(jobs: Jobs, run_id: str) -> Job | None:
    """The same, or None if it does not exist."""
    try:
        return find(jobs, run_id)
    except JobNotFound:
        return None


def run_id_of(job: Job) -> str:
    """The id of the run that ``job`` is; one that was submitted again by POST /job/{id}/retry goes by the job's own.

    What a driver elsewhere calls its run is an id among the runs of its owner only.
    """
    return (job.external_run.name if job.external_run is not None else "") or job.alias or job.id


def owner_of(principal: Principal) -> str:
    """Distinguishes the run names of ``principal`` from those of others. A digest, so that it fits into keys."""
    return hashlib.sha256(principal.identity.encode()).hexdigest()[:_OWNER_LENGTH]


def reported_group(name: str) -> str:
    """The group of the runs that external drivers report as ``name``."""
    return f"fusion.reported:{name}"


def tags(config: Mapping[str, Any], kind: tuple[str, str] = RUN_TAG) -> dict[str, str]:
    """What fits into tags: a driver elsewhere may have any id and type."""
    pairs = dict([kind])
    for tag, name in ((CONFIGURATION_TAG, "id"), (TYPE_TAG, "type")):
        value = config.get(name)
        if isinstance(value, str) and len(value) <= _LONGEST_TAG and value.isprintable():
            pairs[tag] = value
    return pairs
