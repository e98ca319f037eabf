"""The verification of a rollout, checked when the job is submitted: it is work for the same hosts."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobqueue.errors import InvalidInput
from jobqueue.model.submission import Submission
from jobqueue.model.verification import Verification, invalid
from jobqueue.operations.registry import Registry
from jobqueue.operations.requested_run import RequestedRun
from jobqueue.services import submission_permissions
from jobqueue.services.packages import PackageResolver


@dataclass(frozen=True)
class CheckedVerification:
    """A verification whose operation is known and whose data fits it."""

    terms: Verification
    run: RequestedRun

    @property
    def permissions(self) -> tuple[str, ...]:
        """The permissions that a submission needs for the verification."""
        return submission_permissions.needed(self.run)

    def prepared(self, submission: Submission, package_resolver: PackageResolver) -> Submission:
        """The submission with the data of the verification as it is stored."""
        if submission.rollout is None:
            return submission
        terms = replace(self.terms, data=self.run.prepared(package_resolver))
        return replace(submission, rollout=replace(submission.rollout, verify=terms))


def checked(submission: Submission, operations: Registry, *, explains: bool = True) -> CheckedVerification | None:
    """The verification of a submission; None for one without. Raises ``InvalidInput`` that names ``rollout.verify``."""
    terms = submission.rollout.verify if submission.rollout is not None else None
    if terms is None:
        return None
    try:
        operations.get(terms.operation, compares=explains)
        data = operations.validate(terms.operation, dict(terms.data), explains=explains)
        run = operations.requested(terms.operation, data)
    except InvalidInput as error:
        raise invalid(f"operation: {error.message}") from error
    return CheckedVerification(terms, run)
