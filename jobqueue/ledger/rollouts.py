"""Opens the executions of large jobs and rollouts in steps; pauses, resumes, approves and aborts rollouts."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from jobqueue.errors import Conflict, JobFinal, JobNotFound, LedgerUnavailable
from jobqueue.ledger import staging
from jobqueue.ledger.audit import Audit
from jobqueue.ledger.due import Due, due_of
from jobqueue.ledger.scripts import Clock, Scripts, redis_clock

logger = logging.getLogger(__name__)

MORE, CANCEL = "more", "cancel"
PAUSE, RESUME, APPROVE, ABORT = "pause", "resume", "approve", "abort"
#: Why a rollout cannot be paused, resumed, approved or aborted now.
_REFUSALS = {
    "no_rollout": "It has no rollout; `jobqueue job cancel` cancels it.",
    "all_open": "No batch of its rollout is held; `jobqueue job cancel` cancels what has been opened.",
    "paused": "Its rollout is paused; resume it first.",
    "running": "Its rollout is not paused.",
    "not_awaiting": "No batch of its rollout waits for an approval.",
}


class Rollouts:
    """The jobs of one ledger that are opened in steps."""

    def __init__(self, scripts: Scripts, audit: Audit, now: Clock = redis_clock) -> None:
        self._scripts = scripts
        self._audit = audit
        self._now = now

    def open(self, job_id: str, template: str) -> tuple[str, list[Due]]:
        """Open the next executions of a job, at most ``staging.OPENED``.

        Returns ``MORE`` if the next can be opened at once, ``CANCEL`` if the rollout stopped and what was opened must
        be cancelled, else ""; and the executions whose messages the caller must send.
        """
        answer, flat = self._scripts.call("open_slice", self._now(), job_id, staging.OPENED, template)
        return answer, due_of(flat)

    def open_all(self, job_id: str, template: str) -> Iterator[str]:
        """Open what may be opened now; returns the slots whose messages the caller must send."""
        answer = MORE
        try:
            while answer == MORE:
                answer, due = self.open(job_id, template)
                yield from (each.slot for each in due)
        except LedgerUnavailable as error:
            # the job is accepted: an error now would make its caller submit it twice; maintenance opens the others
            logger.warning("Job %s was stored, and maintenance opens its executions: %s", job_id, error)

    def due(self, limit: int) -> list[str]:
        """Ids of the jobs whose next executions may be opened."""
        return list(self._scripts.call("list_opening", self._now(), limit))

    def steer(self, job_id: str, verb: str, actor: str) -> None:
        """``PAUSE``, ``RESUME``, ``APPROVE`` or ``ABORT`` a rollout.

        Raises ``JobNotFound``, ``JobFinal``; ``Conflict`` if that cannot be done now; ``AuditUnavailable``.
        """
        arguments = (self._now(), job_id, verb, actor)
        answer = self._audit.change(lambda entry: self._scripts.call("steer_rollout", *arguments, *entry), job=job_id)
        if answer == "unknown":
            raise JobNotFound.of(job_id)
        if answer == "final":
            raise JobFinal(f"Job {job_id} has ended already; its rollout can no longer be changed.")
        if answer != "done":
            raise Conflict(f"Job {job_id}: {_REFUSALS[answer]}")
