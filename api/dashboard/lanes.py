"""A lane for each batch of a rollout: a bar of its hosts by state."""

from __future__ import annotations

from dataclasses import dataclass

from jobqueue.model.rollout_progress import Batch, BatchState, RolloutProgress
from jobqueue.model.states import ExecutionState

WIDTH = 1000
#: Lanes on the page: with more batches, those around the newest that was opened.
MOST = 40


@dataclass(frozen=True)
class Piece:
    """Hosts of one state: a part of a bar."""

    state: str
    x: int
    width: int
    count: int


@dataclass(frozen=True)
class Lane:
    """One batch."""

    batch: Batch
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Lanes:
    """The lanes of a page, and how many it leaves out."""

    lanes: tuple[Lane, ...] = ()
    left_out: int = 0


def draw(rollout: RolloutProgress | None) -> Lanes:
    """The lanes of a rollout; none without one."""
    if rollout is None:
        return Lanes()
    newest = sum(1 for batch in rollout.batches if batch.state in (BatchState.ENDED, BatchState.RUNNING))
    first = min(max(0, newest - MOST // 2), max(0, len(rollout.batches) - MOST))
    shown = rollout.batches[first : first + MOST]
    return Lanes(tuple(Lane(batch, _pieces(batch)) for batch in shown), len(rollout.batches) - len(shown))


def _pieces(batch: Batch) -> tuple[Piece, ...]:
    pieces, begin = [], 0
    for state in ExecutionState:
        count = batch.counts.get(state, 0)
        if count:
            pieces.append(Piece(state.value, begin * WIDTH // batch.hosts, count * WIDTH // batch.hosts, count))
            begin += count
    return tuple(pieces)
