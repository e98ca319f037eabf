"""A chart of jobs over time, as coordinates for the template to draw. Nothing here is text that a user wrote."""

from __future__ import annotations

from dataclasses import dataclass

from jobqueue.model.history import History, Span
from jobqueue.model.states import JobStatus
from jobqueue.model.timestamps import to_iso

WIDTH, HEIGHT = 1000, 200
#: Space between two columns, as a share of a column's width.
_GAP = 0.15
#: From the bottom of a column upwards.
STACK = (
    JobStatus.COMPLETED,
    JobStatus.SKIPPED,
    JobStatus.CANCELLED,
    JobStatus.PARTIAL_FAILURE,
    JobStatus.FAILED,
    JobStatus.PROCESSING,
    JobStatus.SUBMITTED,
)


@dataclass(frozen=True)
class Range:
    """One choice of how far back the chart goes."""

    name: str
    title: str
    seconds: int
    spans: int


RANGES = (
    Range("hour", "the last hour", 60, 60),
    Range("day", "the last day", 1800, 48),
    Range("week", "the last week", 4 * 3600, 42),
)


@dataclass(frozen=True)
class Bar:
    """A piece of a column."""

    x: float
    y: float
    width: float
    height: float
    status: str


@dataclass(frozen=True)
class Row:
    """A span in words, for those who read the chart as a table."""

    time: str
    submitted: int
    ended: int
    failed: int


@dataclass(frozen=True)
class Chart:
    """Bars and a line (points as SVG wants them) in a box of ``WIDTH`` by ``HEIGHT``; ``top`` is its highest value."""

    range: Range
    top: int
    bars: tuple[Bar, ...]
    line: str
    ticks: tuple[str, ...]
    rows: tuple[Row, ...]
    submitted: int
    ended: int


def range_of(name: str) -> Range:
    """The range with this name; the first one for any other text."""
    return next((name_ for name_ in RANGES if name_.name == name), RANGES[0])


def draw(history: History, shown: Range) -> Chart:
    """Lay a history out."""
    spans = history.spans
    top = _top(max((max(span.total, span.ended) for span in spans), default=0))
    column = WIDTH / max(1, len(spans))
    bars: list[Bar] = []
    points: list[str] = []
    for number, span in enumerate(spans):
        bars += _column(span, number * column, column, top)
        points.append(f"{number * column + column / 2:.1f},{HEIGHT - span.ended / top * HEIGHT:.1f}")
    return Chart(
        shown,
        top,
        tuple(bars),
        " ".join(points),
        _ticks(spans, shown),
        tuple(_row(span) for span in reversed(spans) if span.total or span.ended),
        history.submitted,
        history.ended,
    )


def _column(span: Span, x: float, width: float, top: int) -> list[Bar]:
    bars, y = [], float(HEIGHT)
    for status in STACK:
        count = span.submitted.get(status, 0)
        if count:
            height = count / top * HEIGHT
            y -= height
            gap = width * _GAP
            bars.append(Bar(round(x + gap / 2, 1), round(y, 1), round(width - gap, 1), round(height, 1), status.value))
    return bars


def _top(most: int) -> int:
    """A round number that is at least as high."""
    step = 1
    while True:
        for factor in (1, 2, 4, 5, 10):
            if most <= step * factor:
                return max(4, step * factor)
        step *= 10


def _ticks(spans: tuple[Span, ...], shown: Range) -> tuple[str, ...]:
    """Five times along the bottom."""
    if not spans:
        return ()
    indexes = [round(part * (len(spans) - 1) / 4) for part in range(5)]
    return tuple(_time(spans[index].start, shown) for index in indexes)


def _time(at: int, shown: Range) -> str:
    iso = to_iso(at)
    return f"{iso[5:10]} {iso[11:16]}" if shown.seconds > 3600 else iso[11:16]


def _row(span: Span) -> Row:
    failed = span.submitted.get(JobStatus.FAILED, 0) + span.submitted.get(JobStatus.PARTIAL_FAILURE, 0)
    return Row(to_iso(span.start)[:16].replace("T", " "), span.total, span.ended, failed)
