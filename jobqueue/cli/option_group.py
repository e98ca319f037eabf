"""Options that several commands have together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])


def add_options(command: _F, options: Sequence[Callable[[Any], Any]]) -> _F:
    """Give a command the options, in this order."""
    for option in reversed(options):
        command = option(command)
    return command
