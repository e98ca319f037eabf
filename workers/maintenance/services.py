"""The maintenance services: small steps over the ledger, each safe to repeat and to run twice at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from jobqueue.dispatch.sender import Sender
from jobqueue.errors import JobFinal, JobNotFound, LedgerUnavailable
from jobqueue.ledger.due import Due
from jobqueue.ledger.jobs import SLICE
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.rollouts import CANCEL, MORE
from jobqueue.ledger.shared_key_watch import Watch
from jobqueue.model.job import Job
from jobqueue.model.needs import Needs
from jobqueue.model.target import ANY
from jobqueue.services.placement import candidates
from jobqueue.targets.host import Host

logger = logging.getLogger(__name__)

#: Maximum number of items per step, so that Redis is never blocked for long.
STEP = 200
#: Slices of cancels and removals that one step takes (about 50 ms of Redis, a few at a time).
SLICES = 10
#: Number of jobs of which one step opens executions, a few hundred each.
OPENED = 20
#: Number of executions that one step returns to their queues.
RETURNED = 500
#: Number of concurrency keys with a line that one step looks at.
LINES = 50
#: Number of waiting jobs whose records one step checks.
WATCHED = 50
#: The placer waits this many times the duration of reading all agents before it reads them again.
_SHARE = 20
#: Seconds after which the reconciler looks at all queues again: those that it knows of may be lost.
_ALL_QUEUES_SECONDS = 600.0
#: Seconds that the claim of one agent of a fleet may be delayed by those of the others.
_CLAIM_SECONDS = 0.001
#: Seconds that an execution waits before it is resent through a broker whose queues cannot be inspected.
BLIND_SECONDS = 15.0


class Service(Protocol):
    """A task on the ledger; ``run_once`` is called every ``every_seconds``."""

    every_seconds: float

    def run_once(self) -> int:
        """Do one step; returns the number of executions or jobs handled."""


def _send(sender: Sender, due: list[Due]) -> None:
    """Send; an unavailable broker must not block the other services, and the reconciler resends."""
    try:
        sender.send(due)
    except LedgerUnavailable as error:
        logger.warning("The broker refused the messages of %d executions, which wait: %s", len(due), error)


class Promoter:
    """Publishes executions that have become due, by ``not_before`` or after a retry's back-off."""

    every_seconds = 0.1

    def __init__(self, ledger: Ledger, sender: Sender) -> None:
        self._ledger = ledger
        self._sender = sender

    def run_once(self) -> int:
        looked_at, due = self._ledger.executions.promote(STEP, self._sender.template)
        _send(self._sender, due)
        return looked_at


class Resumer:
    """Ends pauses whose time has passed, and returns what a pause held back to its queues."""

    every_seconds = 0.2

    def __init__(self, ledger: Ledger, sender: Sender) -> None:
        self._ledger = ledger
        self._sender = sender

    def run_once(self) -> int:
        looked_at, due = self._ledger.executions.return_parked(RETURNED, self._sender.template)
        _send(self._sender, due[::-1])
        return STEP if looked_at >= RETURNED else min(looked_at, STEP - 1)


class LineKeeper:
    """Gives concurrency keys to the next in their lines, and cancels the jobs that others replace."""

    every_seconds = 0.1

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def run_once(self) -> int:
        looked_at, replaced = self._ledger.executions.advance_lines(LINES)
        for job_id, successor in replaced:
            try:
                self._ledger.jobs.cancel(job_id, f"replaced by job {successor}")
            except (JobFinal, JobNotFound):
                logger.info("Job %s ended before job %s could replace it", job_id, successor)
        return STEP if looked_at >= LINES else looked_at


class Registrar:
    """Transfers agents' own records (registrations, heartbeats, alerts) to the shared lists; at first those of all."""

    every_seconds = 0.2

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._has_begun = False

    def run_once(self) -> int:
        if not self._has_begun:
            self._ledger.agents.muster_all()
            self._has_begun = True
        return self._ledger.agents.muster(STEP)


class Watchman:
    """Checks shared keys and waiting jobs; repairs damage and raises an alert."""

    every_seconds = 1.0

    def __init__(self, ledger: Ledger, lease_seconds: float) -> None:
        self._watch = Watch(ledger, lease_seconds)

    def run_once(self) -> int:
        return self._watch.shared_keys() + self._watch.waiting_jobs(WATCHED)


class Opener:
    """Opens the next executions of large jobs and rollouts, and cancels those of rollouts that stopped."""

    every_seconds = 0.1

    def __init__(self, ledger: Ledger, sender: Sender) -> None:
        self._ledger = ledger
        self._sender = sender

    def run_once(self) -> int:
        ids = self._ledger.rollouts.due(OPENED)
        opened = sum(self._open(job_id) for job_id in ids)
        return max(opened, STEP) if len(ids) == OPENED else opened

    def _open(self, job_id: str) -> int:
        answer, due = self._ledger.rollouts.open(job_id, self._sender.template)
        _send(self._sender, due)
        if answer == CANCEL:
            try:
                self._ledger.jobs.cancel(job_id, "the rollout stopped")
            except (JobFinal, JobNotFound):
                logger.info("Job %s ended before it could be cancelled", job_id)
        # more of it waits: the next step follows at once
        return STEP if answer == MORE else 1


class Placer:
    """Places jobs that no agent could run when they were accepted, once an agent can run them.

    It checks ``STEP`` of them at a time, in turn. However many agents there are, reading them takes only a few percent
    of its time.
    """

    every_seconds = 1.0

    def __init__(self, ledger: Ledger, sender: Sender, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._sender = sender
        self._clock = clock
        self._after = float("-inf")
        self._not_before = float("-inf")

    def run_once(self) -> int:
        if self._clock() < self._not_before:
            return 0
        waiting = self._ledger.jobs.unplaced(self._after, STEP)
        self._after = waiting[-1][1] if len(waiting) == STEP else float("-inf")
        if not waiting:
            return 0
        began = self._clock()
        hosts = self._ledger.roster.fleet(is_fresh=True).hosts
        self._not_before = self._clock() + _SHARE * (self._clock() - began)
        jobs = self._ledger.jobs.get_many(job_id for job_id, _ in waiting)
        due = [message for job in jobs if job.is_readable for message in self._place(job, hosts)]
        _send(self._sender, due)
        return len(due)

    def _place(self, job: Job, hosts: tuple[Host, ...]) -> list[Due]:
        able = candidates(hosts, job.operation, job.needs or Needs(), job.inner_operations)
        if not able:
            return []
        return self._ledger.executions.place(job.id, job.not_before, able, self._sender.template)


class Reaper:
    """Handles expired leases: the execution is retried if that is safe, else lost.

    While Redis is unavailable no agent can renew, so leases that expire then prove nothing. The reaper therefore waits:
    it acts once it has reached the ledger without a gap for the duration of a lease, which gives every live agent the
    time to renew. The same holds for a maintenance process that has just become the leader.

    A stalled Redis may execute a call long after it was sent, or this process may stall before it sends it. So the
    call includes the time of the last check, and leases that expired later are ignored.
    """

    every_seconds = 1.0

    def __init__(self, ledger: Ledger, lease_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._lease = lease_seconds
        self._clock = clock
        self._seen = self._since = float("-inf")

    def run_once(self) -> int:
        looked_at = self._ledger.time()
        now = self._clock()
        # short leases can expire within a short gap
        if now - self._seen > min(3 * self.every_seconds, self.every_seconds + self._lease / 2):
            self._since = now
        self._seen = now
        return sum(self._ledger.executions.reap(STEP, looked_at)) if now - self._since >= self._lease else 0


class Expirer:
    """Expires executions that were not started before their deadline."""

    every_seconds = 0.5

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def run_once(self) -> int:
        expired, more = self._ledger.executions.expire_slice(SLICE)
        return max(expired, STEP) if more else min(expired, STEP - 1)


class Finisher:
    """Completes cancels and removals of broadcasts, which are taken in slices, if the process that began them died."""

    every_seconds = 1.0

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def run_once(self) -> int:
        finished = self._ledger.jobs.finish_slices(SLICES)
        return STEP if finished >= SLICES else finished


class Reconciler:
    """Republishes waiting executions whose messages were lost.

    It looks only at queues in which executions have waited for a while, and at each once per such time span, so that
    an idle fleet costs nothing. A large fleet, whose claims take a while, is given more time. With a separate broker,
    lost messages cannot be detected: executions are then resent to live, idle agents, which would have claimed them by
    now. Busy or offline agents get no duplicates: the broker keeps their messages, and duplicates would pile up.
    """

    every_seconds = 2.0

    def __init__(
        self,
        ledger: Ledger,
        sender: Sender,
        older_than_seconds: float,
    ) -> None:
        self._ledger = ledger
        self._sender = sender
        self._older_than = older_than_seconds if sender.template else max(older_than_seconds, BLIND_SECONDS)
        self._wait = self._older_than
        self._looks_at_all = float("-inf")

    def run_once(self) -> int:
        if time.monotonic() >= self._looks_at_all:
            self._looks_at_all = time.monotonic() + _ALL_QUEUES_SECONDS
            hostnames = self._ledger.agents.hostnames()
            self._wait = max(self._older_than, len(hostnames) * _CLAIM_SECONDS) if self._older_than else 0.0
            self._ledger.executions.watch_queues([ANY, *hostnames])
        slots, more = self._ledger.executions.stale_queues(self._wait, STEP)
        again = self._ledger.executions.reconcile(slots, self._wait, STEP, self._sender.template)
        _send(self._sender, again)
        return max(len(again), STEP) if more else min(len(again), STEP - 1)


class Pruner:
    """Removes jobs that ended longer ago than they are kept."""

    every_seconds = 5.0

    def __init__(self, ledger: Ledger, ttl_seconds: float) -> None:
        self._ledger = ledger
        self._ttl = ttl_seconds

    def run_once(self) -> int:
        return self._ledger.jobs.prune(self._ttl, STEP)


class WorkflowRunPruner:
    """Removes runs of workflows that ended longer ago than jobs are kept."""

    every_seconds = 5.0

    def __init__(self, ledger: Ledger, ttl_seconds: float) -> None:
        self._ledger = ledger
        self._ttl = ttl_seconds

    def run_once(self) -> int:
        return self._ledger.workflow_runs.prune(self._ttl, STEP)


class ExternalRunExpirer:
    """Expires external runs whose drivers have not reported for as long as jobs are kept."""

    every_seconds = 5.0

    def __init__(self, ledger: Ledger, silence_seconds: float) -> None:
        self._ledger = ledger
        self._silence = silence_seconds

    def run_once(self) -> int:
        return self._ledger.external_runs.expire_external(self._silence, STEP)


class Sweeper:
    """Removes packages that no job has used for long, and abandoned uploads."""

    every_seconds = 5.0

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def run_once(self) -> int:
        return self._ledger.packages.sweep(STEP)
