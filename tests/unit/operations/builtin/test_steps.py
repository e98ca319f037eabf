"""Jobs with several steps: which of them run, what each is given, and what the answer says of them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from jobqueue.errors import (
    InvalidInput,
    InvalidOperationData,
    OperationCancelled,
    OperationFailed,
    OperationNotNeeded,
    OperationNotSupported,
)
from jobqueue.operations.base import Operation, operation
from jobqueue.operations.builtin import steps
from jobqueue.operations.change import Change, ChangeSchema, change_outcome
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.parts import PermittedPart, with_part_data
from jobqueue.operations.registry import Registry
from jobqueue.operations.result import encoded_size
from jobqueue.operations.runner import run_operation
from jobqueue.operations.schema import Schema, Text, Whole
from jobqueue.trust.secrets.redactor import Redactor
from jobqueue.trust.secrets.reference import fill_in

STEPS = "steps.run"
SHELL = "command.shell.execute"


class NoteSchema(Schema):
    text = Text(load_default="")
    size = Whole(load_default=0)


class SetSchema(ChangeSchema):
    to = Text(required=True)


NOTES: list[str] = []
HOST = {"state": "a"}


@operation("test.note.do", schema=NoteSchema, changes=True)
def note(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Note a text."""
    NOTES.append(data["text"])
    context.output("stdout", f"{data['text']}\n".encode())
    context.report({"noted": data["text"]})
    return {"text": data["text"], "filler": "x" * data["size"]}


@operation("test.fail.do", schema=NoteSchema, changes=True)
def fail(data: dict[str, Any], context: Context) -> None:
    """Fail."""
    NOTES.append(data["text"])
    raise OperationFailed(f"broke {data['text']}".strip(), {"exit_code": 3})


@operation("test.none.get")
def unneeded(data: dict[str, Any], context: Context) -> None:
    """Is not needed."""
    raise OperationNotNeeded("nothing to do")


@operation("test.lack.get")
def lacking(data: dict[str, Any], context: Context) -> None:
    """Is not supported."""
    raise OperationNotSupported("no systemd here")


@operation("test.cancel.do")
def cancel(data: dict[str, Any], context: Context) -> None:
    """Is cancelled."""
    context.cancelled.set()
    context.check()


@operation("test.set.do", schema=SetSchema, changes=True, idempotent=True)
def set_state(data: dict[str, Any], context: Context) -> Outcome:
    """Bring the host into a state."""
    before, after = HOST["state"], data["to"]
    if not data["check"]:
        HOST["state"] = after
    return change_outcome(Change(before != after, f"-{before}\n+{after}\n" if before != after else ""), data, {})


OWN = (note, fail, unneeded, lacking, cancel, set_state)


@pytest.fixture
def registry() -> Registry:
    NOTES.clear()
    HOST["state"] = "a"
    return Registry([*Registry.load(()), *OWN])


def step(name: str, text: str | None = None, *, of: str = "test.note.do", **terms: Any) -> dict[str, Any]:
    return {"name": name, "operation": {"type": of, "data": {"text": name if text is None else text}}, **terms}


def bare(of: str, data: Mapping[str, Any] | None = None, **terms: Any) -> dict[str, Any]:
    return {"operation": {"type": of, **({} if data is None else {"data": data})}, **terms}


def run(registry: Registry, *steps: dict[str, Any], context: Context | None = None, **data: Any) -> Outcome:
    """Run the steps as an agent does whose policy allows everything."""
    given = {"steps": list(steps), **data}
    requested = registry.requested(STEPS, registry.validate(STEPS, given))
    parts = [PermittedPart(one, partial(run_operation, one)) for _, one in requested.parts]
    return run_operation(registry.get(STEPS), given, replace(context or Context("web1"), parts=parts))


def states(outcome: Outcome) -> dict[str, str]:
    return {one["name"]: one["state"] for one in outcome.data["steps"]}


def test_all_run_in_their_order(registry: Registry) -> None:
    outcome = run(registry, step("stop"), step("install"), step("start"))
    assert (NOTES, outcome.error, outcome.changed) == (["stop", "install", "start"], None, True)
    first = outcome.data["steps"][0]
    assert first.pop("started_at")
    assert first.pop("seconds") >= 0
    assert first == {
        "name": "stop",
        "operation": "test.note.do",
        "state": "completed",
        "changed": True,
        "result": {"text": "stop", "filler": ""},
    }


def test_the_first_failure_ends_the_sequence(registry: Registry) -> None:
    """As in Rundeck, whose workflows stop at a failed step by default."""
    outcome = run(registry, step("a"), step("b", of="test.fail.do"), step("c"))
    assert NOTES == ["a", "b"]
    assert states(outcome) == {"a": "completed", "b": "failed", "c": "skipped"}
    assert outcome.error == "step b failed: broke b"
    assert outcome.data["steps"][1]["failure"] == {"exit_code": 3}
    assert outcome.data["steps"][2]["error"] == "b has failed"


def test_steps_for_a_failure_and_those_for_both_cases(registry: Registry) -> None:
    steps = [step("undo", when="failure"), step("clean", when="always")]
    outcome = run(registry, step("a"), *steps)
    assert states(outcome) == {"a": "completed", "undo": "skipped", "clean": "completed"}
    outcome = run(registry, step("a", of="test.fail.do"), *steps, step("b"))
    assert states(outcome) == {"a": "failed", "undo": "completed", "clean": "completed", "b": "skipped"}
    assert outcome.error == "step a failed: broke a"


def test_an_ignored_failure(registry: Registry) -> None:
    outcome = run(registry, step("a", of="test.fail.do", ignore_failure=True), step("b"), step("c", when="failure"))
    assert (outcome.error, states(outcome)) == (None, {"a": "failed", "b": "completed", "c": "skipped"})


@pytest.mark.parametrize(
    ("handler", "recovers", "expected", "error"),
    [
        # an error handler's success leaves the failure as it is, and the sequence ends
        ("test.note.do", False, {"a": "failed", "fix": "completed", "b": "skipped"}, "step a failed: broke a"),
        # keepgoingOnSuccess: "the workflow continues if the error handler succeeds"
        ("test.note.do", True, {"a": "failed", "fix": "completed", "b": "completed"}, None),
        (
            "test.fail.do",
            True,
            {"a": "failed", "fix": "failed", "b": "skipped"},
            "step a failed: broke a (also failed: fix)",
        ),
    ],
)
def test_an_error_handler(
    registry: Registry, handler: str, recovers: bool, expected: dict[str, str], error: str | None
) -> None:
    steps = [step("a", of="test.fail.do"), step("fix", of=handler, handles="a", recovers=recovers), step("b")]
    outcome = run(registry, *steps)
    assert (states(outcome), outcome.error) == (expected, error)


def test_an_error_handler_is_for_one_step(registry: Registry) -> None:
    fix = step("fix", handles="a")
    assert states(run(registry, step("a"), fix, step("b", of="test.fail.do")))["fix"] == "skipped"
    assert states(run(registry, step("b", of="test.fail.do"), step("a", when="always"), fix))["fix"] == "skipped"


def test_a_host_that_needs_or_supports_a_step_not(registry: Registry) -> None:
    outcome = run(registry, bare("test.none.get", name="a"), step("b"))
    assert (outcome.error, states(outcome)) == (None, {"a": "skipped", "b": "completed"})
    outcome = run(registry, bare("test.lack.get", name="a"), step("b"))
    assert outcome.error == "step a failed: not supported: no systemd here"
    assert states(outcome) == {"a": "failed", "b": "skipped"}


def test_a_cancel_starts_no_other_step_and_shows_how_far_they_came(registry: Registry) -> None:
    reports: list[Mapping[str, Any]] = []
    context = Context("web1", report=reports.append)
    with pytest.raises(OperationCancelled):
        run(registry, step("a"), bare("test.cancel.do", name="b"), step("c", when="always"), context=context)
    assert NOTES == ["a"]
    shown = [(one["name"], one["state"]) for one in reports[-1]["steps"]]
    assert shown == [("a", "completed"), ("b", "cancelled"), ("c", "pending")]


def test_a_steps_own_time(registry: Registry) -> None:
    sleep = bare(SHELL, {"command": "sleep 600"}, name="sleep", timeout_seconds=0.2)
    outcome = run(registry, sleep, step("clean", when="always"))
    assert outcome.error == "step sleep failed: timed out after 200ms"
    assert states(outcome) == {"sleep": "failed", "clean": "completed"}


def test_the_time_of_the_job_is_that_of_all_steps(registry: Registry) -> None:
    now = [0.0]
    context = Context("web1", deadline=10.0, timeout_seconds=10.0, clock=lambda: now[0])

    @operation("test.slow.do")
    def slow(data: dict[str, Any], context: Context) -> None:
        """Takes longer."""
        now[0] = 11.0
        context.check()

    outcome = run(
        Registry([*registry, slow]), bare("test.slow.do", name="a"), step("b", when="always"), context=context
    )
    assert outcome.error == "step a failed: timed out after 10s"
    assert outcome.data["steps"][1]["error"] == "the time of the job was over"


def test_a_check_changes_nothing_and_runs_nothing_that_cannot_check(registry: Registry) -> None:
    steps = [bare("test.set.do", {"to": "b"}, name="set"), step("note")]
    outcome = run(registry, *steps, check=True)
    assert (HOST["state"], NOTES, outcome.changed, outcome.error) == ("a", [], False, None)
    assert (outcome.data["check"], outcome.data["would_change"], outcome.data["diff"]) == (True, True, "-a\n+b\n")
    assert outcome.data["message"] == "1 of 2 steps have no check mode and were not run."
    assert outcome.data["steps"][1]["error"] == "test.note.do has no check mode, so it was not run"
    assert run(registry, *steps).changed is True
    again = run(registry, steps[0], check=True)
    assert (HOST["state"], again.data["would_change"]) == ("b", False)


def test_what_is_shown_while_it_runs(registry: Registry) -> None:
    reports: list[Mapping[str, Any]] = []
    written: list[tuple[str, bytes]] = []
    context = Context("web1", report=reports.append, output=lambda stream, data: written.append((stream, data)))
    run(registry, step("a"), step("b", of="test.fail.do"), context=context)
    shown = [[one["state"] for one in report["steps"]] for report in reports]
    assert shown == [
        ["running", "pending"],
        ["running", "pending"],  # what the operation itself reports
        ["completed", "running"],
        ["completed", "failed"],
    ]
    assert reports[1]["progress"] == {"noted": "a"}
    assert {report["phase"] for report in reports} == {"running"}  # none says that nothing has begun
    assert [stream for stream, _ in written] == ["agent", "stdout", "agent", "agent"]
    assert written[0][1] == b"==> step 1 of 2: a (test.note.do)\n"
    assert written[3][1] == b"==> step b failed: broke b\n"


def test_results_share_the_size_of_one(registry: Registry) -> None:
    steps = [step(f"s{number}", size=0) for number in range(6)]
    for number, one in enumerate(steps):
        one.pop("size")
        one["operation"]["data"]["size"] = 20_000 * number
    outcome = run(registry, *steps, context=Context("web1", max_result_bytes=150_000))
    assert encoded_size(outcome.data) <= 150_000
    kept = [one["name"] for one in outcome.data["steps"] if "result" in one]
    assert kept == ["s0", "s1", "s2", "s3"]
    assert outcome.data["steps"][5]["truncated"].startswith("The result of 100")
    assert outcome.data["steps"][5]["state"] == "completed"


def test_the_largest_answer_and_the_largest_report_fit(registry: Registry) -> None:
    reports: list[Mapping[str, Any]] = []
    steps = [
        {"name": f"{number:02}" + "\U0001f600" * 58, **bare("test.fail.do", {"text": "\x01" * 2000}), "when": "always"}
        for number in range(50)
    ]
    context = Context("web1", report=reports.append, max_result_bytes=1024 * 1024)
    outcome = run(registry, *steps, context=context)
    assert len(outcome.data["steps"]) == 50
    assert all(encoded_size(report) <= 16 * 1024 for report in reports)
    assert len(reports) >= 51


class _Secrets:
    """The secrets of a host: one, which is known once it was used."""

    def __init__(self) -> None:
        self.known: list[str] = []

    def fill_in(self, data: Any, context: Context) -> Any:
        return fill_in(data, self._value)

    def _value(self, name: str) -> str:
        self.known = ["hunter22secret"]
        return self.known[0]

    def redactor(self) -> Redactor:
        return Redactor(self.known)


def test_facts_and_secrets_of_each_step(registry: Registry) -> None:
    written: list[bytes] = []
    context = Context(
        "web1",
        facts={"kernel": "6.1"},
        secrets=_Secrets(),
        output=lambda _stream, data: written.append(data),
    )
    secret: dict[str, Any] = bare("test.note.do", {"text": {"$secret": "password"}}, name="secret")
    outcome = run(registry, step("fact", "on @fact.kernel"), secret, step("loud", of="test.fail.do"), context=context)
    assert NOTES == ["on 6.1", "hunter22secret", "loud"]
    assert outcome.data["steps"][0]["result"]["text"] == "on 6.1"
    assert outcome.data["steps"][1]["result"]["text"] == "***"
    assert b"hunter22secret" not in b"".join(written)
    assert b"***" in b"".join(written)


def test_a_failed_step_names_no_secret(registry: Registry) -> None:
    secret = bare("test.fail.do", {"text": {"$secret": "password"}}, name="a")
    outcome = run(registry, secret, context=Context("web1", secrets=_Secrets()))
    assert outcome.error == "step a failed: broke ***"


@pytest.mark.parametrize(
    ("steps", "field", "says"),
    [
        ([], "steps", "Length must be between 1 and 50"),
        ([step(str(n)) for n in range(51)], "steps", "Length must be between 1 and 50"),
        ("x", "steps", "Not a valid list"),
        ([1], "steps.0", "Invalid input type"),
        ([{"name": "a"}], "steps.0.operation", "Missing data"),
        ([{"operation": {}}], "steps.0.operation.type", "Missing data"),
        ([{"operation": {"type": 5}}], "steps.0.operation.type", "Not a valid string"),
        ([{"operation": {"type": "test.note.do", "data": []}}], "steps.0.operation.data", "Not a valid mapping"),
        ([step("a"), step("a")], "steps.1.name", "Another step is called 'a' already"),
        ([step("a"), bare("test.note.do", name=" ")], "steps.1.name", "Must not be blank"),
        ([step("x" * 61)], "steps.0.name", "Length must be between 1 and 60"),
        ([step("a", when="never")], "steps.0.when", "Must be one of"),
        ([step("a", timeout_seconds=0)], "steps.0.timeout_seconds", "Must be greater than 0"),
        ([step("a", handles="b"), step("b")], "steps.0.handles", "No earlier step is called 'b'"),
        ([step("b"), step("a", handles="b", when="always")], "steps.1.when", "leave out when"),
        ([step("a", recovers=True)], "steps.0.recovers", "Only with handles"),
        ([step("a", colour="red")], "steps.0.colour", "Unknown field"),
        ([step("a"), bare("test.nota.do")], "steps.1.operation.type", "Did you mean test.note.do"),
        ([bare(SHELL, {"comand": "true"})], "steps.0.operation.data.comand", "Unknown field"),
        ([bare(SHELL, {"command": ""})], "steps.0.operation.data.command", "Shorter than minimum length"),
        ([bare(STEPS, {"steps": [step("a")]})], "steps.0.operation.type", "has parts of its own"),
        ([bare("file.fetch", {"path": "/etc/hostname"})], "steps.0.operation.type", "submit it as a job of its own"),
        ([bare("test.set.do", {"to": "b", "plan": {}})], "steps.0.operation.data.plan", "of the whole job"),
        ([bare(SHELL, {"command": {"$secret": "no/name"}})], "steps.0.operation.data.command", "A secret's name"),
        ([bare(SHELL, {"command": {"$secret": "a"}, "x": 1})], "steps.0.operation.data.x", "Unknown field"),
        ([bare(SHELL, {"$secret": "a"})], "steps.0.operation.data", "without other keys"),
        ([step({"$secret": "a"}, "")], "steps.0.name", "Not a valid string"),
    ],
)
def test_what_is_not_valid(registry: Registry, steps: Any, field: str, says: str) -> None:
    with pytest.raises(InvalidOperationData) as refused:
        registry.validate(STEPS, {"steps": steps})
    texts = (refused.value.details or {})[field]
    assert says in " ".join(texts), texts
    with pytest.raises(InvalidInput):
        registry.validate(STEPS, {"steps": steps}, explains=False)


def test_a_plan_needs_steps_that_can_check(registry: Registry) -> None:
    plan = {"job": "0" * 36, "hash": "0" * 64, "changes": ["0" * 64]}
    checked = bare("test.set.do", {"to": "b"})
    assert registry.validate(STEPS, {"steps": [checked], "plan": plan})
    with pytest.raises(InvalidOperationData) as refused:
        registry.validate(STEPS, {"steps": [checked, step("a")], "plan": plan})
    assert "no plan holds what it changes" in refused.value.details["steps.1.operation.type"][0]


def test_a_valid_job_is_stored_as_it_came(registry: Registry) -> None:
    data = {"steps": [step("a"), bare(SHELL, {"command": {"$secret": "x"}, "env": {"A": "@fact.hostname"}})]}
    assert registry.validate(STEPS, json.loads(json.dumps(data))) == data


def test_many_and_large_steps_are_refused_quickly(registry: Registry) -> None:
    large = {"command": "x", "env": {"a": "b"}, "junk": [[1, {"a": None}]] * 4_000}
    for many in ([step("a")] * 50_000, [bare(SHELL, large)] * 50, [{"operation": {"type": 5}}] * 50_000):
        begun = time.process_time()
        with pytest.raises(InvalidOperationData):
            registry.validate(STEPS, {"steps": many})
        assert time.process_time() - begun < 5  # copies of all of it would take a minute


def test_replacing_the_data_of_steps_leaves_that_of_the_caller_as_it_is() -> None:
    data = {"steps": [bare(SHELL, {"command": "a"}), bare(SHELL, {"command": "b"})], "check": True}
    before = json.loads(json.dumps(data))
    parts = steps.run.parts(data)  # type: ignore[misc]
    assert with_part_data(data, parts, [{"command": "c"}, None]) == {
        "steps": [bare(SHELL, {"command": "c"}), bare(SHELL)],
        "check": True,
    }
    assert data == before


def test_traits_that_depend_on_the_steps(registry: Registry) -> None:
    def requested(*steps: dict[str, Any]) -> Any:
        return registry.requested(STEPS, {"steps": list(steps)})

    restart = bare("node.service.restart", {"name": "nginx"})
    deploy = bare("file.deploy.execute", {"path": "/x", "object": "o"})
    shell = bare(SHELL, {"command": "true"})
    assert requested(restart, restart).is_idempotent
    assert not requested(restart, shell).is_idempotent
    assert requested(restart, shell).inner_types == (SHELL, "node.service.restart")
    assert requested(restart, shell).permissions == ("job:write", "service:write", "shell:execute")
    assert requested(deploy).permissions == ("job:write", "file:write", "file:read")  # the second depends on the data
    assert requested(restart, shell).code == {"steps.1.operation.data.command": "shell"}


def test_a_default_title(registry: Registry) -> None:
    steps: Operation = registry.get(STEPS)
    assert steps.title is not None
    assert steps.title({"steps": [step("stop"), bare(SHELL, {}), step("start\nnow")]}) == f"stop, 2 {SHELL}, start now"


def test_only_an_agent_runs_steps(registry: Registry) -> None:
    with pytest.raises(OperationFailed, match="by an agent only"):
        run_operation(registry.get(STEPS), {"steps": [step("a")]}, Context("web1"))
    assert NOTES == []


def test_a_step_is_cut_short_by_a_cancel(registry: Registry) -> None:
    stop = threading.Event()
    context = Context("web1", cancelled=stop, output=lambda _stream, data: stop.set() if b"begun" in data else None)
    sleep = bare(SHELL, {"command": "echo begun; sleep 600"}, name="sleep")
    with pytest.raises(OperationCancelled):
        run(registry, sleep, step("clean", when="always"), context=context)
    assert NOTES == []
