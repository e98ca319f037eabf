"""Rundeck's jobs with several steps: the imported job does what Rundeck documents for a failed step."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from jobqueue.cli.imports.rundeck import import_rundeck
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.parts import PermittedPart
from jobqueue.operations.registry import Registry
from jobqueue.operations.runner import run_operation
from tests.unit.cli.imports.test_rundeck import A_STEP, OPTIONS, one, saved, steps

REGISTRY = Registry.load(())
STEPS = "steps.run"


def operation(imported: Any) -> dict[str, Any]:
    found: dict[str, Any] = saved(imported)["operation"]
    return found


def run(imported: Any) -> Outcome:
    """Run the imported steps as an agent does."""
    data = REGISTRY.validate(STEPS, operation(imported)["data"])
    requested = REGISTRY.requested(STEPS, data)
    parts = [PermittedPart(inner, partial(run_operation, inner)) for _, inner in requested.parts]
    return run_operation(REGISTRY.get(STEPS), data, Context("web1", parts=parts))


# what Rundeck's manual says of error handlers: (keepgoing, handler, keepgoingOnSuccess) -> (next step runs, job fails)
DOCUMENTED = [
    # without a handler: failed, and stops or runs the remaining steps
    (False, None, False, (False, True)),
    (True, None, False, (True, True)),
    # the handler succeeds, keepgoingOnSuccess: keepgoing is ignored, not marked as failed, goes on
    (False, "true", True, (True, False)),
    (True, "true", True, (True, False)),
    # otherwise with keepgoing=false: failed, stops
    (False, "true", False, (False, True)),
    (False, "false", True, (False, True)),
    (False, "false", False, (False, True)),
    # otherwise with keepgoing=true: failed only if the handler failed; the remaining steps run
    (True, "true", False, (True, False)),
    (True, "false", True, (True, True)),
    (True, "false", False, (True, True)),
]


@pytest.mark.parametrize(("keeps_going", "handler", "on_success", "expected"), DOCUMENTED)
def test_a_failed_step(keeps_going: bool, handler: str | None, on_success: bool, expected: tuple[bool, bool]) -> None:
    failing: dict[str, Any] = {"exec": "false", "description": "breaks"}
    if handler is not None:
        failing["errorhandler"] = {"exec": handler, "keepgoingOnSuccess": on_success}
    outcome = run(one(**steps(A_STEP, failing, {"exec": "true", "description": "next"}, keepgoing=keeps_going)))
    states = {step["name"]: step["state"] for step in outcome.data["steps"]}
    assert (states["next"] == "completed", outcome.error is not None) == expected
    assert ("breaks: error handler" in states) == (handler is not None)


@pytest.mark.parametrize("keeps_going", [False, True])
def test_a_handler_does_not_run_without_a_failure(keeps_going: bool) -> None:
    handled = {**A_STEP, "description": "works", "errorhandler": {"exec": "false"}}
    outcome = run(one(**steps(handled, {"exec": "false", "description": "breaks"}, keepgoing=keeps_going)))
    states = {step["name"]: step["state"] for step in outcome.data["steps"]}
    assert states == {"works": "completed", "works: error handler": "skipped", "breaks": "failed"}


def test_names_notes_and_options() -> None:
    imported = one(
        options=[{"name": "version"}],
        **steps(
            {"exec": "echo ${option.version}", "description": "show {{ it }}"},
            {**A_STEP, "description": "x" * 100},
            {**A_STEP, "description": "x" * 100, "plugins": {"LogFilter": []}},
            {**A_STEP, "enabled": "false"},
            {"script": "echo x", "scriptInterpreter": "/bin/bash"},
        ),
    )
    data = operation(imported)["data"]["steps"]
    assert [step["name"] for step in data] == [
        "show {{ '{{' }} it }}",
        "x" * 60,
        f"{'x' * 56} (2)",
        "step 5",
    ]
    assert data[0]["operation"]["data"]["command"] == "echo {{ version | quote }}"
    assert data[0]["operation"]["data"]["env"] == {"RD_OPTION_VERSION": "{{ version }}"}
    assert data[3]["operation"]["type"] == "script.shell.execute"
    remarks = " ".join(str(remark) for remark in imported.remarks)
    assert "the log filters of step 3 are left out." in remarks
    assert "step 4 is disabled and left out." in remarks


XML = """<joblist><job>
  <name>several</name>
  <nodefilters><filter>name: web1</filter></nodefilters>
  <sequence keepgoing='false' strategy='node-first'>
    <command>
      <description>migrate</description>
      <exec>false</exec>
      <errorhandler keepgoingOnSuccess='true'><exec>true</exec></errorhandler>
    </command>
    <command><exec>true</exec></command>
  </sequence>
</job></joblist>"""


def test_from_xml() -> None:
    imported = import_rundeck(XML.encode(), "jobs.xml", OPTIONS)
    data = operation(imported)["data"]["steps"]
    assert data[1]["handles"] == "migrate"
    assert data[1]["recovers"] is True
    assert run(imported).error is None
