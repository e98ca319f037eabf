"""Reading, cancelling, steering and deleting jobs with permissions on some hosts only."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.rollouts import APPROVE
from jobqueue.model.failure import RecentFailures, group_failures
from jobqueue.model.filter import JobFilter, JobPage
from jobqueue.model.history import History
from jobqueue.model.job import Job
from jobqueue.model.job_search import JobSearch
from jobqueue.model.principal import ANONYMOUS, Principal
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.submission import Accepted
from jobqueue.services.execution_pages import ExecutionReader
from jobqueue.services.jobs import DELETE, JobManager
from jobqueue.services.retry import JobRetrier
from jobqueue.services.seen.access import Access
from jobqueue.services.seen.jobs import SeenJobs

READ, WRITE, APPROVES = "job:read", "job:write", "job:approve"


class GuardedJobManager(JobManager):
    """Changing a job needs the permission on all of its hosts, which ``hosts_of`` names."""

    def __init__(
        self, ledger: Ledger, verify: Callable[[Job], Job], access: Access, hosts_of: Callable[[str], Sequence[str]]
    ) -> None:
        super().__init__(ledger, verify)
        self._access = access
        self._hosts_of = hosts_of

    def cancel(self, job_id: str, actor: str = "on request") -> Job:
        """Cancel a job all of whose hosts are within the scope of ``job:write``."""
        self._access.require(WRITE, self._hosts_of(job_id))
        return super().cancel(job_id, actor)

    def steer(self, job_id: str, verb: str, actor: str = "on request", *, is_checked: bool = False) -> Job:
        """Steer a rollout all of whose hosts are within the scope of ``job:write``, or ``job:approve``."""
        self._access.require(APPROVES if verb == APPROVE else WRITE, self._hosts_of(job_id))
        return super().steer(job_id, verb, actor, is_checked=is_checked)

    def delete(self, job_id: str, principal: Principal = ANONYMOUS) -> None:
        """Delete an ended job all of whose hosts are within the scope of ``job:write``: one's own, or any with
        ``job:delete`` on them.
        """
        self._access.require(WRITE, self._hosts_of(job_id))
        super().delete(job_id, principal)

    def _require_delete(self, job_id: str, principal: Principal) -> None:  # noqa: ARG002 - the access has its principal
        self._access.require(DELETE, self._hosts_of(job_id))


class SeenJobManager(GuardedJobManager):
    """Reading a job shows the part on visible hosts."""

    def __init__(self, ledger: Ledger, verify: Callable[[Job], Job], access: Access, jobs: SeenJobs) -> None:
        super().__init__(ledger, verify, access, jobs.hosts)
        self._jobs = self._seen = jobs
        self.executions = ExecutionReader(jobs, verify)

    def search(self, job_filter: JobFilter, search: JobSearch) -> JobPage:
        """One page of the visible jobs whose visible part matches ``search``."""
        return self._seen.search(job_filter, search.matches)

    def counts(self) -> dict[JobStatus, int]:
        """The number of jobs in every status: of the visible ones, unless the metrics of all are."""
        return self._ledger.jobs.counts() if self._access.principal.may("metrics:read") else self._seen.counts()

    def history(self, seconds: int, spans: int) -> History:
        """Refused: it counts the jobs of all hosts."""
        raise self._access.closed(f"The history of jobs of the last {seconds * spans} seconds", READ)

    def failures(self, within_seconds: int) -> RecentFailures:
        """The failures on visible hosts."""
        failures, is_complete = self._ledger.failures.since(self._ledger.time() - within_seconds * 1_000_000)
        hosts = self._access.hosts(READ)
        return RecentFailures(group_failures(failure for failure in failures if failure.hostname in hosts), is_complete)


class SeenRetrier:
    """Retries a job that is visible as a whole; the hosts of the new job are checked like those of any other."""

    def __init__(self, retrier: JobRetrier, jobs: SeenJobs, access: Access) -> None:
        self._retrier = retrier
        self._jobs = jobs
        self._access = access

    def retry(
        self,
        job_id: str,
        target: str | None = None,
        only: frozenset[ExecutionState] | None = None,
        principal: Principal = ANONYMOUS,
    ) -> Accepted:
        """As ``JobRetrier.retry``. Raises ``PermissionDenied`` for a job that has hosts outside of the scope."""
        if not self._jobs.sees_all(job_id):
            raise self._access.closed(f"Job {job_id}", READ)
        return self._retrier.retry(job_id, target=target, only=only, principal=principal)
