"""Lists of runs: jobs under the names and states that they have in the API of a facade. The dashboard shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flask import Flask, current_app

from jobqueue.model.filter import JobFilter
from jobqueue.model.job import Job

_EXTENSION = "jobqueue.run_lists"


@dataclass(frozen=True)
class Run:
    """One row: ``name``, ``state`` and ``what`` as the facade's clients know them; ``kind`` is its type, if any."""

    job: Job
    name: str
    state: str
    summary: str
    kind: str = ""

    @property
    def started(self) -> int:
        """Microseconds; 0 before it has started."""
        return min((execution.started for execution in self.job.executions if execution.started), default=0)

    @property
    def ended(self) -> int:
        """Microseconds; 0 before it has ended."""
        return (
            max((execution.finished for execution in self.job.executions), default=0) if self.job.status.is_final else 0
        )


@dataclass(frozen=True)
class RunList:
    """The runs of one facade: the jobs that ``filter`` picks, each as ``describe`` shows it.

    ``name_column``, ``summary_column`` and ``kind_column`` are the headings ('' leaves the column out); ``empty`` is
    the sentence for an empty list.
    """

    key: str
    title: str
    filter: JobFilter
    describe: Callable[[Job], Run]
    name_column: str
    summary_column: str
    empty: str
    kind_column: str = ""


def add(app: Flask, runs: RunList) -> None:
    """Have the dashboard of ``app`` show these runs."""
    app.extensions.setdefault(_EXTENSION, []).append(runs)


def run_lists() -> list[RunList]:
    """The lists of this application, in the order of their facades."""
    lists: list[RunList] = current_app.extensions.get(_EXTENSION, [])
    return lists
