"""Functions for `python.call`: the agents of the tests allow this module."""

from __future__ import annotations

import os
import sys
from os import getcwd  # noqa: F401 (imported on purpose: what a module merely imports must not be callable)
from pathlib import Path
from typing import Any


def add(first: int, second: int = 0) -> dict[str, Any]:
    return {"sum": first + second}


def leave_a_line(path: str) -> dict[str, Any]:
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    return {"path": path}


def fail() -> None:
    raise ValueError("on purpose")


def not_json() -> Any:
    return {1, 2}


def die() -> None:
    os.abort()


def reveal(text: str, fail: bool = False) -> dict[str, Any]:
    """Tell a text in every way that a function has."""
    sys.stdout.write(f"{text}\n")
    for part in (text[:5], f"{text[5:]}\n"):
        sys.stderr.write(part)
        sys.stderr.flush()
    if fail:
        raise ValueError(f"cannot go on with {text!r}")
    return {"text": text, text: [text]}
