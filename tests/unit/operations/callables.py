"""Functions and operations that the tests call in child processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from os import system as borrowed  # noqa: F401 (what an allowed module imports must not be callable through it)
from typing import Any

from jobqueue import Context, OperationFailed, OperationNotSupported, Outcome, Schema, operation
from jobqueue.operations.schema import Whole

answer = 42  # no function


def add(a: int, b: int = 1) -> int:
    return a + b


def changed_nothing() -> Outcome:
    return Outcome({"was": "so already"}, changed=False)


def unserialisable() -> Any:
    return {"deep": [object()]}


def boom() -> None:
    raise ValueError("no such luck")


def leave() -> None:
    sys.exit(3)


def vanish() -> None:
    sys.stderr.write("about to go\n")
    sys.stderr.flush()
    os.kill(os.getpid(), signal.SIGKILL)


def chatter() -> str:
    print("out loud")  # noqa: T201
    sys.stderr.write("aside\n")
    return sys.stdin.read()


def large(size: int) -> str:
    return "x" * size


def nap(seconds: float) -> None:
    time.sleep(seconds)


def _private() -> None: ...


class TimesSchema(Schema):
    number = Whole(required=True)


@operation("test.isolated.double", schema=TimesSchema, isolated=True)
def double(data: dict[str, Any], context: Context) -> dict[str, Any]:
    """Double a number in a child process."""
    context.output("stdout", b"doubling\n")
    return {"double": data["number"] * 2, "pid": os.getpid(), "fact": context.facts["a"], "host": context.hostname}


@operation("test.isolated.nap", isolated=True)
def isolated_nap(data: dict[str, Any], context: Context) -> None:
    """Sleep for a minute, deaf to everything."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(60)


@operation("test.isolated.fail", isolated=True)
def isolated_fail(data: dict[str, Any], context: Context) -> None:
    """Fail in the operation's own words."""
    raise OperationFailed("the disk is full")


@operation("test.isolated.skip", isolated=True)
def isolated_skip(data: dict[str, Any], context: Context) -> None:
    """Make no sense on this host."""
    raise OperationNotSupported("no such package manager")
