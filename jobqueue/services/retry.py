"""Retrying a job: a new job with the same request, for all of its agents or those that failed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

from jobqueue.errors import Conflict, InvalidInput, JobAltered, JobNotFinal, NothingToRetry, WorkRefused
from jobqueue.ledger.jobs import Jobs
from jobqueue.model.job import Job
from jobqueue.model.job_fields import RENEWED
from jobqueue.model.principal import ANONYMOUS, Principal
from jobqueue.model.states import ExecutionState
from jobqueue.model.submission import Accepted, Submission
from jobqueue.services.preparation import parse_target
from jobqueue.services.renewal import Renewal
from jobqueue.services.result_verifier import FORGED, REVOKED, UNSIGNED
from jobqueue.services.submission import JobSubmitter
from jobqueue.trust.signing import work
from jobqueue.trust.signing.trusted import TrustedKeys

#: States by which executions can be selected for a retry.
RETRIABLE = frozenset({ExecutionState.FAILED, ExecutionState.EXPIRED, ExecutionState.LOST})

#: The verdicts on a result for which it is not trusted.
_DOUBTFUL = frozenset({UNSIGNED, FORGED, REVOKED})
#: Maximum number of hosts that an error names.
_NAMED = 5


class JobRetrier:
    """Submits jobs again. The old and the new job refer to each other.

    ``check`` verifies that results are their agents' own: the states in the ledger are not signed. ``renew`` returns
    what changes in a job that runs again under a new id: some data is valid for one run only.
    """

    def __init__(
        self,
        jobs: Jobs,
        submitter: JobSubmitter,
        keys: TrustedKeys,
        check: Callable[[Job], Job],
        renew: Callable[[Job, str, Principal], Renewal],
    ) -> None:
        self._jobs = jobs
        self._submitter = submitter
        self._keys = keys
        self._look = check
        self._renew = renew

    def retry(
        self,
        job_id: str,
        target: str | None = None,
        only: frozenset[ExecutionState] | None = None,
        principal: Principal = ANONYMOUS,
    ) -> Accepted:
        """Retry with the same target and options, unless ``target`` is given.

        ``only`` restricts it to the agents whose executions ended in one of these states. Raises ``JobNotFound``,
        ``JobNotFinal``, ``NothingToRetry``, ``JobAltered`` (also if ``only`` selects a result that its agent did not
        sign), and the errors of a submission.
        """
        job = self._jobs.get(job_id)
        if not job.status.is_final:
            raise JobNotFinal(f"Job {job_id} has not ended; cancel it first, or wait for it.")
        if job.external_run is not None:
            raise Conflict(
                f"Job {job_id} was not run by an agent, so it cannot be retried; start it again where it came from."
            )
        self._check(job)
        hosts: tuple[str, ...] = ()
        if only is not None:
            if target is not None:
                raise InvalidInput("Give either target_hostname or only: 'only' picks agents of the job's own target.")
            hosts = self._failed_hosts(job, only)
        new_id = str(uuid.uuid4())
        renewal = self._renew(job, new_id, principal)
        again = Submission(
            **{field.name: getattr(job, field.name) for field in RENEWED} | {"data": renewal.data},
            exclusive=renewal.exclusive,
            groups=renewal.groups,
            retry_of=job_id,
            principal=principal,
        )
        if target is not None:
            # one host has no batches
            rollout = again.rollout if parse_target(target).is_broadcast else None
            again = replace(again, target=target, among=(), needs=None, rollout=rollout)
        return self._submitter.submit(again, only=hosts, job_id=new_id)

    def _check(self, job: Job) -> None:
        """Raise ``JobAltered`` unless the API signed the record: a retry signs it again."""
        try:
            work.read(job.document, self._keys, job.id)
        except WorkRefused as refusal:
            raise JobAltered(f"Job {job.id} cannot be retried: {refusal.message}. Submit it again.") from refusal

    def _failed_hosts(self, job: Job, only: frozenset[ExecutionState]) -> tuple[str, ...]:
        if not only <= RETRIABLE:
            names = ", ".join(sorted(map(str, RETRIABLE)))
            raise InvalidInput(f"'only' takes {names}.", {"only": [f"must be among {names}"]})
        matching = [execution for execution in job.executions if execution.state in only]
        if not matching:
            states = ", ".join(sorted(map(str, only)))
            raise NothingToRetry(f"Job {job.id} has no execution that is {states}.")
        looked_at = self._look(replace(job, executions=tuple(matching))).executions
        doubtful = [x.hostname or x.slot for x in looked_at if x.authenticity in _DOUBTFUL]
        if doubtful:
            more = f" and {len(doubtful) - _NAMED} more" if len(doubtful) > _NAMED else ""
            raise JobAltered(
                f"Job {job.id} cannot be retried by 'only': the result of {', '.join(doubtful[:_NAMED])}{more} is not "
                "signed by its agent, or the agent was revoked since, so it may be false. Check the host; then retry "
                "without 'only', or submit a new job for the hosts."
            )
        return tuple(x.hostname for x in matching) if job.is_broadcast else ()
