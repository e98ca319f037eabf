"""Renews the leases of running executions, forwards stop requests, and gives up on those that do not stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from jobqueue import logs
from jobqueue.errors import LedgerUnavailable
from jobqueue.jitter import shortened
from jobqueue.ledger.executions import Executions, Renewal
from workers.agent.execution.running import RunningExecution, RunningSet

logger = logging.getLogger(__name__)

#: A cancel must reach a running command well within two seconds.
_MOST_SECONDS_BETWEEN = 0.5


class LeaseKeeper(threading.Thread):
    """A thread that renews leases until it is stopped. Executions shorter than one interval need no renewal."""

    def __init__(
        self,
        executions: Executions,
        running: RunningSet,
        hostname: str,
        lease_seconds: float,
        give_up: Callable[[RunningExecution], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name="leases", daemon=True)
        self._executions = executions
        self._running = running
        self._hostname = hostname
        self._give_up = give_up
        self._interval = min(lease_seconds / 5, _MOST_SECONDS_BETWEEN)
        self._clock = clock
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(shortened(self._interval)):
            try:
                self.renew_once()
                self.give_up_once()
            except LedgerUnavailable as error:
                # the next turn retries; a lease that expires meanwhile is then reported as stale
                logger.warning("Leases could not be renewed: %s", error)
            except Exception:  # without this thread every lease would expire
                logger.exception("Leases could not be renewed")

    def renew_once(self) -> int:
        """Renew executions that have run for a while; returns the number of leases requested."""
        settled = self._clock() - self._interval
        running = [
            execution for execution in self._running.all() if execution.since <= settled and not execution.abandoned
        ]
        if not running:
            return 0
        answers = self._executions.renew(self._hostname, [execution.claim for execution in running])
        for execution, answer in zip(running, answers, strict=True):
            if answer is Renewal.CANCEL:
                execution.ask_to_stop("cancel")
            elif answer is Renewal.STALE and not (execution.ended or execution.abandoned):
                with logs.bound(job_id=execution.claim.job_id):
                    logger.warning("The lease of job %s was lost; its run is stopped", execution.claim.job_id)
                execution.ask_to_stop("stale")
        return len(running)

    def give_up_once(self) -> int:
        """Report executions that exceeded their deadline or ignored a stop request; returns their number."""
        now = self._clock()
        overdue = [execution for execution in self._running.all() if execution.is_overdue(now)]
        for execution in overdue:
            self._give_up(execution)
        return len(overdue)

    def stop(self) -> None:
        self._stopped.set()
