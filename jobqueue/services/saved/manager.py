"""Stores saved jobs, and makes submissions of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jobqueue.errors import InvalidInput, InvalidTarget, PermissionDenied, RecordChanged, SavedJobNotFound
from jobqueue.ledger import decoding
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.changes import Change, changes
from jobqueue.model.job_fields import SAVED, JobFields
from jobqueue.model.principal import Principal
from jobqueue.model.record_name import check_record_name
from jobqueue.model.saved_job import MAX_BYTES, SavedJob, group_of
from jobqueue.model.submission import Submission
from jobqueue.operations.registry import Registry
from jobqueue.services import submission_permissions, targets
from jobqueue.services.saved import template
from jobqueue.services.saved.checks import check_templates, target_parameter
from jobqueue.services.saved.parameters import SECRET, check_parameters, is_required, values_of

#: Where the data of the operation is in a request, for errors.
_DATA = "operation.data"
_TARGET = "target_hostname"


@dataclass(frozen=True)
class SavedJobChange:
    """The effect of storing a saved job, real or planned: ``change`` is created, changed or unchanged."""

    saved: SavedJob
    change: str
    differences: tuple[Change, ...]


class SavedJobManager:
    """Stores, lists, runs and removes saved jobs. A run has its caller's permissions, no others."""

    def __init__(self, ledger: Ledger, registry: Registry) -> None:
        self._ledger = ledger
        self._saved = ledger.saved_jobs
        self._registry = registry

    def page(self, after: str = "", limit: int = 100) -> tuple[list[SavedJob], str | None]:
        """Up to ``limit`` saved jobs after the name ``after``, and the name to continue after, if there are more."""
        return self._saved.page(after, limit)

    def get(self, name: str) -> SavedJob:
        """One saved job. Raises ``SavedJobNotFound``, ``RecordAltered``."""
        return self._saved.get(name)

    def exists(self, name: str) -> bool:
        """Whether a job is saved under this name, also one whose record was altered."""
        try:
            self._saved.raw(name)
        except SavedJobNotFound:
            return False
        return True

    def versions(self, name: str) -> list[SavedJob]:
        """Its newest versions, newest first. Raises ``SavedJobNotFound``."""
        return self._saved.versions(name)

    def version(self, name: str, number: int) -> SavedJob:
        """One of its versions. Raises ``SavedJobNotFound``, ``InvalidInput`` for one that is not kept."""
        versions = self.versions(name)
        for saved in versions:
            if saved.version == number:
                return saved
        sentence = (
            f"There is no version {number} of {name!r}; {versions[-1].version} to {versions[0].version} are kept."
        )
        raise InvalidInput.of("version", sentence)

    def put(
        self, saved: SavedJob, principal: Principal, *, expected: int | None = None, is_dry_run: bool = False
    ) -> SavedJobChange:
        """Store a saved job, in place of one of the same name. The same content makes no new version.

        ``expected`` is the version that the caller read, 0 for none. Raises ``InvalidInput``, ``PermissionDenied`` if
        ``edit_by`` does not include the principal, or the principal may not submit its job on every host: others, and
        schedules of others, run it with their own permissions. ``RecordChanged`` if there is another version.
        """
        check_record_name(saved.name)
        before, text = self._saved.find(saved.name)
        if before is not None and not before.may_edit(principal):
            raise _denied(principal, before, "edit")
        _check_version(before, saved.name, expected)
        saved = self._checked(saved)
        self._require_rights(saved, principal)
        differences = tuple(changes({} if before is None else before.content, saved.content))
        if before is not None and not differences:
            return SavedJobChange(before, "unchanged", ())
        new_version = replace(
            saved,
            version=1 if before is None else before.version + 1,
            changed=self._ledger.time(),
            changed_by=principal.name,
        )
        if not is_dry_run:
            self._saved.store(new_version, text)
        return SavedJobChange(new_version, "created" if before is None else "changed", differences)

    def restore(self, name: str, number: int, principal: Principal, *, expected: int | None = None) -> SavedJobChange:
        """Make an earlier version the newest one, as a new version. It is then no longer managed by files."""
        return self.put(replace(self.version(name, number), managed_by=""), principal, expected=expected)

    def remove(self, name: str, principal: Principal, *, expected: int | None = None) -> None:
        """Remove a saved job and its versions. Raises as ``put``, and ``SavedJobNotFound``.

        One whose record was altered can be removed by those who may do everything.
        """
        if principal.may("*"):
            self._saved.remove(name, self._saved.raw(name))
            return
        before, text = self._saved.find(name)
        if before is None:
            raise SavedJobNotFound.of(name)
        if not before.may_edit(principal):
            raise _denied(principal, before, "edit")
        _check_version(before, name, expected)
        self._saved.remove(name, text)

    def submission(
        self,
        name: str,
        parameters: Mapping[str, Any],
        principal: Principal,
        *,
        target: str | None = None,
        version: int | None = None,
        **options: Any,
    ) -> Submission:
        """The submission of a run: the saved job with these values of its parameters, for ``principal``.

        ``target`` is another target than its own, if it allows one; ``version`` is the only one that may run;
        ``options`` are further fields of ``Submission``, such as ``idempotency_key``. Raises ``SavedJobNotFound``,
        ``PermissionDenied`` if the principal may not run it (what else its job needs is checked when it is submitted),
        ``InvalidInput`` (a parameter, the target), ``RecordChanged`` (another version).
        """
        saved = self.get(name)
        if not saved.may_run(principal):
            raise _denied(principal, saved, "run")
        _check_version(saved, name, version)
        values = values_of(saved.parameters, parameters)
        fields = {field.name: _field(field, saved.job.get(field.name)) for field in SAVED}
        fields |= {
            "data": template.render(fields["data"], values, _DATA),
            "target": _chosen_target(saved, values, target),
            "title": saved.title,
            "saved": {"name": saved.name, "version": saved.version},
            "groups": (group_of(saved.name),),
        }
        return Submission(**fields | options, principal=principal)

    def _require_rights(self, saved: SavedJob, principal: Principal) -> None:
        run = self._registry.requested(str(saved.job["operation"]), saved.job["data"])
        needed = list(submission_permissions.needed(run))
        if any(schema.get(SECRET) for schema in saved.parameters.values()):
            needed.append(submission_permissions.USE_SECRETS)
        for permission in needed:
            if not principal.may(permission):
                principal.require_somewhere(permission)
                raise PermissionDenied(
                    f"Others run saved jobs with their own permissions, so saving this one takes {permission} on every "
                    f"host and without a limit, and {principal.name} has it on some hosts only, or with a limit.",
                    {"permission": permission},
                )

    def _checked(self, saved: SavedJob) -> SavedJob:
        """The saved job with its parameters completed. Raises ``InvalidInput``."""
        parameters = check_parameters(saved.parameters)
        size = len(json.dumps(saved.content))  # before the templates are read, which takes longer
        if size > MAX_BYTES:
            raise InvalidInput(f"The saved job has {size} bytes of JSON; at most {MAX_BYTES} are allowed.")
        operation, data, target = str(saved.job["operation"]), saved.job["data"], str(saved.job["target"])
        self._registry.check_outline(operation, data)
        check_templates(self._registry.requested(operation, data).code, data, parameters, _DATA)
        if target_parameter(target, parameters) is None:
            _check_target(target)
        if not any(is_required(schema) for schema in parameters.values()):
            self._registry.validate(operation, template.render(data, values_of(parameters, {}), _DATA))
        return replace(saved, parameters=parameters)


def saved_fields(job: JobFields) -> dict[str, Any]:
    """The fields of a submission or a job, in JSON form, that a saved job keeps."""
    values = ((field, getattr(job, field.name)) for field in SAVED)
    return {one.name: one.document_value(value) for one, value in values if one.is_required or value != one.default}


def _field(about: Any, value: Any) -> Any:
    if value is None and not about.is_signed:
        return about.default
    return decoding.field(about, value)


def _chosen_target(saved: SavedJob, values: Mapping[str, Any], override: str | None) -> str:
    """The target of a run. Raises ``InvalidInput``."""
    own = str(saved.job["target"])
    name = target_parameter(own, saved.parameters)
    if name is not None:
        value = values.get(name)
        if not value:
            raise InvalidInput.of(f"parameters.{name}", "Must name at least one host: it is the target of the job.")
        own = ",".join(value) if isinstance(value, list) else str(value)
    if override is None or override == own:
        return own
    if not saved.target_override:
        sentence = f"The saved job {saved.name!r} runs on {own} only; target_override would allow another target."
        raise InvalidInput.of(_TARGET, sentence)
    return override


def _check_target(target: str) -> None:
    try:
        targets.parsed(target)
    except InvalidTarget as error:
        raise InvalidTarget(error.message, {_TARGET: [error.message]}) from error


def _check_version(current: SavedJob | None, name: str, expected: int | None) -> None:
    version = 0 if current is None else current.version
    if expected is None or expected == version:
        return
    if current is None:
        raise RecordChanged(f"The saved job {name!r} does not exist, so it has no version {expected}.", {"version": 0})
    raise RecordChanged(
        f"The saved job {name!r} has version {version}, by {current.changed_by}, not {expected}; read it again.",
        {"version": version, "changed_by": current.changed_by},
    )


def _denied(principal: Principal, saved: SavedJob, verb: str) -> PermissionDenied:
    permission = "saved:run" if verb == "run" else "saved:write"
    if not principal.may(permission):
        return PermissionDenied.of(principal.name, permission)
    allowed = ", ".join(saved.run_by if verb == "run" else saved.edit_by)
    return PermissionDenied(
        f"{principal.name or 'This caller'} may not {verb} the saved job {saved.name!r}; {verb}_by lists {allowed}."
    )
