"""The last line of a run: how many hosts ended in which way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from jobqueue.cli.views.answers import Answer
from jobqueue.cli.views.hostnames import fold
from jobqueue.cli.views.text import one_line
from jobqueue.cli.views.times import between
from jobqueue.model.answers import rank
from jobqueue.model.states import FAILURES, FINAL_STATUSES

_FAILURES = frozenset(state.value for state in FAILURES)
_FINAL_STATUSES = frozenset(status.value for status in FINAL_STATUSES)
#: Characters of the failed hosts' names.
_LONGEST_NAMES = 200


def totals(job: Mapping[str, Any], answers: Sequence[Answer]) -> str:
    """``"3 hosts: 2 completed, 1 failed (web2) in 1.5s; job 6f1c..."``; for one host, its error comes last."""
    took = between(job.get("created"), job.get("updated_at")) if job.get("status") in _FINAL_STATUSES else None
    tail = f"{f' in {took}' if took else ''}; job {one_line(job.get('id'))}"
    if len(answers) == 1:
        error = f": {one_line(answers[0].error)}" if answers[0].error else ""
        return f"{one_line(answers[0].hostname)}: {one_line(answers[0].status)}{tail}{error}"
    parts = []
    for status, count in sorted(Counter(answer.status for answer in answers).items(), key=lambda pair: -rank(pair[0])):
        names = ""
        if status in _FAILURES:
            folded = fold(one_line(answer.hostname) for answer in answers if answer.status == status)
            names = f" ({folded})" if len(folded) <= _LONGEST_NAMES else f" ({folded[:_LONGEST_NAMES]}...)"
        parts.append(f"{count} {one_line(status)}{names}")
    return f"{len(answers)} hosts: {', '.join(parts) or one_line(job.get('status'))}{tail}"
