"""The output of a job on one host, live on the terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from jobqueue.cli.views.job_output import show_logs
from jobqueue.client import Client
from jobqueue.errors import JobQueueError

_LONGEST_WAIT = 3600.0


def show_live(client: Client, job_id: str, deadline: float | None) -> None:
    """Print the output as it arrives, until the execution has ended, or until ``deadline`` (monotonic seconds)."""
    show_logs(_pages(client, job_id, deadline))


def _pages(client: Client, job_id: str, deadline: float | None) -> Iterator[dict[str, Any]]:
    pages: SimpleQueue[dict[str, Any] | JobQueueError | None] = SimpleQueue()
    # in a thread of its own: a blocking read can neither watch the clock nor be interrupted
    Thread(target=_listen, args=(client, job_id, pages), name="output", daemon=True).start()
    while True:
        seconds = _LONGEST_WAIT if deadline is None else deadline - time.monotonic()
        try:
            page = pages.get(timeout=max(seconds, 0.0))
        except Empty:
            if deadline is None:
                continue
            return
        if isinstance(page, JobQueueError):
            raise page
        if page is None:
            return
        yield page


def _listen(client: Client, job_id: str, pages: SimpleQueue[dict[str, Any] | JobQueueError | None]) -> None:
    try:
        for page in client.follow_logs(job_id):
            pages.put(page)
    except JobQueueError as error:
        pages.put(error)
    finally:
        pages.put(None)
