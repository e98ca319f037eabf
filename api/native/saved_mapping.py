"""From saved jobs to the JSON of the native API, and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from api.native import requests
from jobqueue.errors import InvalidInput
from jobqueue.model.changes import Change
from jobqueue.model.job_fields import DEFAULT_PRIORITY, SAVED
from jobqueue.model.principal import Principal
from jobqueue.model.saved_job import SavedJob, check_grantees, check_manager
from jobqueue.model.timestamps import to_iso
from jobqueue.services.saved.making import saved_fields

Document = dict[str, Any]
#: Fields that the answer shows within ``operation``.
_OPERATION = ("operation", "data")
_NO_OPTION: Document = {"priority": DEFAULT_PRIORITY, "tags": {}}


def saved_job(saved: SavedJob) -> Document:
    """A saved job."""
    options = {
        field.shown_as: saved.job.get(field.name, _NO_OPTION.get(field.name))
        for field in SAVED
        if field.name not in _OPERATION
    }
    return {
        "name": saved.name,
        "version": saved.version,
        "changed": to_iso(saved.changed),
        "changed_by": saved.changed_by,
        "managed_by": saved.managed_by,
        "operation": {"type": saved.job["operation"], "data": saved.job["data"]},
        **options,
        "parameters": saved.content["parameters"],
        "target_override": saved.target_override,
        "run_by": list(saved.run_by),
        "edit_by": list(saved.edit_by),
    }


def changes(differences: Iterable[Change]) -> list[Document]:
    """The fields that differ."""
    return [
        {"field": difference.field, "before": difference.before, "after": difference.after}
        for difference in differences
    ]


def parsed(name: str, loaded: Mapping[str, Any], principal: Principal) -> SavedJob:
    """The saved job that ``SavedJobRequest`` loaded. Raises ``InvalidInput``."""
    return SavedJob(
        name=name,
        job=saved_fields(requests.submission(loaded, principal=principal)),
        parameters=loaded["parameters"],
        target_override=loaded["target_override"],
        run_by=check_grantees(loaded["run_by"], "run_by"),
        edit_by=check_grantees(loaded["edit_by"], "edit_by"),
        managed_by=check_manager(loaded["managed_by"]),
    )


def expected_version(header: str | None, in_body: int | None) -> int | None:
    """The version that the caller read: ``version`` of the body, or the header If-Match. Raises ``InvalidInput``."""
    if header is None:
        return in_body
    text = header.strip().removeprefix("W/").strip('"')
    if not text.isascii() or not text.isdecimal() or len(text) > 10:
        raise InvalidInput.of("If-Match", "Must be one version, as in the header ETag of an answer.")
    if in_body is not None and in_body != int(text):
        raise InvalidInput.of("version", "Differs from the header If-Match; give one of them.")
    return int(text)
