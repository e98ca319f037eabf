"""Ray's job fields besides the status: message, error type, exit code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.ray.status import NODE_ID_LABEL, SETTING_UP, WAITING, RayStatus, phase_of, status_of
from jobqueue.entrypoints.failure import COMMAND_FAILED, SETUP_FAILED, START_FAILED, UNSCHEDULABLE
from jobqueue.model.job import Execution, Job
from jobqueue.model.needs import HOSTNAME_LABEL
from jobqueue.model.states import FAILURES, ExecutionState
from jobqueue.model.target import UNPLACED

#: Kinds of error, by Ray's names.
DIED = "JOB_SUPERVISOR_ACTOR_DIED"
NOT_STARTED = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
UNKNOWN = "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE"

_MESSAGES: Mapping[RayStatus, str] = {
    RayStatus.PENDING: "Job has not started yet.",
    RayStatus.RUNNING: "Job is currently running.",
    RayStatus.STOPPED: "Job was intentionally stopped.",
    RayStatus.SUCCEEDED: "Job finished successfully.",
}
SETUP_FAILURE = "RUNTIME_ENV_SETUP_FAILURE"
COMMAND_ERROR = "JOB_ENTRYPOINT_COMMAND_ERROR"
#: Those that the agent finds out, by its own names. Agents of version 0.1 report Ray's.
_AGENTS_KINDS: Mapping[str, str] = {
    SETUP_FAILED: SETUP_FAILURE,
    UNSCHEDULABLE: "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE",
    START_FAILED: "JOB_ENTRYPOINT_COMMAND_START_ERROR",
    COMMAND_FAILED: COMMAND_ERROR,
}
_KINDS: Mapping[ExecutionState, str] = {ExecutionState.LOST: DIED, ExecutionState.EXPIRED: NOT_STARTED}


def message(job: Job) -> str:
    """A sentence on where the job stands."""
    status = status_of(job)
    if status is RayStatus.FAILED:
        return _failure(job)
    text = _MESSAGES[status]
    if job.cancel_requested and not job.status.is_final:
        return f"{text} It is being stopped."
    if status is RayStatus.PENDING:
        return f"{text}{_reason(job)}"
    if skipped := next((execution for execution in job.executions if execution.state is ExecutionState.SKIPPED), None):
        return f"{text} It was skipped on {skipped.hostname}: {_note(skipped)}."
    return text


def error_type(job: Job) -> str | None:
    """The type of error that ended the job; None without an error."""
    failed = _first_failed(job)
    if failed is None or not job.status.is_final:
        return None
    return _kind(failed.failure or {}) or _KINDS.get(failed.state, UNKNOWN)


def exit_code(job: Job) -> int | None:
    """The command's exit code; None before its end, where there was none, and where it was stopped."""
    if not job.status.is_final or job.is_broadcast:
        return None
    execution = job.executions[0]
    report: Any = None
    if execution.state is ExecutionState.COMPLETED:
        report = execution.data
    elif execution.state is ExecutionState.FAILED:
        report = execution.failure
    code = report.get("exit_code") if isinstance(report, Mapping) else None
    return code if isinstance(code, int) else None


def _failure(job: Job) -> str:
    failed = _first_failed(job)
    if job.is_broadcast or failed is None:
        return job.error or "Job failed."
    failure = failed.failure or {}
    message = failure.get("message")
    if isinstance(message, str):
        return _worded(failure, message)
    if failed.state is ExecutionState.LOST:
        return (
            f"Job was lost: its agent {failed.hostname} died, or was cut off, while the job ran. "
            "How far it came is not known."
        )
    if failed.state is ExecutionState.EXPIRED:
        return "Job expired: no agent started it before its deadline."
    return f"Job failed: {failed.error}" if failed.error else "Job failed."


def _kind(failure: Mapping[str, Any]) -> str | None:
    """Ray's name for the kind of error that the agent reports; None if it reports none."""
    error_type = failure.get("error_type")
    return _AGENTS_KINDS.get(error_type, error_type) if isinstance(error_type, str) else None


def _worded(failure: Mapping[str, Any], message: str) -> str:
    if _kind(failure) == SETUP_FAILURE:
        return _of_setup(failure, message)
    if failure.get("error_type") == COMMAND_FAILED:
        ending = f"Job entrypoint command failed with exit code {failure.get('exit_code')}"
        output = failure.get("output")
        return (
            f"{ending}, last available logs (truncated to 20,000 chars):\n{output}"
            if output
            else f"{ending}. No logs available."
        )
    return message


def _of_setup(failure: Mapping[str, Any], message: str) -> str:
    """Scripts recognise a failed or timed-out set-up by Ray's wording."""
    timeout = "Timeout: " if failure.get("timed_out") else ""
    return f"runtime_env setup failed: Failed to set up runtime environment. {timeout}{message}"


def _first_failed(job: Job) -> Execution | None:
    return next((execution for execution in job.executions if execution.state in FAILURES), None)


def _reason(job: Job) -> str:
    """What a job that has not started is waiting for, as reported by its agent."""
    for execution in job.executions:
        if execution.slot == UNPLACED and job.needs is not None:
            needs = job.needs.text.replace(HOSTNAME_LABEL, NODE_ID_LABEL)
            return (
                f" It is waiting for resources that no live agent has: {needs}. It starts as soon as an agent has them."
            )
        phase = phase_of(execution)
        if phase == WAITING:
            return f" It is waiting for resources (CPUs or memory) on {execution.hostname}."
        if phase == SETTING_UP:
            return f" Its runtime environment is being set up on {execution.hostname}."
    return ""


def _note(skipped: Execution) -> str:
    note = next((event.note for event in reversed(skipped.events) if event.event == "skipped"), "")
    return note or skipped.error or "not needed there"
