"""When to look at a job again, and when to give up."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from jobqueue.client.errors import ClientError, WaitTimeout

_GROWTH = 1.5
#: How long an API that was reachable and is gone now (a restart, a deployment) is tolerated.
PATIENCE_SECONDS = 30.0


class Pacer:
    """The pauses between two looks at one job (or another ``noun``), which grow from ``least`` to ``most`` seconds.

    Use it in turns: ``ask`` before a request, then ``answered`` or ``unreachable``, then ``pause``.
    """

    def __init__(
        self, job_id: str, timeout: float | None, least: float = 0.02, most: float = 0.5, noun: str = "Job"
    ) -> None:
        self._name = f"{noun} {job_id}"
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._pause = least
        self._most = most
        self._job: Mapping[str, Any] | None = None
        self._asked = self._answered = 0.0

    def ask(self) -> None:
        """A request begins."""
        self._asked = time.monotonic()

    def answered(self, job: Mapping[str, Any]) -> None:
        """The request was answered."""
        self._job = job
        self._answered = time.monotonic()

    def unreachable(self, error: ClientError) -> None:
        """The API could not be reached; raises ``error`` if it never was, or is gone for too long."""
        if self._job is None or time.monotonic() - self._answered > PATIENCE_SECONDS:
            raise error

    def pause(self) -> float:
        """Seconds to wait before the next request; raises ``WaitTimeout`` when the time is up."""
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            job = self._job or {}
            raise WaitTimeout(
                f"{self._name} did not end within {self._timeout:g} s; it is {job.get('status')} and continues.",
                job=job,
            )
        # with a slow answer (a broadcast to many agents), at most half of the time is spent on requests
        pause = max(self._pause, now - self._asked)
        self._pause = min(self._pause * _GROWTH, self._most)
        return pause if self._deadline is None else min(pause, self._deadline - now)
