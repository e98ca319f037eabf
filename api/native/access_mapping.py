"""From credentials, roles and the audit trail to JSON. Secrets and their hashes are never included."""

from __future__ import annotations

from typing import Any

from jobqueue.model.audit import AuditRecord
from jobqueue.model.credential import Credential
from jobqueue.model.role import Role
from jobqueue.model.timestamps import to_iso

Document = dict[str, Any]


def key(credential: Credential) -> Document:
    """An API key."""
    return {"id": credential.name, **_credential(credential), "name": credential.title}


def user(credential: Credential) -> Document:
    """A user."""
    return _credential(credential)


def role(role: Role) -> Document:
    """A role."""
    return {
        "name": role.name,
        "permissions": sorted(role.permissions),
        "builtin": role.is_builtin,
        "created": to_iso(role.created) if role.created else None,
    }


def audit_entry(record: AuditRecord) -> Document:
    """An entry of the audit trail."""
    return {
        "number": record.number,
        "timestamp": to_iso(record.at),
        **record.content.document(),
        "seal": record.seal,
        "before": record.before,
        "link": record.link,
    }


def _credential(credential: Credential) -> Document:
    return {
        "name": credential.name,
        "roles": list(credential.roles),
        "permissions": list(credential.permissions),
        "created": to_iso(credential.created),
        "created_by": credential.created_by,
        "expires_at": to_iso(credential.expires) if credential.expires else None,
        "disabled": credential.disabled,
        "last_used": to_iso(credential.last_used) if credential.last_used else None,
    }
