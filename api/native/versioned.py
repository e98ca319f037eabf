"""What the routes of saved jobs and of workflows share: versions as ETags, and the answer to storing one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Response

from api import audit
from api.native.saved_mapping import changes
from api.responses import json_response
from jobqueue.services.versioned import GrantedRecord, RecordChange

_Record = TypeVar("_Record", bound=GrantedRecord)
#: The header of answers, as the documentation of a route has it.
ETAG = {"ETag": {"description": "The version, for If-Match.", "schema": {"type": "string"}}}


def if_match(kind: str) -> Mapping[str, Any]:
    """The header of requests, as the documentation of a route has it."""
    return {
        "in": "header",
        "name": "If-Match",
        "description": f"The version that the caller read (ETag), or 0 for {kind} that must be new.",
        "schema": {"type": "string"},
    }


def etag_of(record: GrantedRecord) -> dict[str, str]:
    """The header with the version of a record."""
    return {"ETag": f'"{record.version}"'}


def stored(
    field: str, document_of: Callable[[_Record], Any], done: RecordChange[_Record], *, is_dry_run: bool
) -> Response:
    """The answer to storing a record, and its note in the audit trail. ``field`` names the record in both."""
    audit.note(**{field: done.record.name}, version=done.record.version, change=done.change, dry_run=int(is_dry_run))
    document = {
        field: document_of(done.record),
        "change": done.change,
        "dry_run": is_dry_run,
        "changes": changes(done.differences),
    }
    return json_response(document, 201 if done.change == "created" and not is_dry_run else 200, etag_of(done.record))
