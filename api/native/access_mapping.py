"""From credentials, roles and the audit trail to JSON. Secrets and their hashes are never included."""

from __future__ import annotations

from typing import Any

from jobqueue.model.audit import AuditRecord
from jobqueue.model.credential import Credential
from jobqueue.model.role import Role
from jobqueue.model.timestamps import to_iso

Document = dict[str, Any]


def key(found: Credential) -> Document:
    """An API key."""
    return {"id": found.name, **_credential(found), "name": found.title}


def user(found: Credential) -> Document:
    """A user."""
    return _credential(found)


def role(found: Role) -> Document:
    """A role."""
    return {
        "name": found.name,
        "permissions": sorted(found.permissions),
        "builtin": found.is_builtin,
        "created": to_iso(found.created) if found.created else None,
    }


def audit_entry(found: AuditRecord) -> Document:
    """An entry of the audit trail."""
    return {
        "number": found.number,
        "timestamp": to_iso(found.at),
        **found.content.document(),
        "seal": found.seal,
        "before": found.before,
        "link": found.link,
    }


def _credential(found: Credential) -> Document:
    return {
        "name": found.name,
        "roles": list(found.roles),
        "permissions": list(found.permissions),
        "created": to_iso(found.created),
        "created_by": found.created_by,
        "expires_at": to_iso(found.expires) if found.expires else None,
        "disabled": found.disabled,
        "last_used": to_iso(found.last_used) if found.last_used else None,
    }
