"""Retrying a job: a new job with the same request, for all of its agents or those that failed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from jobqueue.errors import Conflict, InvalidInput, JobNotFinal, NothingToRetry
from jobqueue.model.job import Job
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Accepted, Submission
from jobqueue.services.submit import Submit
from jobqueue.store.jobs import Jobs

#: States whose executions can be picked for a retry.
RETRIABLE = frozenset({ExecutionState.FAILED, ExecutionState.EXPIRED, ExecutionState.LOST})


class Retry:
    """Submits jobs again. Both jobs name each other.

    ``renew`` gives the data for a job that is run again under a new id: some data holds for one run only.
    """

    def __init__(self, jobs: Jobs, submit: Submit, renew: Callable[[Job, str], Mapping[str, Any]]) -> None:
        self._jobs = jobs
        self._submit = submit
        self._renew = renew

    def __call__(
        self,
        job_id: str,
        target: str | None = None,
        only: frozenset[ExecutionState] | None = None,
        submitted_by: str = "",
    ) -> Accepted:
        """Retry with the same target and options, unless ``target`` is given.

        ``only`` keeps it to the agents whose executions ended in one of these states. Raises ``JobNotFound``,
        ``JobNotFinal``, ``NothingToRetry``, and all that a submission raises.
        """
        job = self._jobs.get(job_id)
        if not job.status.is_final:
            raise JobNotFinal(f"Job {job_id} has not ended; cancel it first, or wait for it.")
        if job.outside is not None:
            raise Conflict(f"No agent ran job {job_id}, so none can run it again; start it anew where it came from.")
        hosts: tuple[str, ...] = ()
        if only is not None:
            if target is not None:
                raise InvalidInput("Give either target_hostname or only: 'only' picks agents of the job's own target.")
            hosts = self._failed_hosts(job, only)
        new_id = str(uuid.uuid4())
        return self._submit.one(
            Submission(
                operation=job.operation,
                data=self._renew(job, new_id),
                target=target if target is not None else job.target,
                timeout_seconds=job.timeout_seconds,
                retries=job.retries,
                priority=job.priority,
                tags=job.tags,
                origin=job.origin,
                submitted_by=submitted_by,
                exclusive=job.exclusive,
                request=job.request,
                among=job.among if target is None else (),
            ),
            retry_of=job_id,
            only=hosts,
            job_id=new_id,
        )

    @staticmethod
    def _failed_hosts(job: Job, only: frozenset[ExecutionState]) -> tuple[str, ...]:
        if not only <= RETRIABLE:
            names = ", ".join(sorted(map(str, RETRIABLE)))
            raise InvalidInput(f"'only' takes {names}.", {"only": [f"must be among {names}"]})
        matching = [x for x in job.executions if x.state in only]
        if not matching:
            states = ", ".join(sorted(map(str, only)))
            raise NothingToRetry(f"Job {job.id} has no execution that is {states}.")
        return tuple(x.hostname for x in matching) if job.is_broadcast else ()
