"""GET /api/jobs/{id}: statuses, messages, kinds of error, exit codes, times; and jobs of other kinds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from api.ray.mapping import details, details_for_yuanrong
from jobqueue.model.job import Job
from jobqueue.model.needs import Needs
from jobqueue.model.states import ExecutionState, JobStatus
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import a_job
from tests.unit.api.ray.fakes import CREATED, RayServices, an_entrypoint, an_execution

S = ExecutionState
RUNS = {"phase": "running", "pid": 4711, "node_ip_address": "10.0.0.1"}
EXITED = {
    "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR",
    "exit_code": 3,
    "message": "Job entrypoint command failed with exit code 3, last available logs (truncated to 20,000 chars):\nno",
}


def test_every_field(ask: Ask, services: RayServices) -> None:
    data = {"entrypoint": "python script.py", "metadata": {"team": "web"}, "runtime_env": {"env_vars": {"A": "1"}}}
    job = an_entrypoint(data=data, execution={"info": RUNS, "data": {"exit_code": 0}}, tags={"team": "web"})
    services.store[job.id] = job
    assert ask("GET", "/api/jobs/raysubmit_1").get_json() == {
        "type": "SUBMISSION",
        "job_id": job.id,
        "submission_id": "raysubmit_1",
        "driver_info": {"id": "raysubmit_1", "node_ip_address": "10.0.0.1", "pid": "4711"},
        "status": "SUCCEEDED",
        "entrypoint": "python script.py",
        "message": "Job finished successfully.",
        "error_type": None,
        "start_time": CREATED // 1000 + 1000,
        "end_time": CREATED // 1000 + 1045,
        "metadata": {"team": "web"},
        "runtime_env": {"env_vars": {"A": "1"}},
        "driver_agent_http_address": None,
        "driver_node_id": "web1",
        "driver_exit_code": 0,
    }
    assert ask("GET", f"/api/jobs/{job.id}").get_json()["submission_id"] == "raysubmit_1"


#: name: (job, status, message, error_type, exit code)
CASES: dict[str, tuple[Job, str, str, str | None, int | None]] = {
    "queued": (an_entrypoint(S.SUBMITTED), "PENDING", "Job has not started yet.", None, None),
    "received": (an_entrypoint(S.ACKNOWLEDGED), "PENDING", "Job has not started yet.", None, None),
    "claimed": (an_entrypoint(S.STARTED), "PENDING", "Job has not started yet.", None, None),
    "waits for CPUs": (
        an_entrypoint(S.STARTED, execution={"info": {"phase": "waiting"}}),
        "PENDING",
        "Job has not started yet. It is waiting for resources (CPUs or memory) on web1.",
        None,
        None,
    ),
    "waits for an agent": (
        an_entrypoint(S.SUBMITTED, execution={"slot": "_unplaced"}, needs=Needs(num_cpus=9)),
        "PENDING",
        (
            "Job has not started yet. It is waiting for resources that no live agent has: 9 CPUs. It starts as soon as "
            "an agent has them."
        ),
        None,
        None,
    ),
    "is set up": (
        an_entrypoint(S.STARTED, execution={"info": {"phase": "setting_up"}}),
        "PENDING",
        "Job has not started yet. Its runtime environment is being set up on web1.",
        None,
        None,
    ),
    "runs": (an_entrypoint(S.STARTED, execution={"info": RUNS}), "RUNNING", "Job is currently running.", None, None),
    "is being stopped": (
        an_entrypoint(S.STARTED, execution={"info": RUNS}, cancel_requested=True),
        "RUNNING",
        "Job is currently running. It is being stopped.",
        None,
        None,
    ),
    "succeeded": (
        an_entrypoint(execution={"data": {"exit_code": 0}}),
        "SUCCEEDED",
        "Job finished successfully.",
        None,
        0,
    ),
    "exited": (
        an_entrypoint(S.FAILED, execution={"failure": EXITED, "error": "exit code 3"}),
        "FAILED",
        EXITED["message"],
        "JOB_ENTRYPOINT_COMMAND_ERROR",
        3,
    ),
    "exited, as agents report it": (
        an_entrypoint(
            S.FAILED,
            execution={
                "failure": {
                    "error_type": "command_failed",
                    "exit_code": 3,
                    "message": "The entrypoint exited with code 3.",
                    "output": "no",
                },
                "error": "exit code 3",
            },
        ),
        "FAILED",
        EXITED["message"],
        "JOB_ENTRYPOINT_COMMAND_ERROR",
        3,
    ),
    "exited without a word": (
        an_entrypoint(
            S.FAILED,
            execution={
                "failure": {"error_type": "command_failed", "exit_code": 3, "message": "exit", "output": ""},
                "error": "exit code 3",
            },
        ),
        "FAILED",
        "Job entrypoint command failed with exit code 3. No logs available.",
        "JOB_ENTRYPOINT_COMMAND_ERROR",
        3,
    ),
    "asked for too much, as agents report it": (
        an_entrypoint(S.FAILED, execution={"failure": {"error_type": "unschedulable", "message": "no"}, "error": "x"}),
        "FAILED",
        "no",
        "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE",
        None,
    ),
    "could not be started, as agents report it": (
        an_entrypoint(S.FAILED, execution={"failure": {"error_type": "start_failed", "message": "no"}, "error": "x"}),
        "FAILED",
        "no",
        "JOB_ENTRYPOINT_COMMAND_START_ERROR",
        None,
    ),
    "could not be set up, as agents report it": (
        an_entrypoint(
            S.FAILED, execution={"failure": {"error_type": "setup_failed", "message": "pip: no"}, "error": "x"}
        ),
        "FAILED",
        "runtime_env setup failed: Failed to set up runtime environment. pip: no",
        "RUNTIME_ENV_SETUP_FAILURE",
        None,
    ),
    "could not be set up": (
        an_entrypoint(
            S.FAILED,
            execution={"failure": {"error_type": "RUNTIME_ENV_SETUP_FAILURE", "message": "pip: no"}, "error": "x"},
        ),
        "FAILED",
        "runtime_env setup failed: Failed to set up runtime environment. pip: no",
        "RUNTIME_ENV_SETUP_FAILURE",
        None,
    ),
    "could not be set up in time": (
        an_entrypoint(
            S.FAILED,
            execution={
                "failure": {
                    "error_type": "RUNTIME_ENV_SETUP_FAILURE",
                    "message": "longer than setup_timeout_seconds",
                    "timed_out": True,
                },
                "error": "x",
            },
        ),
        "FAILED",
        "runtime_env setup failed: Failed to set up runtime environment. Timeout: longer than setup_timeout_seconds",
        "RUNTIME_ENV_SETUP_FAILURE",
        None,
    ),
    "timed out": (
        an_entrypoint(S.FAILED, execution={"error": "timed out after 30s"}),
        "FAILED",
        "Job failed: timed out after 30s",
        "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE",
        None,
    ),
    "lost": (
        an_entrypoint(S.LOST, execution={"error": "x"}),
        "FAILED",
        "Job was lost: its agent web1 died, or was cut off, while the job ran. How far it came is not known.",
        "JOB_SUPERVISOR_ACTOR_DIED",
        None,
    ),
    "expired": (
        an_entrypoint(S.EXPIRED),
        "FAILED",
        "Job expired: no agent started it before its deadline.",
        "JOB_SUPERVISOR_ACTOR_START_TIMEOUT",
        None,
    ),
    "stopped": (
        an_entrypoint(S.CANCELLED, execution={"info": RUNS}, cancel_requested=True),
        "STOPPED",
        "Job was intentionally stopped.",
        None,
        None,
    ),
    "skipped": (
        an_entrypoint(S.SKIPPED, execution={"error": "not supported: no shell"}),
        "SUCCEEDED",
        "Job finished successfully. It was skipped on web1: not supported: no shell.",
        None,
        None,
    ),
}


@pytest.mark.parametrize(("job", "status", "message", "error_type", "code"), CASES.values(), ids=CASES)
def test_where_a_job_stands(job: Job, status: str, message: str, error_type: str | None, code: int | None) -> None:
    found = details(job)
    assert (found["status"], found["message"]) == (status, message)
    assert (found["error_type"], found["driver_exit_code"]) == (error_type, code)
    is_final = status in ("SUCCEEDED", "FAILED", "STOPPED")
    assert (found["end_time"] is not None) is is_final
    for name in ("message", "entrypoint", "submission_id", "job_id"):
        assert isinstance(found[name], str)
    assert isinstance(found["start_time"], int)


def test_what_is_not_known_yet_is_null() -> None:
    found = details(an_entrypoint(S.SUBMITTED))
    assert found["start_time"] == CREATED // 1000  # when it was submitted
    # openYuanrong's client takes no null here, and Ray's takes either
    assert found["driver_info"] == {"id": "raysubmit_1", "node_ip_address": "", "pid": ""}
    for name in ("driver_node_id", "driver_exit_code", "end_time", "error_type"):
        assert found[name] is None, name


def test_openyuanrongs_types(ask: Ask, services: RayServices) -> None:
    job = an_entrypoint(origin="openyuanrong", alias="app-1", execution={"info": RUNS, "data": {"exit_code": 0}})
    services.store[job.id] = job
    found = ask("GET", "/api/jobs/app-1").get_json()
    assert (found["start_time"], found["end_time"]) == (str(CREATED // 1_000_000 + 1), str(CREATED // 1_000_000 + 1))
    assert (found["error_type"], found["driver_agent_http_address"], found["driver_exit_code"]) == ("", "", 0)
    assert found["driver_info"] == {"id": "app-1", "node_ip_address": "10.0.0.1", "pid": "4711"}
    waiting = details_for_yuanrong(an_entrypoint(S.SUBMITTED))
    assert (waiting["end_time"], waiting["driver_node_id"]) == (None, "")


@pytest.mark.parametrize(
    ("operation", "data", "entrypoint"),
    [
        ("command.exec.execute", {"argv": ["ls", "my file"]}, "ls 'my file'"),
        ("command.shell.execute", {"command": "a |\n b"}, "a |  b"),
        ("node.uptime.get", {}, "node.uptime.get"),
        ("file.write", {"path": "/x"}, 'file.write {"path": "/x"}'),
        ("file.write", {"content": "y" * 1000}, 'file.write {"content": "' + "y" * 273 + "..."),
    ],
)
def test_jobs_of_other_kinds(operation: str, data: dict[str, Any], entrypoint: str) -> None:
    found = details(a_job(operation=operation, data=data, tags={"team": "web"}))
    assert found["entrypoint"] == entrypoint
    assert found["submission_id"] == found["job_id"] == a_job().id
    assert (found["metadata"], found["runtime_env"], found["driver_info"]["pid"]) == ({"team": "web"}, {}, "")
    assert found["status"] == "SUCCEEDED"


def test_a_job_on_several_agents() -> None:
    executions = (
        an_execution(S.COMPLETED, slot="web1"),
        an_execution(S.FAILED, slot="web2", hostname="web2", error="disk full", finished=CREATED + 3_000_000),
    )
    job = a_job(
        status=JobStatus.PARTIAL_FAILURE,
        created=CREATED,
        target="_all",
        is_broadcast=True,
        executions=executions,
    )
    found = details(job)
    assert (found["status"], found["driver_exit_code"]) == ("FAILED", None)
    assert found["message"] == "1 of 2 agents failed: web2: disk full"
    assert found["error_type"] == "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE"
    assert (found["start_time"], found["end_time"]) == (CREATED // 1000 + 1000, CREATED // 1000 + 3000)
    running = replace(job, status=JobStatus.PROCESSING, executions=(executions[0], an_execution(S.SUBMITTED)))
    assert (details(running)["status"], details(running)["error_type"]) == ("RUNNING", None)
