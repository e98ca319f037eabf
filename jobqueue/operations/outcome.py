"""An operation's return value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """The answer of one run.

    ``data`` is any JSON value. ``changed`` says whether the host was changed; None stands for the
    operation's default (true if it may change the host). ``run_operation`` always gives a bool.
    """

    data: Any = None
    changed: bool | None = None
