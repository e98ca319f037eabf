"""The list of runs that the dashboard shows."""

from __future__ import annotations

from api.facade_runs import Run, RunList
from api.fusion.run_state import run_state
from api.fusion.series import ALL_RUNS, run_id_of
from jobqueue.model.filter import JobFilter
from jobqueue.model.job import Job


def describe(job: Job) -> Run:
    """A run. Its configuration comes from the job's record: any caller can give a job any tags."""
    configuration = job.data if job.request is None else job.request
    parts, kind = (str(configuration.get(name, "")) for name in ("id", "type"))
    if job.external_run is not None and job.external_run.name:
        parts = f"{parts} (reported by {job.submitted_by or 'a driver'})".strip()
    return Run(job, run_id_of(job), run_state(job).value, parts, kind)


RUNS = RunList(
    key="fusion",
    title="Fusion",
    filter=JobFilter(group=ALL_RUNS),
    describe=describe,
    name_column="Run",
    summary_column="Configuration",
    kind_column="Type",
    empty="No configuration has been run yet.",
)
