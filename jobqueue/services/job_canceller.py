"""Cancels jobs with the permissions of a principal, also of one that sends no request now: a schedule's owner."""

from __future__ import annotations

from jobqueue.ledger.ledger import Ledger
from jobqueue.model.principal import Principal
from jobqueue.services.jobs import JobManager
from jobqueue.services.scopes import Scopes
from jobqueue.services.seen.access import Access
from jobqueue.services.seen.services import hosts_of

_WRITE = "job:write"


class JobCanceller:
    """Cancels jobs as the principals of schedules may: those all of whose hosts are within their ``job:write``."""

    def __init__(self, ledger: Ledger, jobs: JobManager, scopes: Scopes) -> None:
        self._ledger = ledger
        self._jobs = jobs
        self._scopes = scopes

    def cancel(self, principal: Principal, job_id: str, reason: str) -> None:
        """Cancel a job. Raises ``JobNotFound``, ``JobFinal``, ``PermissionDenied``."""
        if not principal.may(_WRITE):
            Access(principal, self._scopes).require(_WRITE, hosts_of(self._ledger, job_id))
        self._jobs.cancel(job_id, reason)
