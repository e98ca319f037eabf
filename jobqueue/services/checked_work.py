"""What a submission runs, checked: the data of its operation, and the verification of its rollout."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jobqueue.model.submission import Submission
from jobqueue.operations.base import Operation
from jobqueue.operations.registry import Registry
from jobqueue.operations.requested_run import RequestedRun
from jobqueue.services import rollout_verification, submission_permissions
from jobqueue.services.packages import PackageResolver
from jobqueue.services.rollout_verification import CheckedVerification


@dataclass(frozen=True)
class CheckedWork:
    """An operation with data that fits it, and the verification of the rollout, if it has one."""

    run: RequestedRun
    verification: CheckedVerification | None

    @property
    def permissions(self) -> tuple[str, ...]:
        """The permissions that the submission needs, in the order in which they are checked."""
        own = submission_permissions.needed(self.run)
        return own if self.verification is None else tuple(dict.fromkeys((*own, *self.verification.permissions)))

    def resolved(self, submission: Submission, package_resolver: PackageResolver) -> Submission:
        """The submission with digests in place of the names of packages and objects: signed data is unambiguous."""
        if self.run.needs_preparation:
            submission = replace(submission, data=self.run.prepared(package_resolver))
        return submission if self.verification is None else self.verification.prepared(submission, package_resolver)

    def typed(self, submission: Submission) -> Submission:
        """The submission with the types of the operations within its data."""
        inner = self.run.inner_types
        return replace(submission, inner_operations=inner) if inner != submission.inner_operations else submission


def checked_work(
    submission: Submission, operation: Operation, operations: Registry, *, explains: bool = True
) -> CheckedWork:
    """The work of a submission of ``operation``. Raises ``InvalidInput`` that names the fields, if it ``explains``."""
    data = operations.validate(operation.type, dict(submission.data), explains=explains)
    run = operations.requested(operation.type, data)
    return CheckedWork(run, rollout_verification.checked(submission, operations, explains=explains))
