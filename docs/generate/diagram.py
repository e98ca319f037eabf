"""The states of an execution as a picture and as a table, from the one table of transitions.

The picture is drawn like a switchboard: a line goes down from each state that is not final, each final state is a row,
and a dot is where one may lead to the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from docs.generate.markdown import code, codes
from docs.generate.markdown import table as markdown_table
from jobqueue.model.states import TRANSITIONS, ExecutionState

_LEFT, _COLUMN, _TOP, _ROW = 40, 190, 110, 44
_WIDE, _HIGH = 140, 40
_GAP = 60
_STYLE = """
  text { font: 15px system-ui, sans-serif; fill: #1f2937 }
  .small { font-size: 12px; fill: #4b5563 }
  .box { fill: #eff6ff; stroke: #2563eb; stroke-width: 1.5 }
  .good { fill: #ecfdf5; stroke: #059669; stroke-width: 1.5 }
  .bad { fill: #fef2f2; stroke: #dc2626; stroke-width: 1.5 }
  .other { fill: #f9fafb; stroke: #6b7280; stroke-width: 1.5 }
  .line { fill: none; stroke: #6b7280; stroke-width: 1.5 }
  .back { fill: none; stroke: #6b7280; stroke-width: 1.5; stroke-dasharray: 5 4 }
  .dot, .head { fill: #374151 }
  .ground { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e5e7eb } .small { fill: #9ca3af }
    .box { fill: #172554; stroke: #60a5fa } .good { fill: #022c22; stroke: #34d399 }
    .bad { fill: #450a0a; stroke: #f87171 } .other { fill: #1f2937; stroke: #9ca3af }
    .line, .back { stroke: #9ca3af } .dot, .head { fill: #d1d5db } .ground { fill: #0d1117 }
  }
"""
_GOOD = {ExecutionState.COMPLETED}
_BAD = {ExecutionState.FAILED, ExecutionState.EXPIRED, ExecutionState.LOST}


def table() -> str:
    """The transitions as a table."""
    return markdown_table(
        ("from", "to"),
        [(code(state), codes(new for new in ExecutionState if new in TRANSITIONS[state])) for state in TRANSITIONS],
    )


def edges() -> list[tuple[ExecutionState, ExecutionState]]:
    """Every allowed step."""
    return [(state, new) for state in TRANSITIONS for new in ExecutionState if new in TRANSITIONS[state]]


def svg() -> str:
    """The picture. Each step in it carries its two states: ``data-step="started completed"``."""
    sources = list(TRANSITIONS)
    finals = [state for state in ExecutionState if state not in TRANSITIONS]
    right = _LEFT + len(sources) * _COLUMN + _GAP
    width, height = right + _WIDE + _LEFT, _TOP + _HIGH + _GAP + len(finals) * _ROW
    body = [
        *_rows(sources, finals, right),
        *_moves(sources),
        *(_box(state, _x(index), _TOP, "box") for index, state in enumerate(sources)),
        *(_box(state, right, _y(index) - 16, _kind(state), 32) for index, state in enumerate(finals)),
        f'<text class="small" x="{right + _WIDE / 2:g}" y="{_TOP + _HIGH / 2 + 4:g}" text-anchor="middle">final</text>',
    ]
    steps = "; ".join(f"from {state} to {', '.join(sorted(TRANSITIONS[state]))}" for state in sources)
    lines = "\n".join(f"  {line}" for line in body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-labelledby="title description">\n'
        f'  <title id="title">States of an execution</title>\n  <desc id="description">{escape(steps)}.</desc>\n'
        f"  <style>{_STYLE}  </style>\n"
        f'  <rect class="ground" width="{width}" height="{height}"/>\n{lines}\n</svg>\n'
    )


def _rows(sources: list[ExecutionState], finals: list[ExecutionState], right: int) -> Iterator[str]:
    """Lines down from the sources, lines across to the finals, dots where they are joined."""
    for column, state in enumerate(sources):
        reached = [index for index, final in enumerate(finals) if final in TRANSITIONS[state]]
        if reached:
            yield f'<path class="line" d="M{_middle(column)} {_TOP + _HIGH}V{_y(reached[-1])}"/>'
    for index, final in enumerate(finals):
        joined = [column for column, state in enumerate(sources) if final in TRANSITIONS[state]]
        yield f'<path class="line" d="M{_middle(joined[0])} {_y(index)}H{right - 8}"/>'
        yield _head(right, _y(index), "right")
        for column in joined:
            step = f"{sources[column]} {final}"
            yield f'<circle class="dot" data-step="{step}" cx="{_middle(column)}" cy="{_y(index)}" r="4.5"/>'


def _moves(sources: list[ExecutionState]) -> Iterator[str]:
    """Steps among states that are not final: on to the next, or in an arc above."""
    for column, state in enumerate(sources):
        for other, new in enumerate(sources):
            if new not in TRANSITIONS[state]:
                continue
            step = f'data-step="{state} {new}"'
            if other == column + 1:
                y = _TOP + _HIGH // 2
                yield f'<path class="line" {step} d="M{_x(column) + _WIDE} {y}H{_x(other) - 8}"/>'
                yield _head(_x(other), y, "right")
                continue
            distance = abs(other - column)
            begin, end, peak = _middle(column), _middle(other) + 14 * distance - 28, _TOP - 30 - 26 * distance
            yield f'<path class="back" {step} d="M{begin} {_TOP}C{begin} {peak} {end} {peak} {end} {_TOP - 8}"/>'
            yield _head(end, _TOP, "down")


def _box(state: ExecutionState, x: int, y: int, kind: str, high: int = _HIGH) -> str:
    middle = f'x="{x + _WIDE / 2:g}" y="{y + high / 2 + 5:g}" text-anchor="middle"'
    rectangle = f'<rect class="{kind}" x="{x}" y="{y}" width="{_WIDE}" height="{high}" rx="8"/>'
    return f"{rectangle}<text {middle}>{escape(state.value)}</text>"


def _head(x: int, y: int, to: str) -> str:
    points = f"{x},{y} {x - 9},{y - 5} {x - 9},{y + 5}" if to == "right" else f"{x},{y} {x - 5},{y - 9} {x + 5},{y - 9}"
    return f'<polygon class="head" points="{points}"/>'


def _kind(state: ExecutionState) -> str:
    return "good" if state in _GOOD else "bad" if state in _BAD else "other"


def _x(column: int) -> int:
    return _LEFT + column * _COLUMN


def _middle(column: int) -> int:
    return _x(column) + _WIDE // 2


def _y(row: int) -> int:
    return _TOP + _HIGH + _GAP + row * _ROW
