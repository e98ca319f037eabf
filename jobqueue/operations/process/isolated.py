"""Run Python code in a child process, so that it can be killed at a timeout or on cancel.

The child is a fresh interpreter, not a fork: forking a process that has threads is not safe. It gets its request as
JSON on its standard input and answers as JSON through an unnamed file; its printed text is live output.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from jobqueue.errors import (
    OperationCancelled,
    OperationFailed,
    OperationNotNeeded,
    OperationNotSupported,
    OperationTimedOut,
)
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.run import ProcessResult

if TYPE_CHECKING:
    from jobqueue.operations.base import Operation

_log = logging.getLogger(__name__)

#: -I keeps the current directory and the environment from choosing what is imported; the path is the agent's own.
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from jobqueue.operations.process.child import main; main()"
)
#: Bytes for the answer's frame around the result, whose size the child limits.
_FRAME_BYTES = 64 * 1024
#: The line after the last report.
_END = b"end\n"
#: The agent's settings that a child receives.
_SETTINGS = ("state_dir", "cache_dir", "data_dir", "hostname", "max_cache_bytes", "max_unpacked_bytes", "ansible")
#: Errors that keep their class on the way back; every other one means that the operation failed.
_ERRORS = {
    error.code: error for error in (OperationTimedOut, OperationCancelled, OperationNotSupported, OperationNotNeeded)
}


def run_isolated(operation: Operation, data: Mapping[str, Any], context: Context) -> Outcome:
    """Run ``operation`` on the JSON ``data`` in a child process; raises as ``run_operation`` does."""
    module = getattr(operation.run, "__module__", "")
    return ask_child({"kind": "operation", "module": module, "type": operation.type, "data": dict(data)}, context)


def ask_child(request: Mapping[str, Any], context: Context, timeout: float | None = None) -> Outcome:
    """Send ``request`` to a new child and give its answer; ``timeout`` is in seconds, on top of the run's deadline."""
    with tempfile.TemporaryFile() as answer, _Reports(context) as reports:
        fds = {"answer_fd": answer.fileno(), "report_fd": reports.fd}
        frame = {**request, **fds, "parent": os.getpid(), "context": _portable(context)}
        path = json.dumps(sys.path)
        result = context.run(
            [sys.executable, "-I", "-X", "utf8", "-c", _BOOT, path],
            stdin=json.dumps(frame, default=str).encode(),
            timeout=timeout,
            pass_fds=list(fds.values()),
        )
        answer.seek(0)
        text = answer.read(context.max_result_bytes + _FRAME_BYTES)
    return _outcome(text, result)


class _Reports:
    """Passes a child's progress reports, one JSON object per line, to the context of the run."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._read, self.fd = os.pipe()
        self._thread = threading.Thread(target=self._listen, name="reports", daemon=True)

    def __enter__(self) -> _Reports:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # the child is gone, but its descendants may hold the pipe open: writing the last line ends the reader
        os.write(self.fd, _END)
        os.close(self.fd)
        self._thread.join()

    def _listen(self) -> None:
        with os.fdopen(self._read, "rb") as lines:
            for line in lines:
                if line == _END:
                    return
                try:
                    info = json.loads(line)
                except ValueError:
                    _log.warning("job %s sent a progress report that is not JSON", self._context.job_id)
                    continue
                self._context.report(info)


def _portable(context: Context) -> dict[str, Any]:
    return {
        "hostname": context.hostname,
        "labels": dict(context.labels),
        "facts": dict(context.facts),
        "job_id": context.job_id,
        "attempt": context.attempt,
        "remaining": context.remaining(),
        "timeout_seconds": context.timeout_seconds,
        "environment": list(context.confinement.environment),
        "python_modules": list(context.python_modules),
        "max_output_bytes": context.max_output_bytes,
        "max_result_bytes": context.max_result_bytes,
        "settings": context.settings and {name: getattr(context.settings, name) for name in _SETTINGS},
    }


def _outcome(text: bytes, result: ProcessResult) -> Outcome:
    details = {"exit_code": result.exit_code, **result.tails()}
    try:
        answer = json.loads(text)
    except ValueError:
        how = f"died by {result.signal_name}" if result.signal_name else f"exited with code {result.exit_code}"
        raise OperationFailed(f"The child process {how} before it answered.", details) from None
    if "error" not in answer:
        return Outcome(answer["data"], answer["changed"], answer["failed_with"])
    if answer.get("trace"):
        _log.error("a child process raised:\n%s", answer["trace"])
    error = _ERRORS.get(answer["code"], OperationFailed)
    printed = details if details["stdout"] or details["stderr"] else {}
    raise error(answer["error"], {**printed, **(answer.get("details") or {})} or None)
