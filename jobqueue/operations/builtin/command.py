"""Commands: a program with its arguments, or a line for the shell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, validate, validates_schema

from jobqueue.operations.base import SHELL, operation
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.answer import process_outcome, success_codes_field
from jobqueue.operations.schema import Document, Entries, Items, Path, Schema, Text, shape, timeout_field
from jobqueue.plain_text import unix_code

_MAX_ARGUMENTS = 10_000
_SHELL = "/bin/sh"


class _Surroundings(Schema):
    """The common fields of both kinds of command."""

    cwd = Path(metadata={"description": "Working directory; default: the agent's."})
    env = Entries(
        keys=Text(**shape(r"[^=]+", "Must be a name without '='.")),
        values=Text(),
        load_default=dict,
        metadata={"description": "Added to the agent's environment."},
    )
    stdin = Document(metadata={"description": "Text for the standard input; empty by default."})
    success_codes = success_codes_field()
    timeout = timeout_field()


class ExecSchema(_Surroundings):
    argv = Items(Text(), validate=validate.Length(1, _MAX_ARGUMENTS))
    command = Text(validate=validate.Length(1), metadata={"description": "The program; an alternative to argv."})
    args = Items(Text(), validate=validate.Length(max=_MAX_ARGUMENTS))

    @validates_schema
    def _one_form(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if ("argv" in data) == ("command" in data):
            raise ValidationError("Give either argv, or command with args.")
        if "argv" in data and "args" in data:
            raise ValidationError("Only allowed with command, not with argv.", "args")
        if "argv" in data and not data["argv"][0]:
            raise ValidationError("The program must not be empty.", "argv")


class ShellSchema(_Surroundings):
    command = Text(required=True, validate=validate.Length(1), metadata={"description": "A line for /bin/sh -c."})


@operation(
    "command.exec.execute",
    schema=ExecSchema,
    changes=True,
    permission="command:execute",
    only_starts_processes=True,
    positional="argv",
)
def exec_execute(data: dict[str, Any], context: Context) -> Outcome:
    """Run a program without a shell. An exit code outside of `success_codes` fails the job."""
    return _execute(data["argv"] if "argv" in data else [data["command"], *data.get("args", [])], data, context)


@operation(
    "command.shell.execute",
    schema=ShellSchema,
    changes=True,
    permission="shell:execute",
    only_starts_processes=True,
    positional="command",
    code={"command": SHELL},
)
def shell_execute(data: dict[str, Any], context: Context) -> Outcome:
    """Run a shell command line. An exit code outside of `success_codes` fails the job."""
    return _execute([_SHELL, "-c", unix_code(data["command"])], data, context)


def _execute(argv: Sequence[str], data: Mapping[str, Any], context: Context) -> Outcome:
    stdin = data.get("stdin")
    result = context.run(
        argv,
        cwd=data.get("cwd"),
        env=data["env"],
        stdin=None if stdin is None else stdin.encode(),
        timeout=data.get("timeout"),
    )
    return process_outcome(result, data["success_codes"], "command", context)
