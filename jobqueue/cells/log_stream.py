"""The output of a job of one cell, followed: its cell's stream, passed on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from jobqueue.cells import cell_stream
from jobqueue.cells.cell import Cell
from jobqueue.cells.cell_stream import COMMENT, ServerEvent

#: What a cell sends of output. Other kinds come from newer cells only.
_KINDS = frozenset({"output", "cut", "host_end", "end", "error"})

#: An event: its name, its data, and its id.
Passed = tuple[str, dict[str, Any], str]


def follow(cell: Cell, path: str, query: Mapping[str, Any], last_id: str) -> Iterator[Passed | None]:
    """The events of a stream as they come; None from time to time while there are none.

    Raises what the cell answers, and ``CellUnavailable``, before the first event, too.
    """
    events = _followed(cell, path, query, last_id)
    first = next(events, None)  # opens the stream
    return chain([first], events)


def _followed(cell: Cell, path: str, query: Mapping[str, Any], last_id: str) -> Iterator[Passed | None]:
    with cell.followed(), cell.stream(path, query, last_id=last_id, comments=True) as events:
        for event in events:
            if event.name == COMMENT:
                yield None
            elif event.name in _KINDS:
                yield _checked(cell, event)


def _checked(cell: Cell, event: ServerEvent) -> Passed:
    try:
        return event.name, cell_stream.data_of(event), event.id
    except ValueError as error:
        raise cell.error(f"the server at {cell.url} sent something other than the output of a job") from error
