"""From a saved job, or from a node of a workflow, to a submission: its checks, its rights and its values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobqueue.errors import InvalidInput, InvalidTarget, PermissionDenied
from jobqueue.ledger import decoding
from jobqueue.model.job_fields import SAVED, JobFields
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import MAX_BYTES, SavedJob
from jobqueue.model.submission import Submission
from jobqueue.operations.registry import Registry
from jobqueue.services import submission_permissions, targets
from jobqueue.services.saved import template
from jobqueue.services.saved.checks import check_templates, target_parameter
from jobqueue.services.saved.parameters import SECRET, check_parameters, is_required, values_of

#: Where the data of the operation is in a request, for errors.
_DATA = "operation.data"
_TARGET = "target_hostname"


def checked(saved: SavedJob, registry: Registry) -> SavedJob:
    """The saved job with its parameters completed. Raises ``InvalidInput``."""
    parameters = check_parameters(saved.parameters)
    size = len(json.dumps(saved.content))  # before the templates are read, which takes longer
    if size > MAX_BYTES:
        raise InvalidInput(f"The saved job has {size} bytes of JSON; at most {MAX_BYTES} are allowed.")
    operation, data, target = str(saved.job["operation"]), saved.job["data"], str(saved.job["target"])
    registry.check_outline(operation, data)
    check_templates(registry.requested(operation, data).code, data, parameters, _DATA)
    if target_parameter(target, parameters) is None:
        _check_target(target)
    if not any(is_required(schema) for schema in parameters.values()):
        registry.validate(operation, template.render(data, values_of(parameters, {}), _DATA))
    return replace(saved, parameters=parameters)


def require_rights(saved: SavedJob, principal: Principal, registry: Registry) -> None:
    """Raise ``PermissionDenied`` unless the principal may submit the job on every host and without a limit."""
    run = registry.requested(str(saved.job["operation"]), saved.job["data"])
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


def submission(
    saved: SavedJob,
    registry: Registry,
    parameters: Mapping[str, Any],
    principal: Principal,
    target: str | None = None,
    /,
    **options: Any,
) -> Submission:
    """The submission of a saved job with these values of its parameters, for ``principal``.

    ``target`` is another target than its own, if it allows one; ``options`` are further fields of ``Submission``.
    Raises ``InvalidInput`` for a parameter and for the target.
    """
    values = values_of(saved.parameters, parameters)
    fields = {field.name: _field(field, saved.job.get(field.name)) for field in SAVED}
    run = registry.requested(fields["operation"], fields["data"])
    fields |= {
        "data": template.render(fields["data"], values, _DATA, run.reference_kinds),
        "target": _chosen_target(saved, values, target),
        "title": saved.title,
    }
    return Submission(**fields | options, principal=principal)


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
