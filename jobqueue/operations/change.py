"""Operations that bring a host into a state: a check that changes nothing, a diff, and the common answer."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import fields, validate

from jobqueue.model.fleet_plan import DIGEST_LENGTH, MAX_CHANGES
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.schema import Flag, Items, Schema, Text, shape
from jobqueue.operations.text import brief, clean

#: Longest diff of an answer, in characters.
MAX_DIFF_LENGTH = 64 * 1024
#: Longer texts are not compared line by line, which takes quadratic time at worst.
_MAX_COMPARED_LENGTH = 256 * 1024
_MAX_MESSAGE_LENGTH = 500


def _digest(**options: Any) -> Text:
    return Text(**options, **shape(f"[0-9a-f]{{{DIGEST_LENGTH}}}", "Must be a digest of 64 hex digits."))


class PlanSchema(Schema):
    """A fleet plan: the job that checked, the hash that was approved, and the digests of the changes that it holds."""

    job = Text(required=True, **shape(r"[0-9a-f-]{36}", "Must be the id of a job."))
    hash = _digest(required=True)
    changes = Items(_digest(), required=True, validate=validate.Length(1, MAX_CHANGES))


class ChangeSchema(Schema):
    """The common fields of operations that change hosts."""

    check = Flag(
        load_default=False,
        metadata={"description": "Change nothing; the answer holds would_change, and the change as a diff."},
    )
    diff = Flag(load_default=False, metadata={"description": "Include the change in the answer, as a diff."})
    plan = fields.Nested(
        PlanSchema,
        metadata={"description": "Change the host only if it still needs the change that this plan holds of it."},
    )


@dataclass(frozen=True)
class Change:
    """The effect of a run: what it changed, or in a check, what it would change.

    ``diff`` is a unified diff, empty without one; ``message`` a sentence for a person. ``error``: why the run failed.
    """

    changed: bool
    diff: str = ""
    message: str = ""
    error: str | None = None


def change_outcome(change: Change, data: Mapping[str, Any], answer: Mapping[str, Any]) -> Outcome:
    """The outcome of a run with ``data`` (of a ``ChangeSchema``); ``answer`` holds the operation's own fields."""
    check: bool = data["check"]
    fields: dict[str, Any] = {**answer, "changed": change.changed and not check}
    if check:
        fields |= {"check": True, "would_change": change.changed}
    if change.diff and (check or data["diff"]):
        fields["diff"] = change.diff
    if change.message:
        fields["message"] = brief(change.message, _MAX_MESSAGE_LENGTH)
    return Outcome(fields, fields["changed"], change.error)


def combined(changes: Sequence[Change]) -> Change:
    """One change of several: changed if any has, with their diffs one after another."""
    return Change(any(change.changed for change in changes), bounded_diff("".join(change.diff for change in changes)))


def unified_diff(before: str, after: str, before_name: str, after_name: str | None = None) -> str:
    """A unified diff of two texts under a name, bounded; empty for equal texts."""
    if before == after:
        return ""
    before, after = clean(before), clean(after)
    if len(before) + len(after) > _MAX_COMPARED_LENGTH:
        return f"{before_name}: too long to be compared, {len(before)} characters before and {len(after)} after\n"
    lines = difflib.unified_diff(_lines(before), _lines(after), before_name, after_name or before_name)
    return bounded_diff("".join(lines))


def bounded_diff(text: str) -> str:
    """``text``, cut after its last line that fits, with a line that says so."""
    if len(text) <= MAX_DIFF_LENGTH:
        return text
    kept = text[: text.rfind("\n", 0, MAX_DIFF_LENGTH) + 1] or text[:MAX_DIFF_LENGTH]
    return f"{kept}[... {len(text) - len(kept)} more characters of the diff]\n"


def state_diff(subject: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """A diff of the properties of ``subject`` ("user deploy"), one a line."""
    return unified_diff(_properties(before), _properties(after), subject)


def _properties(state: Mapping[str, Any]) -> str:
    return "".join(f"{name}: {_value(value)}\n" for name, value in state.items() if value is not None)


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _lines(text: str) -> list[str]:
    """Lines with their ends; a text without a final line break is marked as ``diff`` does."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n\\ No newline at end of file\n"
    return lines
