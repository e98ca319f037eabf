"""External runs: a driver outside jobqueue runs them, and reports their state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: The slot of the only execution. No agent can have this name.
EXTERNAL_SLOT = "_outside"
#: The operation under which external runs are listed.
EXTERNAL_OPERATION = "outside.run"

#: Fields of a driver's report.
CONFIG = "config"
RESULT = "result"
START = "startTime"
END = "endTime"


@dataclass(frozen=True)
class ExternalRun:
    """``word`` is the driver's word for the state; ``reported`` holds its other reports, the newest value by field.

    ``name`` is the driver's name for the run; empty if the service itself recorded it.
    """

    word: str
    reported: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""


@dataclass(frozen=True)
class ExternalRunReport:
    """A driver's report on the run that it calls ``name``.

    ``after`` are the words that may precede this one; ``state`` is the execution's state for the word (a value of
    ``ExecutionState``; empty: unchanged). ``reported`` replaces earlier reports, field by field. ``tags`` and
    ``groups`` apply only to a new run. ``hostname`` may be empty; ``note`` is the error or the reason.

    ``owner`` separates the names of different reporters: only the owner of a run can update it. Without an owner, the
    service itself reports, and ``name`` is an alias of the job.
    """

    name: str
    word: str
    after: frozenset[str]
    state: str
    hostname: str = ""
    reported: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    submitted_by: str = ""
    origin: str = "native"
    owner: str = ""
    groups: tuple[str, ...] = ()
