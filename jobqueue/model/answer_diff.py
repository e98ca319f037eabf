"""The difference between two answers to a job, line by line."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobqueue.model.answers import INCIDENTAL, without_incidental

#: Lines of each answer that are compared, which takes at most a tenth of a second, and characters of a line.
MAX_LINES = 2000
MAX_LINE = 1000
#: Equal lines around each difference.
_CONTEXT = 3


@dataclass(frozen=True)
class DiffLine:
    """``mark``: ``-`` only in the first answer, ``+`` only in the second, blank in both, ``@`` equal lines left out."""

    mark: str
    text: str


@dataclass(frozen=True)
class AnswerDiff:
    """``lines`` is empty if what was compared is equal; ``left_out`` counts the lines of both that were not."""

    lines: tuple[DiffLine, ...]
    left_out: int = 0


def answer_lines(state: str, error: str | None, data: Any) -> list[str]:
    """An answer as lines: its state, its error, and each field of its data, texts as they are.

    Fields that differ in every run are left out.
    """
    lines = [f"state: {state}", *(_field("error", error) if error else ())]
    if not isinstance(data, Mapping):
        return lines if data is None else [*lines, *_field("answer", data)]
    for name, value in without_incidental(data).items():
        if name not in INCIDENTAL:
            lines += _field(str(name), value)
    return lines


def compare(first: Sequence[str], second: Sequence[str]) -> AnswerDiff:
    """The difference between two answers, as ``answer_lines`` makes them."""
    left_out = sum(max(0, len(lines) - MAX_LINES) for lines in (first, second))
    difference = difflib.unified_diff(_cut(first), _cut(second), lineterm="", n=_CONTEXT)
    # the first two lines name the texts, and the third begins the first part
    return AnswerDiff(tuple(_diff_line(line) for line in list(difference)[3:]), left_out)


def _cut(lines: Sequence[str]) -> list[str]:
    return [line[:MAX_LINE] for line in lines[:MAX_LINES]]


def _diff_line(line: str) -> DiffLine:
    return DiffLine("@", "...") if line.startswith("@") else DiffLine(line[0], line[1:])


def _field(name: str, value: Any) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    lines = text.splitlines()
    return [f"{name}:", *lines] if "\n" in text.rstrip("\n") else [f"{name}: {''.join(lines)}"]
