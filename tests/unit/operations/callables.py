"""Functions that the tests call in child processes; little is imported, since every child pays for it."""

from __future__ import annotations

import os
import signal
import sys
import time
from os import system as borrowed  # noqa: F401 (what an allowed module imports must not be callable through it)
from typing import Any

from jobqueue.operations.outcome import Outcome

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


def half_done() -> Outcome:
    return Outcome({"done": 1}, changed=True, error="the second half failed")
