"""Operations within the data of another operation, such as the steps of a job with several."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobqueue.operations.base import Operation
    from jobqueue.operations.context import Context
    from jobqueue.operations.outcome import Outcome

#: Members of the object that names an operation, as in a request.
TYPE, DATA = "type", "data"


@dataclass(frozen=True)
class Part:
    """One of them. ``way`` leads to the object with its type and data; ``label`` names it in sentences.

    ``earlier``: the names of the parts that have ended before it begins, whose values its data may use. ``condition``:
    a target expression that a host must meet, well-formed if the whole data is.
    """

    way: tuple[str | int, ...]
    label: str
    type: str
    data: Mapping[str, Any]
    earlier: tuple[str, ...] = ()
    condition: str | None = None

    @property
    def path(self) -> str:
        """The way with dots, as in the details of errors."""
        return ".".join(map(str, self.way))


#: The well-formed parts of an operation's data, in order; the schema refuses the others.
ReadParts = Callable[[Mapping[str, Any]], tuple[Part, ...]]


@dataclass(frozen=True)
class PermittedPart:
    """A part that an agent may run. ``run`` validates its data and runs it within the limits of the host's policy."""

    operation: Operation
    run: Callable[[Mapping[str, Any], Context], Outcome]


def with_part_data(data: Mapping[str, Any], parts: Iterable[Part], part_data: Iterable[Any]) -> dict[str, Any]:
    """The data with other data in its parts; a part without any loses the member. Only the ways to them are copied."""
    changed = dict(data)
    copies: dict[tuple[str | int, ...], Any] = {}
    for part, value in zip(parts, part_data, strict=True):
        inner: Any = changed
        for depth, key in enumerate(part.way, 1):
            way = part.way[:depth]
            if way not in copies:  # data may be large, and is the caller's
                copies[way] = inner[key] = copy.copy(inner[key])
            inner = copies[way]
        inner.pop(DATA, None)
        if value:
            inner[DATA] = value
    return changed


def outline(data: Mapping[str, Any], parts: Iterable[Part]) -> dict[str, Any]:
    """The data without that of its parts."""
    every = tuple(parts)
    return with_part_data(data, every, [None] * len(every))
