"""What the stream of events of a cell says, checked: a server in place of a cell may send anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jobqueue.cells import cell_stream, shapes
from jobqueue.cells.cell import Cell
from jobqueue.cells.cell_stream import ServerEvent
from jobqueue.errors import InvalidInput
from jobqueue.model.job_event import event_position
from jobqueue.model.timestamps import from_iso

Document = dict[str, Any]
Position = tuple[int, int]
#: Steps that a cell reports under one id.
_MOST_STEPS = 1000
_TEXTS = ("event", "hostname", "timestamp", "message")
_TOO_OLD = "is too old for a front; upgrade it"


@dataclass(frozen=True)
class Entry:
    """Steps of jobs that a cell reported together, and its position behind them."""

    cell: str
    id: str
    position: Position
    steps: tuple[Document, ...]
    #: Bytes of the events.
    size: int

    @property
    def newest(self) -> int:
        """The time of the last step, in microseconds."""
        return from_iso(self.steps[-1]["timestamp"])


@dataclass(frozen=True)
class Place:
    """The cell's stream continues behind this position."""

    id: str
    position: Position


@dataclass(frozen=True)
class Gap:
    """Events may be missing."""


@dataclass(frozen=True)
class Waiting:
    """The cell sends no events at present."""

    reason: str


Item = Entry | Place | Gap | Waiting


class FeedReader:
    """Reads one connection's stream of events, which the query ``each=true`` asks for."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._steps: list[Document] = []
        self._size = 0
        self._is_first = True

    def read(self, event: ServerEvent) -> Item | None:
        """What an event says; None for a step that others with the same id follow.

        Raises ``CellUnavailable`` for what no cell sends.
        """
        is_first, self._is_first = self._is_first, False
        try:
            if event.name == "job":
                if is_first:
                    raise self._cell.error(f"the jobqueue at {self._cell.url} {_TOO_OLD}")
                return self._step(event)
            if event.name == "position":
                return Place(event.id, event_position(event.id))
            data = cell_stream.data_of(event)
        except (ValueError, InvalidInput) as error:
            raise self._cell.error(
                f"the server at {self._cell.url} sent something other than an event of a job"
            ) from error
        if event.name == "reset":
            return Gap()
        if event.name == "waiting":
            return Waiting(f"Cell {self._cell.name}: {str(data.get('reason'))[:500]}")
        if event.name == "error":
            self._cell.forget_token()  # the end of its rights is what mostly ends a stream
            raise self._cell.error(f"it ended the stream of events: {str(data.get('error'))[:500]}")
        return None  # a kind that only newer cells send

    def _step(self, event: ServerEvent) -> Entry | None:
        self._steps.append(_checked(cell_stream.data_of(event)))
        self._size += len(event.data)
        if not event.id:
            if len(self._steps) >= _MOST_STEPS or self._size > cell_stream.MOST_BYTES:
                raise ValueError("too many steps without an id")
            return None
        position, steps = event_position(event.id), tuple(self._steps)
        size, self._steps, self._size = self._size, [], 0
        return Entry(self._cell.name, event.id, position, steps, size)


def _checked(step: Document) -> Document:
    """The step of a job. Raises ``ValueError`` for anything else."""
    if not shapes.is_job_id(step.get("job_id")) or not shapes.is_status(step.get("status")):
        raise ValueError("not a step of a job")
    if not all(isinstance(step.get(name), str) for name in _TEXTS) or not isinstance(step.get("error"), str | None):
        raise ValueError("not a step of a job")
    from_iso(step["timestamp"])
    return step
