"""A job's timeline as one bar per agent, as coordinates for the template to draw."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobqueue.model.answers import rank
from jobqueue.model.execution_page import answering_agent
from jobqueue.model.job import Execution, Job
from jobqueue.model.states import ExecutionState
from jobqueue.model.timestamps import duration_text

WIDTH = 1000
#: The narrowest piece that can be seen.
_LEAST = 3.0
#: Agents that are drawn unless all are asked for.
FEW = 40
_ENDS = frozenset(state.value for state in ExecutionState if state.is_final)


@dataclass(frozen=True)
class Piece:
    """A stretch of time: ``kind`` is ``waiting``, ``running`` or the state that a run ended in.

    ``start`` and ``end`` are in microseconds; ``end`` is 0 while it continues.
    """

    x: float
    width: float
    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class Bar:
    """One agent's time. ``waits_since`` and ``runs_since`` (microseconds) are 0 unless it still does."""

    host: str
    state: str
    pieces: tuple[Piece, ...]
    waited: str
    ran: str
    attempts: int
    waits_since: int
    runs_since: int


@dataclass(frozen=True)
class Bars:
    """``scale`` are the times along the top, ``left_out`` the number of agents that are not drawn."""

    bars: tuple[Bar, ...]
    scale: tuple[str, ...]
    left_out: int


def draw(job: Job, now: int, most: int | None = FEW) -> Bars:
    """Lay the timeline out, those that failed first, then those that took longest. ``now`` is in microseconds."""
    end = max((execution.finished for execution in job.executions), default=0) if job.status.is_final else now
    length = max(end - job.created, 1000)

    def urgency(execution: Execution) -> tuple[int, int, str]:
        return (
            rank(execution.state.value),
            -((execution.finished or end) - (execution.started or end)),
            answering_agent(execution),
        )

    ordered = sorted(job.executions, key=urgency)
    shown = ordered if most is None else ordered[:most]
    return Bars(
        tuple(_bar(execution, job.created, end, length) for execution in shown),
        tuple(duration_text(length * part // 4) for part in range(5)),
        len(ordered) - len(shown),
    )


def _bar(execution: Execution, created: int, end: int, length: int) -> Bar:
    pieces: list[Piece] = []
    since, running = created, False
    for event in execution.events:
        if event.event == "started":
            pieces += _piece(since, event.at, "waiting", created, length)
            since, running = event.at, True
        elif event.event in _ENDS or event.event == "retried":
            kind = ("failed" if event.event == "retried" else event.event) if running else "waiting"
            pieces += _piece(since, event.at, kind, created, length)
            since, running = event.at, False
    if not execution.state.is_final:
        goes_on = _piece(since, end, "running" if running else "waiting", created, length)
        pieces += [replace(piece, end=0) for piece in goes_on]
    started = execution.started
    until = started or execution.finished or end
    return Bar(
        answering_agent(execution),
        execution.state.value,
        tuple(pieces),
        duration_text(max(0, until - created)),
        duration_text((execution.finished or end) - started) if started else "",
        execution.attempt,
        0 if execution.state.is_final or started else created,
        started if started and not execution.state.is_final else 0,
    )


def _piece(start: int, end: int, kind: str, created: int, length: int) -> list[Piece]:
    width = (end - start) / length * WIDTH
    if kind == "waiting" and width < 1:
        return []
    x = max(0.0, min((start - created) / length * WIDTH, WIDTH - _LEAST))
    return [Piece(round(x, 1), round(max(_LEAST, min(width, WIDTH - x)), 1), kind, start, end)]
