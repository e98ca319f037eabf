"""An operation's return value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """The answer of one run.

    ``data`` is any JSON value. ``changed`` says whether the host was changed; None leaves it to what the operation
    declared (an operation that changes things is taken to have done so). ``run_operation`` always gives a bool.
    """

    data: Any = None
    changed: bool | None = None
