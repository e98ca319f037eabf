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
#: Fields of Ray's that openYuanrong does not document.
_NOT_YUANRONGS = ("job_id", "message")


def name_of(job: Job) -> str:
    """The job's submission id; its job id if it has none. Either leads to it."""
    return job.alias or job.id


def details(job: Job) -> Document:
    """A job as Ray's JobDetails."""
    execution = _driver(job)
    is_entrypoint = job.operation == ENTRYPOINT
    return {
        "type": "SUBMISSION",
        "job_id": job.id,
        "submission_id": name_of(job),
        "driver_info": _driver_info(job, execution),
        "status": status_of(job).value,
        "entrypoint": entrypoint.text(job),
        "message": messages.message(job),
        "error_type": messages.error_type(job),
        "start_time": _started(job),
        "end_time": _ended(job),
        "metadata": dict(job.data.get("metadata") or {}) if is_entrypoint else dict(job.tags),
        "runtime_env": dict(job.data.get("runtime_env") or {}) if is_entrypoint else {},
        # agents serve no HTTP
        "driver_agent_http_address": None,
        "driver_node_id": execution.hostname if execution else None,
        "driver_exit_code": messages.exit_code(job),
    }


def details_for_yuanrong(job: Job) -> Document:
    """A job with the fields that openYuanrong documents, as its client takes no others.

    Times are seconds in texts, as in its examples; other texts are never null.
    """
    document = details(job)
    for name in _NOT_YUANRONGS:
        del document[name]
    for name in ("start_time", "end_time"):
        if document[name] is not None:
            document[name] = str(document[name] // 1000)
    for name in ("error_type", "driver_agent_http_address", "driver_node_id"):
        document[name] = document[name] or ""
    return document


def listed(job: Job) -> Document:
    """A job in the list that both clients ask for at the same path: each finds its own jobs in its own shape.

    Ray's jobs are without the one field that openYuanrong's client does not take and Ray's does without.
    """
    if job.origin == YUANRONG:
        return details_for_yuanrong(job)
    document = details(job)
    del document["job_id"]
    return document


def _driver(job: Job) -> Execution | None:
    """The execution that stands for the job: the first that an agent has taken up."""
    return next((execution for execution in job.executions if execution.hostname and execution.started), None)


def _driver_info(job: Job, execution: Execution | None) -> Document:
    """Unknown values are empty: openYuanrong's client accepts no null here, and Ray's accepts both."""
    info = execution.info if execution is not None else {}
    address, pid = info.get("node_ip_address"), info.get("pid")
    return {
        "id": name_of(job),
        "node_ip_address": str(address if address is not None else ""),
        "pid": str(pid if pid is not None else ""),
    }


def _started(job: Job) -> int:
    """Milliseconds. Ray gives a time before anything has started, too: that of the submission."""
    return min((execution.started for execution in job.executions if execution.started), default=job.created) // 1000


def _ended(job: Job) -> int | None:
    if not job.status.is_final:
        return None
    return (max((execution.finished for execution in job.executions), default=0) or job.updated) // 1000
