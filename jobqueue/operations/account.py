"""Users and groups of a host: the fields that name them, and the entries behind the names."""

from __future__ import annotations

import pwd

from marshmallow import validate

from jobqueue.errors import OperationFailed
from jobqueue.operations.schema import Text, Whole, shape

#: One more, 2**32 - 1, means "unchanged" to chown.
_MAX_ID = 2**32 - 2


def account_name(*, required: bool = False, description: str = "") -> Text:
    """A field for the name of a user or group: not a path, not a number, not an option."""
    name = shape(
        r"[A-Za-z_][A-Za-z0-9_.-]{0,31}",
        "Must be a name of at most 32 letters, digits and _ . - that begins with a letter or _.",
    )
    metadata = {**name["metadata"], **({"description": description} if description else {})}
    return Text(required=required, validate=name["validate"], metadata=metadata)


def account_id(description: str = "") -> Whole:
    """A field for the number of a user or group."""
    return Whole(validate=validate.Range(0, _MAX_ID), metadata={"description": description} if description else {})


def user_entry(name: str) -> pwd.struct_passwd:
    """The entry of a user. Raises ``OperationFailed`` for a user that this host does not have."""
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise OperationFailed(f"This host has no user {name}.") from None
