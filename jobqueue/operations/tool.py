"""Programs of the system that operations call for their output, such as systemctl."""

from __future__ import annotations

from collections.abc import Sequence

from jobqueue.errors import OperationFailed
from jobqueue.operations.context import Context
from jobqueue.operations.process.run import ProcessResult, discard
from jobqueue.operations.text import brief

_MAX_QUOTED_BYTES = 2000
_MAX_QUOTED_LENGTH = 1000


def run_tool(argv: Sequence[str], context: Context, success_codes: Sequence[int] = (0,)) -> str:
    """The standard output of a program, in English. Raises ``OperationFailed`` with its message if it fails."""
    result = context.run(argv, env={"LC_ALL": "C.UTF-8"}, output=discard)
    if result.exit_code not in success_codes:
        raise tool_failure(argv[0], result)
    return result.stdout.text()


def tool_failure(program: str, result: ProcessResult) -> OperationFailed:
    """The error for a program that failed: how it ended, and the message that it printed."""
    printed = result.stderr.text(_MAX_QUOTED_BYTES) or result.stdout.text(_MAX_QUOTED_BYTES)
    return OperationFailed(f"{program} {result.ending}: {brief(printed.strip(), _MAX_QUOTED_LENGTH)}")
