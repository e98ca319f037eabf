"""The list of submissions that the dashboard shows."""

from __future__ import annotations

from api.facade_runs import Run, RunList
from api.ray.mapping import name_of
from api.ray.status import ENTRYPOINT, status_of
from jobqueue.model.filter import JobFilter
from jobqueue.model.job import Job


def describe(job: Job) -> Run:
    """A submission and its entrypoint."""
    return Run(job, name_of(job), status_of(job).value, str(job.data.get("entrypoint", "")))


RUNS = RunList(
    key="ray",
    title="Ray Jobs",
    filter=JobFilter(operation=ENTRYPOINT),
    describe=describe,
    name_column="Submission id",
    summary_column="Entrypoint",
    empty=("Nothing has been submitted through Ray's Jobs API yet."),
)
