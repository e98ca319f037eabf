"""The answers of commands and scripts: host by host with each line prefixed, or one line a host."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from jobqueue.cli.views.answers import Answer, is_process
from jobqueue.cli.views.output import Column, Screen
from jobqueue.cli.views.text import lines, one_line
from jobqueue.model.step_results import count_text, step_results


def show_prefixed(screen: Screen, answers: Sequence[Answer]) -> None:
    """Each line of output after its host's name, ``web1 | text``; standard error and failures go to standard error."""
    width = max((len(one_line(answer.hostname)) for answer in answers), default=0)
    for answer in answers:
        head = f"{one_line(answer.hostname).ljust(width)} | "
        data = answer.data if is_process(answer.data) else {"stdout": "", "stderr": ""}
        for line in _lines(data["stdout"]):
            screen.line(f"{head}{line}")
        sys.stdout.flush()
        for line in [*_lines(data["stderr"]), *_notes(answer)]:
            print(f"{head}{line}", file=sys.stderr)
        sys.stderr.flush()


def show_oneline(screen: Screen, answers: Sequence[Answer]) -> None:
    """One line per host: hostname, exit code (or status), first line of the output (or the error)."""
    rows = [(answer.hostname, _end(answer), _first_line(answer)) for answer in answers]
    if screen.full:
        widths = [max((len(one_line(row[number])) for row in rows), default=0) for number in (0, 1)]
        for host, end, first in rows:
            screen.line(f"{one_line(host).ljust(widths[0])} | {one_line(end).ljust(widths[1])} | {first}".rstrip())
        return
    columns = (Column("HOST", uncut=True), Column("EXIT", uncut=True), Column("FIRST LINE", least=20))
    screen.table(columns, rows)


def _end(answer: Answer) -> str:
    if is_process(answer.data):
        return str(answer.data.get("signal") or answer.data["exit_code"])
    return answer.status


def _first_line(answer: Answer) -> str:
    data = answer.data
    if is_process(data):
        text = str(data["stdout"]).strip() or str(data["stderr"]).strip() or str(answer.error or "")
    elif answer.error:
        text = answer.error
    elif (steps := step_results(data)) is not None:
        text = count_text(steps)
    elif isinstance(data, Mapping) and len(data) == 1:
        text = str(next(iter(data.values())))
    else:
        text = data if isinstance(data, str) else "" if data is None else json.dumps(data, ensure_ascii=False)
    first = text.strip().partition("\n")[0]
    return one_line(first) if first else ""


def _lines(text: Any) -> list[str]:
    return lines(str(text)) if text else []


def _notes(answer: Answer) -> list[str]:
    notes = [] if answer.status == "completed" else [answer.status]
    if answer.error:
        notes = [f"{answer.status}: {one_line(answer.error)}"]
    notice = answer.data.get("notice") if is_process(answer.data) else None
    return [*notes, one_line(notice)] if notice else notes
