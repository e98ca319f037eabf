"""Several operations one after another on each host, as one job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from jobqueue.errors import InvalidInput
from jobqueue.model.fleet_plan import FIELD
from jobqueue.operations.base import operation
from jobqueue.operations.change import Change, ChangeSchema, change_outcome, combined
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.parts import Part
from jobqueue.operations.schema import Entries, Flag, Items, Schema, Text, timeout_field
from jobqueue.operations.step import CONDITIONS, FAILURE, MOST_STEPS, SUCCESS, Step, name_of
from jobqueue.operations.step_condition import MAX_CONDITION, StepCondition
from jobqueue.operations.step_sequence import StepSequence
from jobqueue.operations.text import brief

_LONGEST_NAME = 60
_LONGEST_TITLE = 100


class StepOperationSchema(Schema):
    type = Text(required=True, metadata={"description": "The type of any operation but one with steps."})
    data = Entries(keys=Text(), metadata={"description": "The data of the operation, as it is alone."})


class StepSchema(Schema):
    name = Text(
        validate=[validate.Length(1, _LONGEST_NAME), validate.Regexp(r"\S", error="Must not be blank.")],
        metadata={"description": "A unique name; default: the number and the operation."},
    )
    operation = fields.Nested(StepOperationSchema, required=True)
    when = Text(
        validate=validate.OneOf(CONDITIONS),
        metadata={
            "description": "success (default): runs unless a step has failed. failure: only if one has. always: both.",
            "default": SUCCESS,
        },
    )
    condition = Text(
        data_key="if",
        validate=validate.Length(1, MAX_CONDITION),
        metadata={
            "description": "Runs only where this holds: a target expression about the host, and values of earlier steps"
            " such as step.NAME.changed:true."
        },
    )
    handles = Text(
        validate=validate.Length(1, _LONGEST_NAME),
        metadata={"description": "Name of an earlier step: an error handler, which runs only if that step failed."},
    )
    recovers = Flag(
        load_default=False,
        metadata={"description": "With handles: if this step succeeds, the failure counts no longer."},
    )
    ignore_failure = Flag(
        load_default=False, metadata={"description": "The steps after it run, and the job does not fail, if it fails."}
    )
    timeout_seconds = timeout_field()

    @validates_schema
    def _handler(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if "handles" in data and data.get("when", FAILURE) != FAILURE:
            raise ValidationError("A step that handles another runs when that one fails; leave out when.", "when")
        if data.get("recovers") and "handles" not in data:
            raise ValidationError("Only with handles.", "recovers")


class StepsSchema(ChangeSchema):
    steps = Items(
        fields.Nested(StepSchema),
        required=True,
        validate=validate.Length(1, MOST_STEPS),
        metadata={"description": "The steps, in their order."},
    )

    @validates_schema
    def _names(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        earlier: dict[str, None] = {}
        for number, step in enumerate(data["steps"]):
            name = name_of(step, number)
            if name in earlier:
                raise ValidationError({"steps": {number: {"name": [f"Another step is called {name!r} already."]}}})
            handled = step.get("handles")
            if handled is not None and handled not in earlier:
                sentence = f"No earlier step is called {handled!r}."
                raise ValidationError({"steps": {number: {"handles": [sentence]}}})
            if "condition" in step:
                sentence = _condition_fault(step["condition"], earlier, is_planned=FIELD in data)
                if sentence:
                    raise ValidationError({"steps": {number: {"if": [sentence]}}})
            earlier[name] = None


def _condition_fault(text: str, earlier: Iterable[str], *, is_planned: bool) -> str:
    """Why a condition is refused; empty if it is not."""
    try:
        condition = StepCondition(text, earlier)
    except InvalidInput as error:
        return error.message
    if is_planned and condition.steps:
        return (
            "It compares values of earlier steps, so no plan holds what the step changes; run the job without a plan."
        )
    return ""


def _parts(data: Mapping[str, Any]) -> tuple[Part, ...]:
    """The operations of the steps, as far as they are well-formed."""
    steps = data.get("steps")
    parts: list[Part] = []
    names: list[str] = []
    # the schema refuses longer lists before it looks into them
    for number, step in enumerate(steps[:MOST_STEPS] if isinstance(steps, list) else ()):
        inner = step.get("operation") if isinstance(step, Mapping) else None
        if not isinstance(inner, Mapping) or not isinstance(inner.get("type"), str):
            continue
        part_data = inner.get("data", {})
        name = name_of(step, number)
        if isinstance(part_data, Mapping):
            label = f"step {number + 1} ({brief(name, _LONGEST_NAME)})"
            way, condition = ("steps", number, "operation"), step.get("if")
            parts.append(Part(way, label, inner["type"], part_data, tuple(names), condition))
        names.append(name)
    return tuple(parts)


def _title(data: Mapping[str, Any]) -> str | None:
    """The names of the steps."""
    names = ", ".join(name_of(step, number) for number, step in enumerate(data["steps"]))
    line = " ".join("".join(char if char.isprintable() else " " for char in names).split())
    return brief(line, _LONGEST_TITLE) or None


# It gives nothing by itself: every job needs this permission, and each step needs that of its operation besides.
@operation(
    "steps.run",
    schema=StepsSchema,
    changes=True,
    idempotent=True,
    permission="job:write",
    takes_facts=False,
    parts=_parts,
    title=_title,
)
def run(data: dict[str, Any], context: Context) -> Outcome:
    """Run operations one after another; a failed step ends the sequence, except for error handlers and clean-up."""
    steps = [Step.of(step, number) for number, step in enumerate(data["steps"])]
    ended = StepSequence(steps, context, check=data["check"], diff=data["diff"]).run()
    changes = combined(
        [Change(step.would_change if data["check"] else bool(step.changed), step.diff) for step in ended.steps]
    )
    change = Change(changes.changed, changes.diff, ended.message, ended.error)
    return change_outcome(change, data, {"steps": ended.bounded(context.max_result_bytes, changes.diff)})
