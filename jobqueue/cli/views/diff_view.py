"""The difference between two answers on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobqueue.cli.views.hostnames import fold
from jobqueue.cli.views.output import Screen
from jobqueue.cli.views.text import one_line, visible
from jobqueue.model.answer_diff import AnswerDiff

#: Styles of the lines, by their mark.
_STYLES = {"-": "failed", "+": "completed", "@": "dim"}


def show_diff(screen: Screen, first: Mapping[str, Any], second: Mapping[str, Any], difference: AnswerDiff) -> None:
    """The two groups, then each line after its mark."""
    screen.line(f"--- {_title(first)}", "bold")
    screen.line(f"+++ {_title(second)}", "bold")
    if not difference.lines:
        screen.line("The answers are equal, apart from fields that differ in each run.")
    for line in difference.lines:
        screen.line(f"{line.mark}{visible(line.text, keep=chr(9))}", _STYLES.get(line.mark, ""))
    if difference.left_out:
        screen.line(f"... {difference.left_out} more lines were not compared.", "dim")


def _title(group: Mapping[str, Any]) -> str:
    left_out = int(group.get("hostnames_left_out") or 0)
    more = f" and {left_out} more" if left_out else ""
    return f"{one_line(fold(map(str, group['hostnames'])))}{more}: {one_line(group.get('status'))}"
