"""A job's progress before a person's eyes, on standard error, so that standard output holds the answer only."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections import deque
from contextlib import AbstractContextManager
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING

from jobqueue.cli.views.output import STYLES, console
from jobqueue.cli.views.progress import ExecutionProgress, JobProgress
from jobqueue.cli.views.text import one_line
from jobqueue.model.answers import rank

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: In a pipe: above this number of agents, single answers are not listed, except for this many failures.
_NAMED = 20
#: On a terminal: answers that are shown below the bars.
_LATEST = 8
_BAR_WIDTH = 40


class ProgressView(AbstractContextManager["ProgressView"]):
    """Shows a progress again and again; ``interval`` is how many seconds lie between two times, at least."""

    interval = 0.1

    @abstractmethod
    def show(self, progress: JobProgress) -> None:
        """Show how far the job has come by now."""


class LinesView(ProgressView):
    """For pipes and logs: one line for each change."""

    interval = 0.5

    def __init__(self) -> None:
        self._last = ""
        self._failures = 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return

    def show(self, progress: JobProgress) -> None:
        head = f"Job {one_line(progress.job_id)}:"
        for answered in progress.take_news():
            if progress.total > 1 and self._is_named(answered, progress.total):
                print(f"{head} {answered}", file=sys.stderr)
        text = str(progress)
        if text != self._last:
            self._last = text
            print(f"{head} {text}", file=sys.stderr, flush=True)

    def _is_named(self, answered: ExecutionProgress, total: int) -> bool:
        if total <= _NAMED:
            return True
        self._failures += answered.is_failure
        return answered.is_failure and self._failures <= _NAMED


class TerminalView(ProgressView):
    """For people: a bar for each state that agents are in, and below them who answered last."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._begin = monotonic()
        self._latest: deque[ExecutionProgress] = deque(maxlen=_LATEST)
        self._seen: set[str] = set()
        self._progress: JobProgress | None = None
        # asked for by a thread of Live's, so that the time advances while nothing happens
        self._live = Live(console=console, get_renderable=self._render, transient=True, refresh_per_second=8)

    def __enter__(self) -> ProgressView:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, progress: JobProgress) -> None:
        self._progress = progress
        self._latest.extend(progress.take_news())
        self._seen.update(progress.counts)
        self._live.refresh()

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        progress = self._progress
        if progress is None:
            return Text("")
        minutes, seconds = divmod(int(monotonic() - self._begin), 60)
        head = Text(f"Job {one_line(progress.job_id)}  ", no_wrap=True, overflow="ellipsis")
        head.append(one_line(progress.status), STYLES.get(progress.status, ""))
        agents = f"  {progress.done} of {progress.total} agents" if progress.total > 1 else ""
        head.append(f"{agents}{progress.rollout}  {minutes}:{seconds:02}")
        if progress.total == 1:
            return head
        latest = [Text(str(x), STYLES.get(x.status, ""), no_wrap=True, overflow="ellipsis") for x in self._latest]
        return Group(head, self._bars(progress), *latest)

    def _bars(self, progress: JobProgress) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 1))
        counts = progress.counts
        for state in sorted(self._seen, key=lambda state: -rank(state)):
            style = STYLES.get(state, "")
            bar = ProgressBar(
                total=progress.total,
                completed=counts[state],
                width=_BAR_WIDTH,
                complete_style=style,
                finished_style=style,
            )
            table.add_row(Text(one_line(state), style), bar, Text(str(counts[state]), justify="right"))
        return table


def progress_view() -> ProgressView:
    """The view for standard error as it is now."""
    return TerminalView(console(stderr=True)) if sys.stderr.isatty() else LinesView()
