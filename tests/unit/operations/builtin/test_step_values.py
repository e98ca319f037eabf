"""Values of earlier steps in the data of later ones, and conditions of steps."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from jobqueue.errors import InvalidInput, InvalidOperationData, OperationFailed
from jobqueue.operations import step_values
from jobqueue.operations.base import operation
from jobqueue.operations.context import Context
from jobqueue.operations.references import MAX_INSERTED
from jobqueue.operations.registry import Registry
from jobqueue.operations.schema import Schema, Text
from tests.unit.operations.builtin.test_steps import NOTES, SHELL, STEPS, bare, registry, run, states, step

__all__ = ["registry"]

EXEC = "command.exec.execute"
NOTE = "test.note.do"
MODULE = "ansible.module"


def echo(text: str, name: str = "a", **terms: Any) -> dict[str, Any]:
    return bare(EXEC, {"argv": ["printf", "%s\n", text]}, name=name, **terms)


def last(registry: Registry, *steps: dict[str, Any], **data: Any) -> dict[str, Any]:
    """The entry of the last step in the answer."""
    entry: dict[str, Any] = run(registry, *steps, **data).data["steps"][-1]
    return entry


@pytest.mark.parametrize(
    ("printed", "written", "expected"),
    [
        # as $(...) of a shell: without the line break at the end
        ("1.4.2", "@step.a.stdout", "1.4.2"),
        ("1.4.2", "v=@step.a.stdout!", "v=1.4.2!"),
        ("1.4.2", "@step.{a.stdout}rc1", "1.4.2rc1"),
        ("1.4.2", "@step.a.result.stdout", "1.4.2\n"),
        ("1.4.2", "@step.a.result.exit_code of @step.a.state", "0 of completed"),
        ("1.4.2", "changed: @step.a.changed", "changed: true"),
        ('{"x": [{"y": "z"}]}', "@step.a.json.x.0.y", "z"),
        ("'; rm -rf / #", "@step.a.stdout", "'; rm -rf / #"),
        ("x", "@@step.a.stdout", "@step.a.stdout"),
        ("x", "mail@step.org", "mail@step.org"),
        # values are not searched again
        ("@@fact.kernel @@step.a.state", "@step.a.stdout", "@fact.kernel @step.a.state"),
        ("x", "@fact.kernel/@step.a.stdout", "6.1/x"),
    ],
)
def test_values_in_data(registry: Registry, printed: str, written: str, expected: str) -> None:
    context = Context("web1", facts={"kernel": "6.1"})
    outcome = run(registry, echo(printed), step("b", written), context=context)
    assert (outcome.error, NOTES) == (None, [expected])


def test_a_whole_value_keeps_its_type(registry: Registry) -> None:
    outcome = run(registry, echo("3000"), bare(NOTE, {"size": "@step.a.json"}, name="b"))
    assert outcome.data["steps"][1]["result"]["filler"] == "x" * 3000


def test_names_with_spaces_dots_and_numbers(registry: Registry) -> None:
    outcome = run(
        registry,
        echo("1", "build it"),
        echo("2", "build.it"),
        bare(EXEC, {"argv": ["echo", "3"]}),
        step("b", f"@step.{{build it.stdout}} @step.build.it.stdout @step.{{3 {EXEC}.stdout}}"),
    )
    assert (outcome.error, NOTES) == (None, ["1 2 3"])


def test_arguments_and_the_environment_of_code_are_no_code(registry: Registry) -> None:
    hostile = "$(touch /nowhere); '\"`id`"
    script = bare(SHELL, {"command": 'printf %s "$VALUE"', "env": {"VALUE": "@step.a.stdout"}}, name="b")
    assert last(registry, echo(hostile), script)["result"]["stdout"] == hostile
    exec_ = bare(EXEC, {"argv": ["printf", "%s", "@step.a.stdout"]}, name="b")
    assert last(registry, echo(hostile), exec_)["result"]["stdout"] == hostile


@pytest.mark.parametrize(
    ("data", "of", "field", "says"),
    [
        ({"command": "echo @step.a.stdout"}, SHELL, "data.command", "would become code. Pass it in env"),
        ({"script": "x @step.a.stdout"}, "script.shell.execute", "data.script", "would become code"),
        ({"script": "x @step.a.stdout"}, "script.python.execute", "data.script", "would become code"),
        ({"module": "shell", "args": {"cmd": "x @step.a.stdout"}}, MODULE, "data.args.cmd", "would become code"),
        ({"module": "raw", "args": {"_raw_params": "@step.a.stdout"}}, MODULE, "data.args._raw_params", "become code"),
        ({"module": "shell", "args": "@step.a.json"}, MODULE, "data.args", "would become code"),
        ({"text": "@step.b.stdout"}, NOTE, "data.text", "no earlier step has this name. Earlier steps: 'a', 'stop it'"),
        ({"text": "@step.c.stdout"}, NOTE, "data.text", "no earlier step has this name"),
        ({"text": "@step.stop.stdout"}, NOTE, "data.text", "Write the name of 'stop it' in braces"),
        ({"text": "@step.a"}, NOTE, "data.text", "which value of the step is missing; there are state, changed"),
        ({"text": "@step.a.stdot"}, NOTE, "data.text", "Did you mean stdout?"),
        ({"text": "@step.a.stdout.x"}, NOTE, "data.text", "stdout is a single value"),
        ({"text": "@step.{a.result..x}"}, NOTE, "data.text", "a name is missing"),
        ({"argv": ["x", "@step.zz.stdout"]}, EXEC, "data.argv.1", "no earlier step has this name"),
        ({"object": "@step.a.stdout", "path": "/x"}, "test.rights.do", "data.object", "permissions of test.rights.do"),
    ],
)
def test_what_is_refused_when_it_is_submitted(
    registry: Registry, data: dict[str, Any], of: str, field: str, says: str
) -> None:
    class RightsSchema(Schema):
        object = Text()
        path = Text()

    def rights(given: Any) -> tuple[str, ...]:
        return ("file:read",) if given.get("object", "").startswith("secret/") else ()

    @operation("test.rights.do", schema=RightsSchema, further_permissions=rights)
    def run_(data: dict[str, Any], context: Context) -> None:
        """Do."""

    known = Registry([*registry, run_])
    steps = [echo("x"), echo("x", "stop it"), bare(of, data, name="b"), echo("x", "c")]
    with pytest.raises(InvalidOperationData) as refused:
        known.validate(STEPS, {"steps": steps})
    assert says in (refused.value.details or {})[f"steps.2.operation.{field}"][0]
    with pytest.raises(InvalidInput):
        known.validate(STEPS, {"steps": steps}, explains=False)
    with pytest.raises(InvalidOperationData) as refused:  # as a saved job is stored
        known.check_outline(STEPS, {"steps": steps})
    assert f"steps.2.operation.{field}" in (refused.value.details or {})


def test_in_a_job_of_its_own_it_is_plain_text(registry: Registry) -> None:
    assert registry.validate(SHELL, {"command": "echo @step.a.stdout"})


def test_a_plan_has_no_values_of_steps(registry: Registry) -> None:
    plan = {"job": "0" * 36, "hash": "0" * 64, "changes": ["0" * 64]}
    steps = [bare("test.set.do", {"to": "b"}, name="a"), bare("test.set.do", {"to": "@step.a.state"}, name="b")]
    with pytest.raises(InvalidOperationData) as refused:
        registry.validate(STEPS, {"steps": steps, "plan": plan})
    assert "no plan holds what it changes" in refused.value.details["steps.1.operation.data"][0]
    steps[1] = bare("test.set.do", {"to": "b"}, name="b", **{"if": "step.a.changed:true"})
    with pytest.raises(InvalidOperationData) as refused:
        registry.validate(STEPS, {"steps": steps, "plan": plan})
    assert "no plan holds what the step changes" in refused.value.details["steps.1.if"][0]
    steps[1]["if"] = "cpus>=2"
    assert registry.validate(STEPS, {"steps": steps, "plan": plan})


def test_a_check_has_no_values(registry: Registry) -> None:
    outcome = run(
        registry,
        bare("test.set.do", {"to": "b"}, name="a"),
        bare("test.set.do", {"to": "@step.a.state"}, name="b"),
        bare("test.set.do", {"to": "c"}, name="c", **{"if": "step.a.changed:true"}),
        check=True,
    )
    assert states(outcome) == {"a": "completed", "b": "skipped", "c": "skipped"}
    assert outcome.data["steps"][1]["error"] == (
        "it uses values of a, which a check does not have, so it was not checked"
    )
    assert outcome.data["message"] == "2 of 3 steps use values of others and were not checked."


@pytest.mark.parametrize(
    ("first", "written", "says"),
    [
        (echo("x"), "@step.a.json", "The output of step 'a' is not JSON"),
        (echo("NaN"), "@step.a.json", "The output of step 'a' is not JSON"),
        (echo("[" * 5000), "@step.a.json", "The output of step 'a' is not JSON"),
        (echo("9" * 5000), "@step.a.json", "The output of step 'a' is not JSON"),
        (echo("x"), "@step.a.result.nothing", "@step.a.result has no 'nothing'; it has stdout, stderr, exit_code"),
        (echo("[1]"), "@step.a.json.1", "@step.a.json is a list of 1; it has no '1'"),
        (echo("5"), "@step.a.json.x", "@step.a.json is a number; it has no 'x'"),
        (echo("[1]"), "<@step.a.json>", "not a single value"),
        (bare("test.none.get", name="a"), "@step.a.result.x", "Step 'a' has no result: it is skipped: nothing to do."),
        (bare("test.lack.get", name="a", ignore_failure=True), "@step.a.stdout", "has no stdout: it is failed"),
        (step("a", "x"), "@step.a.stdout", "Step 'a' has no stdout: the result of test.note.do has none"),
        # a program must not name a secret that the caller may not use
        (echo('{"$secret": "db"}'), "@step.a.json", "has the form of a reference to a secret"),
        (echo('[{"a": {"$secret": "db"}}]'), "@step.a.json", "has the form of a reference to a secret"),
    ],
)
def test_a_value_that_there_is_not_fails_the_step(
    registry: Registry, first: dict[str, Any], written: str, says: str
) -> None:
    outcome = run(registry, first, step("b", written))
    assert states(outcome)["b"] == "failed"
    assert says in outcome.data["steps"][1]["error"]
    assert NOTES in ([], ["x"])


def test_cut_output_is_not_passed_on(registry: Registry) -> None:
    first = bare(SHELL, {"command": "head -c 100000 /dev/zero | tr '\\0' x"}, name="a")
    outcome = run(registry, first, step("b", "@step.a.stdout"), context=Context("web1", max_output_bytes=9000))
    assert "is not complete (stdout was 100000 bytes long" in outcome.data["steps"][1]["error"]


def test_the_values_of_one_step_have_a_size(registry: Registry) -> None:
    first = step("a", size=0)
    first.pop("size")
    first["operation"]["data"]["size"] = 400_000
    outcome = run(registry, first, step("b", "@step.a.result.filler " * 3), step("c", "x"))
    assert f"more than {MAX_INSERTED} bytes" in outcome.data["steps"][1]["error"]
    assert len(NOTES[-1]) < 10


def test_a_value_must_fit_where_it_is_put(registry: Registry) -> None:
    assert registry.validate(STEPS, {"steps": [echo("x"), bare(NOTE, {"size": "@step.a.stdout"}, name="b")]})
    entry = last(registry, echo("x"), bare(NOTE, {"size": "@step.a.stdout"}, name="b"))
    assert entry["state"] == "failed"
    assert "The data does not fit test.note.do: size: Not a valid integer" in entry["error"]


def test_many_references_are_refused_quickly(registry: Registry) -> None:
    names = [f"step number {number}" for number in range(49)]
    begun = time.process_time()
    for text in ("@step.{step number 50.stdout} " * 20_000, "@step.{step number 1.stdout} " * 20_000):
        with pytest.raises(InvalidOperationData) as refused:
            registry.validate(STEPS, {"steps": [*(echo("x", name) for name in names), step("b", text)]})
        assert len(str(refused.value.details)) < 20_000
    assert "At most 1000 references" in str(refused.value)
    assert time.process_time() - begun < 5


def test_large_output_is_read_once(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = json.loads
    monkeypatch.setattr(step_values.json, "loads", lambda text: read.append(text) or original(text))
    outcome = run(registry, echo('{"x": "y"}'), step("b", "@step.a.json.x" + "@step.a.json.x " * 100))
    assert (outcome.error, len(read)) == (None, 1)


def test_kinds_of_references_by_path(registry: Registry) -> None:
    script = bare("script.shell.execute", {"script": "true"}, name="s")
    run_ = registry.requested(STEPS, {"steps": [echo("x"), script]})
    assert run_.reference_kinds("steps.0.operation.data.argv.1") == ("fact", "step")
    assert run_.reference_kinds("steps.1.operation.data.script") == ("step",)
    assert run_.reference_kinds("check") == ()
    assert registry.requested(SHELL, {"command": "x"}).reference_kinds("command") == ("fact",)


FACTS = {"os": {"family": "debian"}, "cpus": 4, "disks": [{"fstype": "ext4"}, {"fstype": "xfs"}]}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("group:web and os.family:debian", True),
        ("group:web and not os.family:debian", False),
        ("group:web.dev", False),
        ("cpus>=4 or group:db", True),
        ("cpus>4", False),
        ("disks.fstype:xfs", True),
        ("web[01-20]", True),
        ("web*", True),
        ("db1", False),
        ("no.such.fact:1", False),
        ("not no.such.fact:1", True),
        ("step.a.changed:true", True),
        ("step.a.state:completed and step.a.result.exit_code:0", True),
        ("step.a.json.version>=1.4", True),
        ("step.a.json.tags:blue", True),
        ("step.a.stdout:*1.5*", True),
        ("step.skipped.changed:true", False),
        ("step.skipped.result.exit_code:0", False),
        ("step.skipped.stdout:x", False),
        ("_all", True),
    ],
)
def test_conditions(registry: Registry, condition: str, expected: bool) -> None:
    context = Context("web07", labels={"group": "web"}, facts=FACTS)
    printed = json.dumps({"version": "1.5", "tags": ["red", "blue"]})
    outcome = run(
        registry,
        echo(printed),
        bare("test.none.get", name="skipped"),
        step("b", **{"if": condition}),
        step("after"),
        context=context,
    )
    assert outcome.error is None
    assert (["b", "after"] if expected else ["after"]) == NOTES
    entry = outcome.data["steps"][2]
    assert entry["state"] == ("completed" if expected else "skipped")
    assert expected or entry["error"] == f"its condition does not hold here: {condition}"


def test_a_condition_stands_beside_the_other_terms(registry: Registry) -> None:
    holds, fails = {"if": "web1"}, {"if": "web2"}
    broken = step("a", of="test.fail.do")
    outcome = run(
        registry, broken, step("b", **holds), step("c", when="always", **fails), step("d", handles="a", **holds)
    )
    assert states(outcome) == {"a": "failed", "b": "skipped", "c": "skipped", "d": "completed"}


def test_a_condition_that_cannot_be_decided_fails_the_step(registry: Registry) -> None:
    outcome = run(registry, echo("{}"), step("b", **{"if": "step.a.json.version:1"}), step("c"))
    assert states(outcome) == {"a": "completed", "b": "failed", "c": "skipped"}
    assert outcome.error == "step b failed: @step.a.json has no 'version'; it has nothing."


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("", "Length must be between 1 and"),
        ("group:", "The condition is not well formed at character 7"),
        ("_any", "_any stands alone"),
        ("10% of _all", "has no samples"),
        ("@stored", "has no stored targets"),
        (f"job:{'0' * 8}-0000-0000-0000-{'0' * 12}.failed", "has no hosts of earlier jobs"),
        ('kernel~"^6"', "without regular expressions"),
        ("state:Ready", "known to the API only"),
        ("web[1-3]*", "ranges or wildcards, not both"),
        ("step.b.changed:true", "no earlier step has this name"),
        ("step.a.chnged:true", "Did you mean changed?"),
        ("x" * 1001, "Length must be between 1 and"),
    ],
)
def test_conditions_that_are_refused(registry: Registry, condition: str, says: str) -> None:
    with pytest.raises(InvalidOperationData) as refused:
        registry.validate(STEPS, {"steps": [step("a"), step("b", **{"if": condition}), step("c")]})
    assert says in (refused.value.details or {})["steps.1.if"][0]


def test_a_value_in_code_is_refused_on_the_host_too(registry: Registry) -> None:
    """Whatever the API has let pass."""
    from jobqueue.operations.references import filled

    with pytest.raises(OperationFailed, match="would become code"):
        filled(registry.get(SHELL), {"command": "echo @step.a.stdout"}, {}, lambda name: "x")
    assert filled(registry.get(SHELL), {"command": "@@step.a.x"}, {}, lambda name: "x") == {"command": "@step.a.x"}
    module = registry.get(MODULE)
    for args in ({"_raw_params": "echo @step.a.stdout"}, {"cmd": ["@step.a.stdout"]}, "@step.a.json"):
        with pytest.raises(OperationFailed, match="would become code"):
            filled(module, {"module": "shell", "args": args}, {}, lambda name: "x")
    others = {"module": "copy", "args": {"content": "@step.a.stdout", "cmds": ["@step.a.stdout"], "cmd": "true"}}
    expected = {"module": "copy", "args": {"content": "x", "cmds": ["x"], "cmd": "true"}}
    assert filled(module, others, {}, lambda name: "x") == expected


def test_conditions_need_no_extra() -> None:
    """An agent is installed without the extra `api`, which has the regular expressions of targets."""
    program = (
        "import sys\n"
        "from jobqueue.extras import MODULES\n"
        "sys.modules.update(dict.fromkeys(MODULES['api']))\n"
        "from jobqueue.operations.context import Context\n"
        "from jobqueue.operations.step_condition import StepCondition\n"
        "from jobqueue.operations.step_values import StepValues\n"
        "context = Context('web07', labels={'group': 'web'}, facts={'cpus': 4, 'kernel': '6.1.0-13'})\n"
        "for text in ('group:web and cpus>=4', 'web[01-20]', 'web*', 'kernel<6.2 or not zone:?', 'group:db'):\n"
        "    print(StepCondition(text, ()).holds(context, StepValues(())))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["True", "True", "True", "True", "False"]
