"""Python functions of modules that the agent's owner has allowed."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from jobqueue.errors import OperationFailed
from jobqueue.operations.base import OTHER_CODE, operation
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.child import is_allowed
from jobqueue.operations.process.isolated import ask_child
from jobqueue.operations.schema import Entries, Items, Schema, Text, shape, timeout_field

# a name with a leading underscore is private to its module, and is not called from afar
_FUNCTION = r"(?:[A-Za-z_][A-Za-z0-9_]*\.)*[A-Za-z_][A-Za-z0-9_]*[.:][A-Za-z][A-Za-z0-9_]*"


class CallSchema(Schema):
    function = Text(
        required=True,
        **shape(_FUNCTION, "Must be a public function of a module, such as package.module.function."),
    )
    args = Items(fields.Raw(allow_none=True), load_default=list)
    kwargs = Entries(
        keys=Text(),
        values=fields.Raw(allow_none=True),
        load_default=dict,
    )
    timeout = timeout_field()


@operation(
    "python.call",
    schema=CallSchema,
    changes=True,
    permission="python:execute",
    only_starts_processes=True,
    code={"function": OTHER_CODE},
)
def call(data: dict[str, Any], context: Context) -> Outcome:
    """Call a function of an importable module; its return value is the result and must be JSON.

    It runs in a child process, which is killed at the timeout. A function may return an ``Outcome`` to say whether
    it changed anything.
    """
    module, _, name = data["function"].replace(":", ".").rpartition(".")
    if not is_allowed(module, context.python_modules):
        allowed = ", ".join(context.python_modules) or "none"
        raise OperationFailed(f"This agent does not allow calls into module {module!r} (allowed modules: {allowed}).")
    request = {"kind": "call", "module": module, "function": name, "args": data["args"], "kwargs": data["kwargs"]}
    return ask_child(request, context, data.get("timeout"))
