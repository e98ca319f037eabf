"""Every expected error of jobqueue.

One root class; the class docstring is the default message. Each class carries a stable, HTTP-free
``code`` slug; the API layer maps classes to HTTP statuses in one place (``api/errors.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

#: Hosts that an error names.
_MOST_NAMED = 20


class JobQueueError(Exception):
    """An error in jobqueue."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.details = dict(details) if details else None
        super().__init__(self.message)


class InvalidInput(JobQueueError):
    """The input is not valid."""

    code = "invalid_input"

    @classmethod
    def of(cls, field: str, sentence: str) -> Self:
        """An error of one field, which the message and the details name."""
        return cls(f"{field}: {sentence}", {field: [sentence]})


class InvalidSettings(InvalidInput):
    """The configuration is not valid."""

    code = "invalid_settings"


class UnknownOperation(InvalidInput):
    """No operation of this type is known."""

    code = "unknown_operation"


class InvalidOperationData(InvalidInput):
    """The data does not fit the operation's schema."""

    code = "invalid_operation_data"


class InvalidTarget(InvalidInput):
    """The target is malformed."""

    code = "invalid_target"


class UnknownTarget(InvalidInput):
    """No agent matches this target."""

    code = "unknown_target"


class PermissionDenied(JobQueueError):
    """The caller lacks a permission."""

    code = "permission_denied"

    @classmethod
    def of(cls, name: str, permission: str) -> PermissionDenied:
        """The error for one permission that ``name`` lacks."""
        return cls(
            f"{name or 'An unauthenticated caller'} lacks the permission {permission}; ask an administrator for a role "
            "that has it.",
            {"permission": permission},
        )


class TooManyRequests(JobQueueError):
    """Too many requests; try again later."""

    code = "too_many_requests"

    def __init__(
        self, message: str | None = None, details: Mapping[str, Any] | None = None, *, retry_after: float = 1.0
    ) -> None:
        #: Seconds after which another try makes sense.
        self.retry_after = retry_after
        super().__init__(message, details)


class NotFound(JobQueueError):
    """Not found."""

    code = "not_found"


class JobNotFound(NotFound):
    """No job has this id."""

    code = "job_not_found"

    @classmethod
    def of(cls, job_id: str) -> JobNotFound:
        """The error for one id."""
        return cls(f"No job has the id {job_id}.")


class ConfigurationNotFound(NotFound):
    """No configuration has this id."""

    code = "configuration_not_found"

    @classmethod
    def of(cls, config_id: str) -> ConfigurationNotFound:
        """The error for one id."""
        return cls(f"No configuration has the id {config_id!r}.")


class CredentialNotFound(NotFound):
    """No such key, user or role is known."""

    code = "credential_not_found"


class TargetNotFound(NotFound):
    """No target is stored under this name."""

    code = "target_not_found"


class AlertNotFound(NotFound):
    """There is no alert of this kind."""

    code = "alert_not_found"


class SavedJobNotFound(NotFound):
    """No job is saved under this name."""

    code = "saved_job_not_found"

    @classmethod
    def of(cls, name: str) -> SavedJobNotFound:
        """The error for one name."""
        return cls(f"No job is saved as {name[:80]!r}; `jobqueue saved list` shows all.")


class WorkflowNotFound(NotFound):
    """No workflow has this name."""

    code = "workflow_not_found"

    @classmethod
    def of(cls, name: str) -> WorkflowNotFound:
        """The error for one name."""
        return cls(f"No workflow has the name {name[:80]!r}; `jobqueue workflow list` shows all.")


class WorkflowRunNotFound(NotFound):
    """No run of a workflow has this id."""

    code = "workflow_run_not_found"

    @classmethod
    def of(cls, run_id: str) -> WorkflowRunNotFound:
        """The error for one id."""
        return cls(f"No run of a workflow has the id {run_id[:80]!r}; `jobqueue workflow runs` lists them.")


class ObjectNotFound(NotFound):
    """No object has this name."""

    code = "object_not_found"

    @classmethod
    def of(cls, name: str, version: int | None = None) -> ObjectNotFound:
        """The error for one name, or for a version of an object."""
        if version is not None:
            return cls(f"The object {name[:80]!r} has no version {version}; `jobqueue file show` lists those kept.")
        return cls(f"There is no object {name[:80]!r}; `jobqueue file list` shows all.")


class ScheduleNotFound(NotFound):
    """No schedule has this name."""

    code = "schedule_not_found"


class NotificationNotFound(NotFound):
    """No notification rule has this name."""

    code = "notification_not_found"


class PauseNotFound(NotFound):
    """No pause has this id."""

    code = "pause_not_found"

    @classmethod
    def of(cls, pause_id: str) -> PauseNotFound:
        return cls(f"No pause has the id {pause_id}: it has ended, or never began. `jobqueue pause list` shows all.")


class AgentNotFound(NotFound):
    """No agent has this hostname."""

    code = "agent_not_found"


class Conflict(JobQueueError):
    """The request conflicts with the present state."""

    code = "conflict"


class NoLiveAgent(Conflict):
    """No live agent matches the target."""

    code = "no_live_agent"


class AgentAway(Conflict):
    """The agent does not accept new work."""

    code = "agent_away"


class PlanChanged(Conflict):
    """The set of agents has changed since the plan."""

    code = "plan_changed"

    @classmethod
    def of(cls, added: Sequence[str], removed: Sequence[str]) -> PlanChanged:
        """The error for agents that were added to the set and removed from it; it names the first of them."""
        changes = [f"{word} {_listed(hosts)}" for word, hosts in (("now also", added), ("no longer", removed)) if hosts]
        return cls(
            f"The set of agents has changed since the plan: {'; '.join(changes)}. Plan again, and submit with the new "
            "plan_hash.",
            {"added": list(added), "removed": list(removed)},
        )


class JobNotFinal(Conflict):
    """The job still runs; cancel it first."""

    code = "job_not_final"


class JobFinal(Conflict):
    """The job has already ended."""

    code = "job_final"


class NothingToRetry(Conflict):
    """The job has no execution that could be retried."""

    code = "nothing_to_retry"


class JobAltered(Conflict):
    """The record of the job was altered outside of the API."""

    code = "job_altered"


class RecordAltered(Conflict):
    """A record in Redis was not written by this API."""

    code = "record_altered"


class IdempotencyConflict(Conflict):
    """This idempotency key was used before with a different request."""

    code = "idempotency_conflict"


class AliasTaken(Conflict):
    """Another job has this name; choose a different one."""

    code = "alias_taken"


class ExclusiveHeld(Conflict):
    """A job that may run only once at a time has not ended yet."""

    code = "exclusive_held"


class ConcurrencyKeyHeld(Conflict):
    """Other jobs hold the concurrency key of a job that does not wait for it."""

    code = "concurrency_key_held"


class ConfigurationExists(Conflict):
    """A configuration with this id exists already."""

    code = "configuration_exists"


class ScheduleExists(Conflict):
    """A schedule with this name exists already."""

    code = "schedule_exists"


class NotificationExists(Conflict):
    """A notification rule with this name was stored meanwhile."""

    code = "notification_exists"


class PackageExists(Conflict):
    """A package of this name and with other content is stored already."""

    code = "package_exists"


class ObjectExists(Conflict):
    """An object of this name and with other content is stored already."""

    code = "object_exists"


class ObjectInUse(Conflict):
    """The object is deployed on hosts."""

    code = "object_in_use"


class DeploymentsFull(Conflict):
    """Too many deployments of this host are recorded."""

    code = "deployments_full"


class NameTaken(Conflict):
    """This name is taken."""

    code = "name_taken"


class RecordChanged(Conflict):
    """The record was changed concurrently; try again."""

    code = "record_changed"


class RoleInUse(Conflict):
    """The role is still assigned to keys or users."""

    code = "role_in_use"


class IllegalTransition(Conflict):
    """The transition is not allowed from the present state."""

    code = "illegal_transition"


class PackageTooLarge(JobQueueError):
    """The package exceeds the size limit."""

    code = "package_too_large"


class PackagesFull(JobQueueError):
    """The storage for packages is full."""

    code = "packages_full"


class LedgerUnavailable(JobQueueError):
    """The ledger (Redis) cannot be reached.

    ``may_have_run``: the command was sent and its answer was lost, so it may have run, or may still run.
    """

    code = "ledger_unavailable"
    may_have_run = False


class LedgerUncertain(LedgerUnavailable):
    """The ledger (Redis) did not confirm the change in time; it may have been made, or may still be made."""

    code = "ledger_uncertain"
    may_have_run = True


class LedgerRefuses(LedgerUnavailable):
    """The ledger (Redis) can be reached, but rejects commands at present."""

    code = "ledger_refuses"

    def __init__(
        self, message: str | None = None, details: Mapping[str, Any] | None = None, *, sentence: str = ""
    ) -> None:
        super().__init__(message, details)
        #: The refusal and its reason, without the server's own text, which not every caller should see.
        self.sentence = sentence or self.message


class CellUnavailable(JobQueueError):
    """A cell does not answer."""

    code = "cell_unavailable"


class NotServedByFront(JobQueueError):
    """The front does not serve this; send the request to a cell."""

    code = "not_served_by_front"


class ProviderUnavailable(JobQueueError):
    """The identity provider cannot be used at present."""

    code = "provider_unavailable"


class BucketUnavailable(JobQueueError):
    """The bucket that holds the content of objects cannot be used at present."""

    code = "bucket_unavailable"


class BucketTaken(BucketUnavailable):
    """The content of the bucket belongs to another installation."""

    code = "bucket_taken"


class SignInRefused(JobQueueError):
    """The sign-in at the identity provider did not succeed."""

    code = "sign_in_refused"


class AuditUnavailable(JobQueueError):
    """Nothing was changed, because the audit trail cannot be written."""

    code = "audit_unavailable"


class OperationFailed(JobQueueError):
    """The operation failed on the agent."""

    code = "operation_failed"


class OperationTimedOut(OperationFailed):
    """The operation ran longer than its timeout."""

    code = "operation_timed_out"


class OperationNotSupported(JobQueueError):
    """The operation is not supported on this host; the execution is skipped."""

    code = "operation_not_supported"


class OperationNotNeeded(OperationNotSupported):
    """There is nothing to do on this host; the execution is skipped."""

    code = "operation_not_needed"


class OperationCancelled(JobQueueError):
    """The operation was stopped on request."""

    code = "operation_cancelled"


class WorkRefused(JobQueueError):
    """The agent refuses work that was not signed for it, or that it has already run."""

    code = "work_refused"


class OperationNotAllowed(JobQueueError):
    """The owner of the host does not allow this operation."""

    code = "operation_not_allowed"


class SealBroken(JobQueueError):
    """The signature is missing, invalid, or by an untrusted key."""

    code = "seal_broken"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"
