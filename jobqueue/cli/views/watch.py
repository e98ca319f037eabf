"""Wait for a job before a person's eyes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from jobqueue.cli.views.progress import JobProgress
from jobqueue.cli.views.progress_view import ProgressView, progress_view
from jobqueue.cli.views.waiting import show_waiting
from jobqueue.client import ApiError, Client, WaitTimeout
from jobqueue.errors import JobQueueError

#: Statuses with which a server without an event stream for jobs answers; 501 is a front's.
_NO_EVENTS = (404, 405, 501)
_LONGEST_WAIT = 3600.0


def watch(client: Client, job_id: str, timeout: float | None = None) -> dict[str, Any]:
    """The job once it is final; shows meanwhile which agents have answered, and how.

    Follows the job's events; polls the job if the server has no event stream. Raises ``WaitTimeout`` after
    ``timeout`` seconds, if given.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    job = client.job(job_id)
    progress = JobProgress(job)
    show_waiting(client, job)
    with progress_view() as view:
        view.show(progress)
        if progress.is_over:
            return job

        def report(job: dict[str, Any]) -> None:
            progress.replace(job)
            view.show(progress)

        try:
            _follow(client, job_id, progress, view, deadline)
        except ApiError as error:
            if error.status not in _NO_EVENTS:
                raise
        # it has ended, or is late, or has to be asked for: in each case this is what finds out
        seconds = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        try:
            return client.wait(job_id, seconds, on_poll=report)
        except WaitTimeout as error:
            message = f"Job {job_id} did not end within {timeout:g} s; it is {error.job.get('status')} and continues."
            raise WaitTimeout(message, job=error.job) from error


def _follow(client: Client, job_id: str, progress: JobProgress, view: ProgressView, deadline: float | None) -> None:
    """Show what happens until the job has ended or the time is up."""
    heard: SimpleQueue[dict[str, Any] | JobQueueError | None] = SimpleQueue()
    # in a thread of its own: reading a stream blocks, and can neither watch the clock nor be interrupted
    Thread(target=_listen, args=(client, job_id, heard), name="events", daemon=True).start()
    while deadline is None or time.monotonic() < deadline:
        for event in _heard_within(heard, deadline, view.interval):
            if isinstance(event, JobQueueError):
                raise event
            if event is None or event["kind"] == "end":
                return
            if event["kind"] == "reset":
                progress.replace(client.job(job_id))
            else:
                progress.apply(event)
        view.show(progress)


def _listen(client: Client, job_id: str, heard: SimpleQueue[dict[str, Any] | JobQueueError | None]) -> None:
    try:
        for event in client.follow_events(job_id):
            heard.put(event)
    except JobQueueError as error:
        heard.put(error)
    finally:
        heard.put(None)


def _heard_within(
    heard: SimpleQueue[dict[str, Any] | JobQueueError | None], deadline: float | None, interval: float
) -> Iterator[dict[str, Any] | JobQueueError | None]:
    """The next item and all that follow within ``interval`` seconds; empty if the deadline comes first."""
    now = time.monotonic()
    end = now + _LONGEST_WAIT if deadline is None else deadline
    is_first = True
    while (seconds := end - time.monotonic()) > 0:
        try:
            yield heard.get(timeout=seconds)
        except Empty:
            return
        if is_first:
            is_first, end = False, min(end, time.monotonic() + interval)
