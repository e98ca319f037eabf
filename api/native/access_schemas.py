"""The shapes of /key, /user, /role and /audit."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import fields, validate

from api.native.fields import Moment, QueryWhole, Text, about, between, length
from api.validation import StrictSchema
from jobqueue.ledger.audit import MOST_ENTRIES
from jobqueue.model.grant import MAX_GRANT
from jobqueue.model.principal import MAX_PERMISSIONS
from jobqueue.operations.schema import Items
from jobqueue.services.credentials import LEAST_PASSWORD, MAX_ROLES, MOST_PASSWORD

_MOST_NAME = 100
#: The names of web tokens are their issuers'.
_MOST_WHO = 200


def _length(least: int, most: int) -> validate.Length:
    return validate.Length(least, most, error="Must have {min} to {max} items or characters.")


def _name(subject: str) -> Text:
    return Text(
        required=True,
        validate=_length(1, _MOST_NAME),
        metadata=about(f"{subject}: letters, digits and . _ @ -.", example="deploy"),
    )


class Names(Items):
    """A list of strings."""

    default_error_messages = {  # noqa: RUF012 (marshmallow's own convention)
        "required": "Missing; it is required.",
        "null": "May not be null; leave it out or give a list.",
        "invalid": "Must be a list of strings.",
    }

    def __init__(self, longest: int = 200, **options: Any) -> None:
        super().__init__(Text(validate=_length(1, longest)), **options)


def _roles() -> Names:
    return Names(
        load_default=list,
        validate=_length(0, MAX_ROLES),
        metadata=about("read, write, admin, or custom ones; GET /role lists them.", example=["read"]),
    )


def _permissions(*, required: bool = False) -> Names:
    default: dict[str, Any] = {} if required else {"load_default": list}
    return Names(
        MAX_GRANT,
        required=required,
        validate=_length(1 if required else 0, MAX_PERMISSIONS),
        metadata=about(
            "resource:verb, resource:* or *; with @target, on the hosts of that target only.",
            example=["job:read", "command:execute@group:web"],
        ),
        **default,
    )


def _expires() -> Moment:
    return Moment(metadata=about("Expiry time. UTC if it has no zone."))


# --- requests ---------------------------------------------------------------------------------------------------------


class KeyRequest(StrictSchema):
    """A new API key. Its creator must have all of its permissions."""

    name = _name("Name of its principal")
    roles = _roles()
    permissions = _permissions()
    expires_at = _expires()


class PasswordRequest(StrictSchema):
    """A password; left out, one is made up and shown once."""

    password = Text(
        validate=length(LEAST_PASSWORD, MOST_PASSWORD),
        metadata=about("If omitted, one is generated and shown once."),
    )


class UserRequest(PasswordRequest):
    """A new user. Its creator must have all of the user's permissions."""

    name = _name("The user's name")
    roles = _roles()
    permissions = _permissions()
    expires_at = _expires()


class RoleRequest(StrictSchema):
    """A new role."""

    name = _name("The role's name")
    permissions = _permissions(required=True)


class AuditQuery(StrictSchema):
    """Which entries of the audit trail to read."""

    limit = QueryWhole(
        load_default=100,
        validate=between(1, MOST_ENTRIES),
        metadata=about("The most entries."),
    )
    before = QueryWhole(
        validate=between(1, 10**15),
        metadata=about("Only entries with a lower number, for paging backwards."),
    )
    after = QueryWhole(
        validate=between(0, 10**15),
        metadata=about("Only entries with a higher number, oldest first; 0 for the beginning."),
    )
    who = Text(validate=_length(1, _MOST_WHO), metadata=about("Only actions of this principal."))


# --- answers ----------------------------------------------------------------------------------------------------------


class _CredentialAnswer(ma.Schema):
    name = fields.String(required=True)
    roles = fields.List(fields.String(), required=True)
    permissions = fields.List(fields.String(), required=True, metadata=about("In addition to those of the roles."))
    created = fields.DateTime(required=True)
    created_by = fields.String(required=True)
    expires_at = fields.DateTime(required=True, allow_none=True)
    disabled = fields.Boolean(required=True)
    last_used = fields.DateTime(required=True, allow_none=True, metadata=about("Accurate to the minute."))


class KeyAnswer(_CredentialAnswer):
    """An API key, without its secret."""

    id = fields.String(required=True)


class NewKeyAnswer(KeyAnswer):
    """A new API key. Its text is shown this once."""

    key = fields.String(required=True, metadata=about("The secret to send, as Authorization: Bearer jq_..."))


class KeyListAnswer(ma.Schema):
    """All API keys."""

    keys = fields.List(fields.Nested(KeyAnswer), required=True)
    total = fields.Integer(required=True)


class UserAnswer(_CredentialAnswer):
    """A user, without the password."""


class NewUserAnswer(UserAnswer):
    """A new user."""

    password = fields.String(required=True, allow_none=True, metadata=about("Shown only here, if it was generated."))


class UserListAnswer(ma.Schema):
    """All users."""

    users = fields.List(fields.Nested(UserAnswer), required=True)
    total = fields.Integer(required=True)


class PasswordAnswer(ma.Schema):
    """The password was set."""

    name = fields.String(required=True)
    password = fields.String(required=True, allow_none=True, metadata=about("Shown only here, if it was generated."))


class RoleAnswer(ma.Schema):
    """A role."""

    name = fields.String(required=True)
    permissions = fields.List(fields.String(), required=True)
    builtin = fields.Boolean(required=True)
    created = fields.DateTime(required=True, allow_none=True)


class RoleListAnswer(ma.Schema):
    """All roles, the built-in ones first."""

    roles = fields.List(fields.Nested(RoleAnswer), required=True)
    total = fields.Integer(required=True)


class AuditEntryAnswer(ma.Schema):
    """Who did what, when, from where, and what came of it."""

    number = fields.Integer(required=True)
    timestamp = fields.DateTime(required=True)
    who = fields.String(required=True, metadata=about("The principal; empty for unauthenticated requests."))
    kind = fields.String(required=True, metadata=about("token, key, user, jwt, system or none."))
    credential = fields.String(required=True, metadata=about("Id of the API key, if it was one."))
    address = fields.String(required=True)
    method = fields.String(required=True)
    path = fields.String(required=True)
    status = fields.Integer(required=True)
    result = fields.String(required=True, metadata=about("done, refused or failed."))
    request_id = fields.String(required=True)
    details = fields.Dict(required=True, metadata=about("The subject of the action, as far as it is known."))
    seal = fields.String(required=True)
    before = fields.String(required=True, metadata=about("Link of the previous entry."))
    link = fields.String(required=True)


class AuditAnswer(ma.Schema):
    """Entries of the audit trail."""

    entries = fields.List(fields.Nested(AuditEntryAnswer), required=True)
    total = fields.Integer(required=True, metadata=about("Number of entries kept."))


class AuditVerdictAnswer(ma.Schema):
    """Whether the audit trail is whole."""

    valid = fields.Boolean(required=True)
    entries = fields.Integer(required=True, metadata=about("Number of entries checked."))
    first = fields.Integer(required=True, metadata=about("Number of the oldest entry kept; 0 without any."))
    last = fields.Integer(required=True)
    problems = fields.List(fields.String(), required=True)
