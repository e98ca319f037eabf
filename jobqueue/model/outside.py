"""A run that no agent of ours runs: a driver elsewhere does, and tells how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: The slot of its only execution. No agent can have this name.
OUTSIDE = "_outside"
#: The operation that it is listed under.
OUTSIDE_OPERATION = "outside.run"

#: Fields of what a driver tells.
CONFIG = "config"
RESULT = "result"
START = "startTime"
END = "endTime"


@dataclass(frozen=True)
class Outside:
    """``word`` is the driver's own word for the state; ``told`` what else it told, by field, the newest of each."""

    word: str
    told: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What a driver tells of the run that it calls ``name``.

    ``after`` are the words that it may have said before, ``state`` what the word means for the execution (a value of
    ``ExecutionState``; empty: it stays where it is). ``told`` replaces what was told before, field by field. ``tags``
    count for a run that is new. ``hostname`` may be empty; ``note`` is the error, or the reason.
    """

    name: str
    word: str
    after: frozenset[str]
    state: str
    hostname: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    submitted_by: str = ""
    origin: str = "native"
