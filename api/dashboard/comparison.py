"""Two groups of answers of a job, compared line by line."""

from __future__ import annotations

from dataclasses import dataclass

from api.dashboard import query
from api.dashboard.answers import Answers, Group, plain
from jobqueue.model.answer_diff import AnswerDiff, answer_lines, compare

#: Groups that can be chosen; the others are rows of a long table.
_CHOICES = 50
_LONGEST_LABEL = 60


@dataclass(frozen=True)
class Comparison:
    """``choices`` are pairs of a host and its group's label; none if there is nothing to compare.

    ``first`` and ``second`` are the chosen hosts. ``diff`` is None before that; ``problem`` says why there is none.
    """

    choices: tuple[tuple[str, str], ...]
    first: str
    second: str
    labels: tuple[str, str] = ("", "")
    diff: AnswerDiff | None = None
    problem: str = ""


def read(answers: Answers) -> Comparison:
    """That which this request asks for, by a host of each group: groups change while a job runs, hosts do not."""
    groups = [group for part in answers.parts for group in (*part.whole, *part.rows)]
    choices = tuple((group.hosts[0], _label(group)) for group in groups[:_CHOICES])
    if len(groups) < 2:
        return Comparison((), "", "")
    first, second = query.text("compare", 253), query.text("with", 253)
    # the group that fails, and the largest of the others
    first, second = (first or choices[0][0], second or _largest(groups[1:]))
    if not query.text("compare") and not query.text("with"):
        return Comparison(choices, first, second)
    by_host = {host: group for group in groups for host in group.hosts}
    unknown = [host for host in (first, second) if host not in by_host]
    if unknown:
        return Comparison(choices, first, second, problem=f"No answer of {unknown[0]} is shown on this page.")
    left, right = by_host[first], by_host[second]
    if left is right:
        return Comparison(choices, first, second, problem=f"{first} and {second} gave the same answer.")
    return Comparison(
        choices, left.hosts[0], right.hosts[0], (_label(left), _label(right)), compare(_lines(left), _lines(right))
    )


def _largest(groups: list[Group]) -> str:
    return max(groups, key=lambda group: len(group.hosts)).hosts[0]


def _lines(group: Group) -> list[str]:
    error = group.error or group.note or None
    return [plain(line) for line in answer_lines(str(group.state), error, group.data if group.has_data else None)]


def _label(group: Group) -> str:
    hosts = group.hosts[0] if len(group.hosts) == 1 else f"{group.hosts[0]} and {len(group.hosts) - 1:,} more"
    line = plain(group.line)
    line = line if len(line) <= _LONGEST_LABEL else f"{line[:_LONGEST_LABEL]}..."
    return f"{hosts}, {str(group.state).replace('_', ' ')}{f': {line}' if line else ''}"
