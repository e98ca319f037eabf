"""Waiting for a job to end, within a request."""

from __future__ import annotations

import logging
import threading
import time

from api.context import services
from api.live.admission import Admission
from api.live.closing import closing
from jobqueue.errors import JobNotFound, LedgerUnavailable
from jobqueue.model.job import Job
from jobqueue.services.event_feed import MissedEvents

logger = logging.getLogger("jobqueue.api")

#: Seconds that a call waits for its job, unless its command may take longer.
WAIT_SECONDS = 30.0
#: Seconds beyond a command's own limit.
MARGIN_SECONDS = 5.0
#: Requests of one process that wait at a time; further ones are answered at once.
MOST_WAITING = 200

_places = threading.BoundedSemaphore(MOST_WAITING)


def ended(job_id: str, seconds: float) -> Job | None:
    """The job once it has ended, or as it is after ``seconds``. None: it cannot be read, or no longer by this caller.

    Wakes up with the job's events, which one reader of the process passes on to all that wait.
    """
    has_place = _places.acquire(blocking=False)
    if not has_place:
        seconds = 0
    try:
        admission = Admission()
        _follow(job_id, time.monotonic() + seconds, admission)
        return services().jobs.get(job_id) if admission.holds() else None
    except (JobNotFound, LedgerUnavailable) as error:
        logger.warning("The result of job %s cannot be read for its request: %s", job_id, error)
        return None
    finally:
        if has_place:
            _places.release()


def _follow(job_id: str, deadline: float, admission: Admission) -> None:
    """Return when the job has ended, at the deadline, or when nothing may be waited for any more."""
    while time.monotonic() < deadline:
        try:
            for _ in services().events.follow_job(job_id):
                if time.monotonic() >= deadline or closing.is_set() or not admission.holds():
                    return
        except MissedEvents:
            continue  # the job is read again, and what follows
        return
