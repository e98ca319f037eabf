"""From loaded requests to the arguments of the services."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from jobqueue.errors import InvalidInput, InvalidTarget
from jobqueue.model.filter import JobFilter
from jobqueue.model.job_fields import FIELDS
from jobqueue.model.job_search import JobSearch
from jobqueue.model.principal import Principal
from jobqueue.model.retry import RetryPolicy
from jobqueue.model.saved_job import group_of
from jobqueue.model.states import JobStatus
from jobqueue.model.submission import Submission
from jobqueue.model.target import ANY, check_hostname
from jobqueue.services.targets import parsed as parsed_target

_T = TypeVar("_T")

#: The API's description of the job's id in a path, which ``job_id`` reads.
JOB_ID = {"in": "path", "name": "job_id", "required": True, "schema": {"type": "string", "format": "uuid"}}

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def job_id(text: str) -> str:
    """A job's id from a path, in lower case. Raises ``InvalidInput`` for an invalid UUID."""
    job_id = text.lower() if len(text) == 36 else ""
    if not _UUID.fullmatch(job_id):
        raise InvalidInput.of("job_id", "Must be a UUID, as in 123e4567-e89b-12d3-a456-426614174000.")
    return job_id


def target_of(loaded: Mapping[str, Any]) -> str | None:
    """``target_hostname``, also under its alias ``target``."""
    name: str | None = loaded.get("target_hostname")
    alias: str | None = loaded.get("target")
    if alias is None:
        return name
    if name is not None and name != alias:
        sentence = f"Differs from target_hostname ({name[:80]!r}), which is the same field; give one of them."
        raise InvalidInput.of("target", sentence)
    return alias


def submission(loaded: Mapping[str, Any], *, principal: Principal, header_key: str | None = None) -> Submission:
    """The submission that ``JobRequest`` loaded. ``header_key`` is the header Idempotency-Key.

    Raises ``InvalidInput`` for what no single field shows: times that exclude each other, keys that differ.
    """
    key = _key(loaded.get("idempotency_key"), header_key)
    check_times(loaded, has_key=bool(key))
    target = target_of(loaded)
    terms = {field.name: loaded[field.name] for field in FIELDS if field.name in loaded}
    terms |= {
        "operation": loaded["operation"]["type"],
        "data": loaded["operation"]["data"],
        "target": ANY if target is None else target,
        "retries": _policy(loaded["retries"]) if "retries" in loaded else None,
    }
    return Submission(**terms, idempotency_key=key, plan_hash=loaded.get("plan_hash"), principal=principal)


def check_times(loaded: Mapping[str, Any], *, has_key: bool | None = None) -> None:
    """Raise ``InvalidInput`` for times that are past or exclude each other. ``has_key``: under an idempotency key."""
    has_key = bool(loaded.get("idempotency_key")) if has_key is None else has_key
    not_before: int | None = loaded.get("not_before")
    expires_at: int | None = loaded.get("expires_at")
    if expires_at is not None:
        # under an idempotency key the first job may have been accepted in time: the ledger looks at the key first
        if not has_key and expires_at <= time.time() * 1_000_000:
            raise InvalidInput.of("expires_at", "In the past; give a later time, or leave it out.")
        if not_before is not None and not_before >= expires_at:
            raise InvalidInput.of("not_before", "Must be before expires_at, or the job could never start.")


def job_filter(loaded: Mapping[str, Any]) -> JobFilter:
    """The filter that ``JobQuery`` loaded."""
    if loaded.get("cursor") is not None and loaded["offset"]:
        sentence = "Cannot be combined with cursor, which already defines where the page starts; leave one out."
        raise InvalidInput.of("offset", sentence)
    if loaded["offset"] and not job_search(loaded).is_empty:
        sentence = "Cannot be used with q, error or submitted_by; pass next_cursor of each page to get the next one."
        raise InvalidInput.of("offset", sentence)
    statuses: tuple[JobStatus, ...] = loaded.get("status", ())
    after, before = loaded.get("created_after"), loaded.get("created_before")
    if after is not None and before is not None and after > before:
        raise InvalidInput.of("created_after", "Later than created_before, so no job can match; swap them.")
    return JobFilter(
        status=statuses[0] if len(statuses) == 1 else statuses or None,
        operation=loaded.get("operation"),
        target=_well_formed("target", parsed_target, loaded["target"]).text if "target" in loaded else None,
        hostname=_well_formed("hostname", check_hostname, loaded["hostname"]) if "hostname" in loaded else None,
        tag=loaded.get("tag"),
        group=group_of(loaded["saved"]) if "saved" in loaded else None,
        created_after=after,
        created_before=before,
        limit=loaded["limit"],
        offset=loaded["offset"],
        cursor=loaded.get("cursor"),
        summary=loaded["view"] == "summary",
    )


def job_search(loaded: Mapping[str, Any]) -> JobSearch:
    """The search that ``JobQuery`` loaded."""
    return JobSearch(loaded.get("q"), loaded.get("submitted_by"), loaded.get("error"))


def _well_formed(field: str, parse: Callable[[str], _T], text: str) -> _T:
    try:
        return parse(text)
    except InvalidTarget as error:  # which does not know where the text came from
        raise InvalidTarget(error.message, {field: [error.message]}) from error


def _policy(terms: Mapping[str, Any]) -> RetryPolicy:
    policy = RetryPolicy(**terms)
    if policy.backoff_max_seconds >= policy.backoff_seconds:
        return policy
    if "backoff_max_seconds" in terms:
        raise InvalidInput.of("retries.backoff_max_seconds", "Must not be less than backoff_seconds.")
    return replace(policy, backoff_max_seconds=policy.backoff_seconds)


def _key(in_body: str | None, in_header: str | None) -> str | None:
    if in_body is not None and in_header is not None and in_body != in_header:
        raise InvalidInput.of("idempotency_key", "Differs from the header Idempotency-Key; give one of them.")
    return in_body if in_header is None else in_header
