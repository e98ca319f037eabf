"""Reading, listing, cancelling and deleting jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jobqueue.errors import Conflict, PermissionDenied
from jobqueue.ledger.jobs import SHOWN_EXECUTIONS
from jobqueue.ledger.ledger import Ledger
from jobqueue.ledger.rollouts import APPROVE
from jobqueue.model.failure import RecentFailures, group_failures
from jobqueue.model.filter import MAX_LIMIT, JobFilter, JobPage
from jobqueue.model.history import History
from jobqueue.model.job import Job
from jobqueue.model.job_search import JobSearch
from jobqueue.model.job_summary import JobSummary, JobSummaryPage
from jobqueue.model.principal import ANONYMOUS, Principal
from jobqueue.model.rollout_progress import BatchState
from jobqueue.model.states import JobStatus
from jobqueue.services.execution_pages import ExecutionReader

#: The permission to delete the jobs of others.
DELETE = "job:delete"
#: Jobs that one request examines for a text, an error or a submitter.
SEARCHED_JOBS = 1000


def awaits_first_approval(job: Job) -> bool:
    """Whether a job has opened nothing, since it exceeds its submitter's limits and has not been approved."""
    progress = job.rollout_progress
    if job.approval is None or job.status.is_final:
        return False
    return progress is None or not any(batch.opened or batch.state is BatchState.WAITING for batch in progress.batches)


class JobManager:
    """The jobs for the APIs: the results of a single job always have their signatures verified.

    Lists are not verified, since that takes time for each execution: their ``Execution.authenticity`` is None.
    """

    def __init__(self, ledger: Ledger, verify: Callable[[Job], Job]) -> None:
        self._ledger = ledger
        self._jobs = ledger.jobs
        self._verify = verify
        self.executions = ExecutionReader(ledger.jobs, verify)

    def get(self, job_id: str) -> Job:
        """The job with this id, with its first ``SHOWN_EXECUTIONS`` executions, verified.

        Raises ``JobNotFound``, ``RecordAltered``.
        """
        return self._verify(self._jobs.get(job_id, SHOWN_EXECUTIONS))

    def head(self, job_id: str) -> Job:
        """The same job without the executions of a broadcast. Raises ``JobNotFound``, ``RecordAltered``."""
        return self._verify(self._jobs.get(job_id, 0))

    def find(self, name: str) -> Job:
        """The job with this alias or id, as ``get``. Raises ``JobNotFound``, ``RecordAltered``."""
        return self._verify(self._jobs.named(name, SHOWN_EXECUTIONS))

    def page(self, job_filter: JobFilter) -> JobPage:
        """One page of jobs, newest first, each with its first executions; not verified."""
        return self._jobs.page(job_filter)

    def search(self, job_filter: JobFilter, search: JobSearch) -> JobPage:
        """One page of those jobs that also match ``search``, newest first; not verified.

        Examines at most ``SEARCHED_JOBS`` jobs of the filter; ``next_cursor`` continues after them, so that a page may
        be short, or empty. ``total`` counts the matches on the page; ``is_least``: there may be others.
        """
        jobs: list[Job] = []
        cursor = job_filter.cursor
        page = JobPage((), 0, {})
        for _ in range(SEARCHED_JOBS // MAX_LIMIT):
            page = self._jobs.page(replace(job_filter, limit=MAX_LIMIT, offset=0, cursor=cursor))
            for job in page.items:
                if search.matches(job):
                    jobs.append(job)
                if len(jobs) == job_filter.limit:
                    return replace(page, items=tuple(jobs), total=len(jobs), next_cursor=job.created, is_least=True)
            cursor = page.next_cursor
            if cursor is None:
                break
        is_least = cursor is not None or job_filter.cursor is not None
        return replace(page, items=tuple(jobs), total=len(jobs), next_cursor=cursor, is_least=is_least)

    def summaries(self, job_filter: JobFilter) -> JobSummaryPage:
        """The same page, with summaries only."""
        return self._jobs.summaries(job_filter)

    def starting(self, prefix: str, most: int) -> tuple[tuple[JobSummary, ...], int, bool]:
        """The newest ``most`` jobs whose ids begin with ``prefix``, the number of all such jobs, and whether the search
        was complete: only the newest jobs are searched, see ``Jobs.starting``."""
        ids, is_all = self._jobs.starting(prefix)
        return self._jobs.summaries_of(ids[:most]), len(ids), is_all

    def summaries_of(self, job_ids: list[str]) -> tuple[JobSummary, ...]:
        """The summaries of the jobs that (still) exist, in order."""
        return self._jobs.summaries_of(job_ids)

    def read_many(self, job_ids: list[str]) -> dict[str, Job]:
        """The jobs of a page that (still) exist, without the executions of broadcasts; not verified."""
        return {job.id: job for job in self._jobs.get_many(job_ids, 0)}

    def counts(self) -> dict[JobStatus, int]:
        """The number of jobs in every status."""
        return self._jobs.counts()

    def history(self, seconds: int, spans: int) -> History:
        """How many jobs were submitted and ended in the last ``spans`` of ``seconds`` each."""
        return self._ledger.counting.history(self._ledger.time(), seconds, spans)

    def failures(self, within_seconds: int) -> RecentFailures:
        """What failed in jobs that ended within the last seconds, grouped by operation, title and error."""
        failures, is_complete = self._ledger.failures.since(self._ledger.time() - within_seconds * 1_000_000)
        return RecentFailures(group_failures(failures), is_complete)

    def cancel(self, job_id: str, actor: str = "on request") -> Job:
        """Cancel, and return the job as it is now. Raises ``JobNotFound``, ``JobFinal``."""
        self._jobs.cancel(job_id, actor)
        return self.get(job_id)

    def steer(self, job_id: str, verb: str, actor: str = "on request", *, is_checked: bool = False) -> Job:
        """Pause, resume, approve or abort a rollout, and return the job as it is now.

        ``is_checked``: the approver of a job that waits for its first approval was checked (``Approvals``).
        Raises ``JobNotFound``, ``JobFinal``, ``Conflict``.
        """
        if verb == APPROVE and not is_checked and awaits_first_approval(self._ledger.jobs.get(job_id, 0)):
            raise Conflict(f"Job {job_id} waits for an approval of its plan, which names its plan_hash.")
        self._ledger.rollouts.steer(job_id, verb, actor)
        return self.get(job_id)

    def delete(self, job_id: str, principal: Principal = ANONYMOUS) -> None:
        """Delete an ended job: one's own, or any job with the permission ``job:delete``.

        Raises ``JobNotFound``, ``JobNotFinal``, ``PermissionDenied``.
        """
        if not principal.may(DELETE) and self._jobs.get(job_id, 0).submitted_by != principal.name:
            self._require_delete(job_id, principal)
        self._jobs.delete(job_id)

    def _require_delete(self, job_id: str, principal: Principal) -> None:  # noqa: ARG002 - needs it where hosts matter
        raise PermissionDenied.of(principal.name, DELETE)
