"""A caller's request: one operation on one target."""

from __future__ import annotations

from dataclasses import dataclass

from jobqueue.model.job_fields import JobFields
from jobqueue.model.principal import ANONYMOUS, Principal


@dataclass(frozen=True)
class Submission(JobFields):
    """One request for a job, parsed but not yet resolved against agents and operations.

    ``principal`` is the caller, whose permissions apply and whose name ``submitted_by`` is; the default has none.
    ``plan_hash`` is that of a plan; the job is refused if the set of agents has changed.
    """

    idempotency_key: str | None = None
    plan_hash: str | None = None
    principal: Principal = ANONYMOUS

    def __post_init__(self) -> None:
        # taken only from the principal, even if the fields were copied from another job
        object.__setattr__(self, "submitted_by", self.principal.name)


@dataclass(frozen=True)
class Accepted:
    """The answer to a submission: the job is in the ledger. ``created`` is in microseconds.

    ``replayed``: an earlier job with the same idempotency key was returned; nothing new was stored. ``is_audited``: the
    audit trail holds the entry of this submission.

    Not ``is_confirmed``: the ledger has not answered in time, so the job may be stored, or may still be; ``created`` is
    then the time of the request.
    """

    job_id: str
    created: int
    revision: int = 1
    replayed: bool = False
    status: str = "submitted"
    is_audited: bool = False
    is_confirmed: bool = True
