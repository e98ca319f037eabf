"""An operation's description for callers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class OperationInfo:
    """One entry of the catalogue. ``schema`` is the JSON Schema of the operation's data.

    ``changes``: it may change the host. ``idempotent``: running it twice is as good as once.
    ``permission``: what a caller needs besides the right to submit. ``plugin``: the distribution it comes from.
    ``positional``: the field of the data that takes the words after ``--`` on a command line, if there is one.
    """

    type: str
    summary: str
    schema: Mapping[str, Any]
    changes: bool
    idempotent: bool
    permission: str
    plugin: str
    positional: str | None = None
