"""An operation's return value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """The answer of one run.

    ``data`` is any JSON value. ``changed`` says whether the host was changed; None stands for the
    operation's default (true if it may change the host). ``run_operation`` always gives a bool.
    ``error``: a sentence for the user if the run failed; ``data`` is kept. Raise ``OperationFailed`` for a
    failure that has no data.
    """

    data: Any = None
    changed: bool | None = None
    error: str | None = None
