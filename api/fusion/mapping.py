"""From jobs to the statuses of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.fusion.configuration_json import document
from api.fusion.run_state import RunState, run_state
from api.fusion.runs import Started
from api.fusion.series import run_id_of
from api.fusion.times import micros
from jobqueue.model.configuration import Configuration
from jobqueue.model.external_run import CONFIG, END, RESULT, START, ExternalRun
from jobqueue.model.job import Execution, Job
from jobqueue.model.timestamps import to_iso

Document = dict[str, Any]


def status(job: Job) -> Document:
    """A run: state, jobId, jobConfig, hostname, result, and once it has ended startTime, endTime, duration (ms)."""
    state, execution = run_state(job), job.executions[0]
    if job.external_run is not None:
        config, result = job.external_run.reported.get(CONFIG, {}), job.external_run.reported.get(RESULT, {})
    else:
        config, result = job.data if job.request is None else job.request, _result(job, state)
    document = _document(state, run_id_of(job), config, execution.hostname, result)
    if state.is_final:
        document |= _times(job, execution, job.external_run)
    return document


def starting(started: Started) -> Document:
    """A run that was accepted just now."""
    configuration = started.configuration
    result = {"jobConfigId": configuration.id, "jobRunId": started.run_id}
    return _document(RunState.STARTING, started.run_id, document(configuration), "", result)


#: A run's state -> what Fusion's Jobs API calls it.
_RESOURCE_STATUSES = {
    RunState.FINISHED: "success",
    RunState.ERROR: "failed",
    RunState.CANCELLED: "aborted",
    RunState.SKIPPED: "skipped",
    RunState.CANCELLING: "aborting",
}


def resource_status(state: str) -> str:
    """The Jobs API's word for the state of a run: an active one is running."""
    return _RESOURCE_STATUSES.get(RunState(state), "running")


def run_times(job: Job) -> Document:
    """startTime, and endTime once the run has ended."""
    execution = job.executions[0]
    times = {"startTime": to_iso(execution.started or job.created)}
    return times | ({"endTime": to_iso(execution.finished or job.updated)} if job.status.is_final else {})


def idle(configuration: Configuration) -> Document:
    """A configuration that never ran, so without a run id."""
    return _document(RunState.IDLE, "", document(configuration), "", {"jobConfigId": configuration.id})


def _document(
    state: RunState, run_id: str, config: Mapping[str, Any], host: str, result: Mapping[str, Any]
) -> Document:
    return {
        "state": state.value,
        "jobId": run_id,
        "jobConfig": dict(config),
        # names that begin with an underscore are not hosts
        "hostname": "" if host.startswith("_") else host,
        "result": dict(result),
    }


def _result(job: Job, state: RunState) -> Document:
    """What the operation returned beside the run's names; why it ended so, if not well."""
    names: Document = {"jobRunId": run_id_of(job)}
    config = job.data if job.request is None else job.request
    if "id" in config:
        names = {"jobConfigId": config["id"], **names}
    execution, returned = job.executions[0], job.result
    if isinstance(returned, Mapping):
        names |= {name: value for name, value in returned.items() if name not in names}
    elif returned is not None:
        names["result"] = returned
    if state is RunState.ERROR:
        names["error"] = job.error
        if execution.failure:
            names["details"] = dict(execution.failure)
    elif state in (RunState.SKIPPED, RunState.CANCELLED) and execution.events and execution.events[-1].note:
        names["message"] = execution.events[-1].note
    return names


def _times(job: Job, execution: Execution, external_run: ExternalRun | None) -> Document:
    """The driver's own times rule for a run elsewhere. The duration is that between the times as they are shown.

    The driver's own duration is used only if it did not report both times.
    """
    reported = external_run.reported if external_run else {}
    start = reported.get(START) or to_iso(execution.started or job.created)
    end = reported.get(END) or to_iso(execution.finished)
    duration = reported.get("duration")
    if duration is None or (START in reported and END in reported):
        duration = max(0, micros(end) // 1000 - micros(start) // 1000)
    return {"startTime": start, "endTime": end, "duration": duration}
