"""From the model to the JSON of Ray's Jobs API."""

from __future__ import annotations

from typing import Any

from api.ray import entrypoint, messages
from api.ray.status import ENTRYPOINT, status_of
from jobqueue.model.job import Execution, Job

Document = dict[str, Any]

#: Where a job came from, if from here.
RAY = "ray"
YUANRONG = "openyuanrong"


def name_of(job: Job) -> str:
    """The job's submission id; its job id if it has none. Either leads to it."""
    return job.alias or job.id


def details(job: Job, *, yuanrong: bool = False) -> Document:
    """A job as Ray's JobDetails. openYuanrong's documents type times as strings, and know no null where text goes."""
    started, ended = _started(job), _ended(job)
    execution = _driver(job)
    is_entrypoint = job.operation == ENTRYPOINT
    kind = messages.error_type(job)
    return {
        "type": "SUBMISSION",
        "job_id": job.id,
        "submission_id": name_of(job),
        "driver_info": _driver_info(job, execution),
        "status": status_of(job).value,
        "entrypoint": entrypoint.text(job),
        "message": messages.message(job),
        "error_type": kind or "" if yuanrong else kind,
        "start_time": str(started) if yuanrong else started,
        "end_time": str(ended) if yuanrong and ended is not None else ended,
        "metadata": dict(job.data.get("metadata") or {}) if is_entrypoint else dict(job.tags),
        "runtime_env": dict(job.data.get("runtime_env") or {}) if is_entrypoint else {},
        # agents serve no HTTP
        "driver_agent_http_address": "" if yuanrong else None,
        "driver_node_id": execution.hostname if execution else ("" if yuanrong else None),
        "driver_exit_code": messages.exit_code(job),
    }


def _driver(job: Job) -> Execution | None:
    """The execution that stands for the job: the first that an agent has taken up."""
    return next((x for x in job.executions if x.hostname and x.started), None)


def _driver_info(job: Job, execution: Execution | None) -> Document | None:
    if execution is None:
        return None
    pid, address = execution.info.get("pid"), execution.info.get("node_ip_address")
    if pid is None and address is None:
        return None  # nothing runs, or nothing was told
    return {
        "id": name_of(job),
        "node_ip_address": str(address if address is not None else ""),
        "pid": str(pid if pid is not None else ""),
    }


def _started(job: Job) -> int:
    """Milliseconds. Ray gives a time before anything has started, too: that of the submission."""
    return min((x.started for x in job.executions if x.started), default=job.created) // 1000


def _ended(job: Job) -> int | None:
    if not job.status.is_final:
        return None
    return (max((x.finished for x in job.executions), default=0) or job.updated) // 1000
