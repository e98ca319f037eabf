"""The permissions that a submission needs."""

from __future__ import annotations

from jobqueue.operations.requested_run import RequestedRun
from jobqueue.trust.secrets.reference import has_secret

#: For every submission, besides those of its operations.
SUBMIT = "job:write"
#: For submissions that name secrets: even an operation that changes nothing, such as a DNS look-up, could leak one.
USE_SECRETS = "secret:use"


def needed(run: RequestedRun) -> tuple[str, ...]:
    """The permissions for a job that runs this, in the order in which they are checked."""
    secrets = [USE_SECRETS] if has_secret(run.data) else []
    return tuple(dict.fromkeys((SUBMIT, *run.permissions, *secrets)))
