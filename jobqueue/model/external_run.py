"""A run that no agent of ours runs: a driver elsewhere does, and tells how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: The slot of its only execution. No agent can have this name.
EXTERNAL_SLOT = "_outside"
#: The operation that it is listed under.
EXTERNAL_OPERATION = "outside.run"

#: Fields of what a driver tells.
CONFIG = "config"
RESULT = "result"
START = "startTime"
END = "endTime"


@dataclass(frozen=True)
class ExternalRun:
    """``word`` is the driver's own word for the state; ``told`` what else it told, by field, the newest of each.

    ``name`` is what the driver calls the run; empty if the service itself recorded it.
    """

    word: str
    told: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class ExternalRunReport:
    """What a driver tells of the run that it calls ``name``.

    ``after`` are the words that it may have said before, ``state`` what the word means for the execution (a value of
    ``ExecutionState``; empty: it stays where it is). ``told`` replaces what was told before, field by field. ``tags``
    and ``groups`` count for a run that is new. ``hostname`` may be empty; ``note`` is the error, or the reason.

    ``owner`` tells the names of different reporters apart: only the same owner moves a run. Without an owner the
    service itself reports, and ``name`` is an alias of the job.
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
    owner: str = ""
    groups: tuple[str, ...] = ()
