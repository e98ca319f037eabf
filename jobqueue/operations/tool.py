"""Programs of the system that operations call for their output, such as systemctl."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from jobqueue.errors import OperationFailed
from jobqueue.operations.context import Context
from jobqueue.operations.process.run import ProcessResult, discard
from jobqueue.operations.text import brief

_MAX_QUOTED_BYTES = 2000
_MAX_QUOTED_LENGTH = 1000
_RESTORE_SECONDS = 60.0


def run_tool(argv: Sequence[str], context: Context, success_codes: Sequence[int] = (0,)) -> str:
    """The standard output of a program, in English. Raises ``OperationFailed`` with its message if it fails."""
    result = context.run(argv, env={"LC_ALL": "C.UTF-8"}, output=discard)
    if result.exit_code not in success_codes:
        raise tool_failure(argv[0], result)
    return result.stdout.text()


def apply_restored(argv: Sequence[str], context: Context) -> None:
    """Have a program apply restored files, also in a run that was cancelled or timed out; never raises.

    The program's failure is added to the output of the run, which fails anyway.
    """
    deadline = context.clock() + _RESTORE_SECONDS
    own = replace(context, cancelled=threading.Event(), deadline=deadline, timeout_seconds=_RESTORE_SECONDS)
    try:
        run_tool(argv, own)
    except OperationFailed as error:
        context.output("stderr", f"The files were restored, but {error.message}\n".encode())


def tool_failure(program: str, result: ProcessResult) -> OperationFailed:
    """The error for a program that failed: how it ended, and the message that it printed."""
    printed = result.stderr.text(_MAX_QUOTED_BYTES) or result.stdout.text(_MAX_QUOTED_BYTES)
    return OperationFailed(f"{program} {result.ending}: {brief(printed.strip(), _MAX_QUOTED_LENGTH)}")
