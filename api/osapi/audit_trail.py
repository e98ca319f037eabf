"""/api/audit: the audit trail, in OSAPI's shape."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response

from api import validation
from api.blueprint import read_query
from api.context import services
from api.native.fields import QueryWhole, between
from api.responses import dumps, json_response
from api.validation import StrictSchema
from jobqueue.errors import InvalidInput, NotFound
from jobqueue.model.audit import AuditRecord
from jobqueue.model.timestamps import to_iso
from jobqueue.services.audit import AuditTrail

blueprint = Blueprint("osapi_audit", __name__, url_prefix="/api/audit")

MAX_LISTED, DEFAULT_LISTED, MAX_OFFSET = 100, 20, 1_000_000_000
#: Entries that an export reads at a time.
_READ_AT_ONCE = 200
#: Ids are UUIDs there. Those of entries hold the entry's number after this prefix.
_ID_PREFIX = "00000000-0000-4000-8000-"


class _AuditQuery(StrictSchema):
    limit = QueryWhole(load_default=DEFAULT_LISTED, validate=between(1, MAX_LISTED))
    offset = QueryWhole(load_default=0, validate=between(0, MAX_OFFSET))


_query = _AuditQuery()


@blueprint.get("")
def list_audit() -> Response:
    """List the audit trail, newest first"""
    loaded = validation.load(_query, read_query())
    trail = services().audit_trail
    newest = trail.newest(1)
    last = newest[0].number - loaded["offset"] if newest else 0
    # numbers have no gaps; the oldest entries are gone, and there newer ones would follow
    entries = trail.after(max(0, last - loaded["limit"]), loaded["limit"]) if last > 0 else []
    items = [entry(record) for record in reversed(entries) if record.number <= last]
    return json_response({"total_items": trail.total(), "items": items})


@blueprint.get("/export")
def export_audit() -> Response:
    """Download the whole audit trail, oldest first"""
    trail = services().audit_trail
    return Response(_export(trail, trail.after(0, _READ_AT_ONCE)), content_type="application/json")


@blueprint.get("/<entry_id>")
def get_entry(entry_id: str) -> Response:
    """Get one entry of the audit trail"""
    try:
        text = str(uuid.UUID(entry_id))
    except ValueError:
        raise InvalidInput.of("id", "Must be a UUID, as the list shows it.") from None
    number = int(text[len(_ID_PREFIX) :], 16) if text.startswith(_ID_PREFIX) else 0
    entries = services().audit_trail.after(number - 1, 1) if 0 < number <= MAX_OFFSET else []
    if not entries or entries[0].number != number:
        raise NotFound(f"The audit trail has no entry {text}, or no longer has it.")
    return json_response({"entry": entry(entries[0])})


def entry(record: AuditRecord) -> dict[str, Any]:
    """An entry. The trail holds neither the roles of a caller nor how long its request took."""
    content = record.content
    document: dict[str, Any] = {
        "id": f"{_ID_PREFIX}{record.number:012x}",
        "timestamp": to_iso(record.at),
        "user": content.who,
        "roles": [],
        "method": content.method,
        "path": content.path,
        "source_ip": content.address,
        "response_code": content.status,
        "duration_ms": 0,
        "trace_id": content.request_id,
    }
    operation = content.details.get("operation")
    return {**document, "operation_id": operation} if isinstance(operation, str) else document


def _export(trail: AuditTrail, entries: list[AuditRecord]) -> Iterator[str]:
    yield '{"items":['
    count = 0
    while entries:
        yield ("," if count else "") + ",".join(dumps(entry(record)) for record in entries)
        count += len(entries)
        entries = trail.after(entries[-1].number, _READ_AT_ONCE) if len(entries) == _READ_AT_ONCE else []
    yield f'],"total_items":{count}}}'
