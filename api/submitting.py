"""Submitting a job for a request: one way for every API, so that each says the same of it in the audit trail."""

from __future__ import annotations

from api import audit
from api.context import services
from jobqueue.model.submission import Accepted, Submission


def submit(submission: Submission, status: int) -> Accepted:
    """Submit a job, for a request that is answered with ``status`` if the job is accepted and confirmed.

    Raises what ``JobSubmitter.submit`` raises. The request's entry in the audit trail is written together with the job.
    """
    audit.note(operation=submission.operation, target=submission.target)
    accepted = services().submitter.submit(submission, audit_entry=audit.entry_of(status))
    if accepted.is_audited:
        audit.is_written(status)
    else:
        audit.note(job=accepted.job_id)
    return accepted
