"""The child's side of ``isolated``: one request in, one answer out, then the process ends."""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jobqueue import excerpt
from jobqueue.errors import JobQueueError, OperationFailed
from jobqueue.operations.context import Context
from jobqueue.operations.outcome import Outcome
from jobqueue.operations.process.confinement import Confinement
from jobqueue.operations.result import checked
from jobqueue.operations.text import brief, clean, describe
from jobqueue.settings import Settings

_MAX_TRACE_LENGTH = 20_000
#: Seconds between two checks whether the agent is still alive.
_LOOK_SECONDS = 0.5


def main() -> None:
    """Answer the request on standard input."""
    request = json.loads(sys.stdin.buffer.read())
    answer_fd: int = request["answer_fd"]
    report_fd: int = request["report_fd"]
    for own in (answer_fd, report_fd):
        os.set_inheritable(own, False)  # not inherited by the code's own processes
    threading.Thread(target=_end_with, args=(request["parent"],), name="parent", daemon=True).start()
    _silence_stdin()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    answer = json.dumps(_answer(request, _context(request["context"], report_fd)), allow_nan=False)
    with os.fdopen(answer_fd, "w", encoding="utf-8") as file:
        file.write(answer)


def _end_with(parent: int) -> None:
    """If the agent was killed, end this process and its children before another agent repeats the run."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)  # this process leads a group of its own


def _silence_stdin() -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _answer(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    try:
        outcome = _call(request, context) if request["kind"] == "call" else _operate(request, context)
        failed_with = None if outcome.error is None else brief(str(outcome.error))
        data = checked(outcome.data, context.max_result_bytes)
        return {"data": data, "changed": outcome.changed, "failed_with": failed_with}
    except JobQueueError as error:
        return {
            "error": brief(str(error.message)),
            "code": error.code,
            "details": _checked_details(error.details, context),
        }
    except (Exception, SystemExit) as error:  # noqa: BLE001 (an exception of the code is the answer)
        trace = excerpt.end(clean(traceback.format_exc(limit=50)), _MAX_TRACE_LENGTH)
        return {"error": describe(error), "code": OperationFailed.code, "trace": trace}


def _checked_details(details: Mapping[str, Any] | None, context: Context) -> Any:
    try:
        return checked(dict(details), context.max_result_bytes) if details else None
    except OperationFailed as error:  # no JSON: the error itself is what matters
        return {"lost": error.message}


def _context(fields: Mapping[str, Any], report_fd: int) -> Context:
    context = dict(fields)
    remaining, settings = context.pop("remaining"), context.pop("settings")
    # limits and user are this process's own already
    confinement = Confinement(environment=tuple(context.pop("environment")))
    folders = {name: Path(value) for name, value in (settings or {}).items() if name.endswith("_dir")}

    def report(info: Mapping[str, Any]) -> None:
        os.write(report_fd, json.dumps(dict(info)).encode() + b"\n")

    return Context(
        **{**context, "python_modules": tuple(context["python_modules"])},
        settings=Settings(**{**settings, **folders}) if settings else None,
        confinement=confinement,
        report=report,
        deadline=None if remaining is None else time.monotonic() + remaining,
        output=_print,
    )


def _print(stream: str, chunk: bytes) -> None:
    target = sys.stderr if stream == "stderr" else sys.stdout
    target.flush()
    target.buffer.write(chunk)
    target.buffer.flush()


def _operate(request: Mapping[str, Any], context: Context) -> Outcome:
    # imported here, since a plain call needs no schemas
    from jobqueue.operations.base import Operation

    module = importlib.import_module(request["module"])
    for member in vars(module).values():
        if isinstance(member, Operation) and member.type == request["type"]:
            answer = member.run(member.load(request["data"]), context)
            return answer if isinstance(answer, Outcome) else Outcome(answer)
    raise OperationFailed(f"Module {request['module']} no longer holds the operation {request['type']}.")


def _call(request: Mapping[str, Any], context: Context) -> Outcome:
    module_name, name = request["module"], request["function"]
    try:
        function = getattr(importlib.import_module(module_name), name)
    except ModuleNotFoundError as error:
        raise OperationFailed(f"Module {module_name!r} cannot be imported: {describe(error)}.") from error
    except AttributeError:
        raise OperationFailed(f"Module {module_name!r} has no function {name!r}.") from None
    if not callable(function):
        raise OperationFailed(f"{module_name}.{name} is not a function.")
    # functions that an allowed module has merely imported (such as os.system) are not allowed
    home = getattr(function, "__module__", None)
    if not isinstance(home, str) or not is_allowed(home, context.python_modules):
        raise OperationFailed(f"{module_name}.{name} is defined in {home}, which this agent does not allow.")
    answer = function(*request["args"], **request["kwargs"])
    return answer if isinstance(answer, Outcome) else Outcome(answer)


def is_allowed(module: str, allowed: Sequence[str]) -> bool:
    """Whether ``module`` is one of ``allowed`` or lies below one of them."""
    return any(module == name or module.startswith(f"{name}.") for name in allowed)
