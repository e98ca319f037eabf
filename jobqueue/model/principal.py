"""Principals and their permissions, for every API."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jobqueue.errors import InvalidInput, PermissionDenied

#: Grants everything.
EVERYTHING = "*"
#: Maximum length of a permission, and maximum number in one grant.
MAX_PERMISSIONS = 100
_GRANT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}:([A-Za-z][A-Za-z0-9_-]{0,63}|\*)")
#: Valid principal names: no character that could break out of a log line, a header, a key or a terminal.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")


@dataclass(frozen=True)
class Principal:
    """An authenticated caller, or a part of the system. ``str()`` returns its name.

    ``permissions`` are ``resource:verb``, ``resource:*`` or ``*``; they include those of its ``roles``. ``kind`` is the
    kind of its credentials: ``token``, ``key``, ``user``, ``jwt``, ``system``, or ``none``; ``id`` distinguishes
    credentials of one kind with the same name (the id of an API key).
    """

    name: str
    permissions: frozenset[str]
    roles: tuple[str, ...] = ()
    kind: str = "token"
    id: str = ""

    @property
    def identity(self) -> str:
        """A unique identifier. Unlike ``name``, a caller cannot choose it: holders of the admin token may choose any
        name.
        """
        return self.kind if self.kind == "token" else f"{self.kind}:{self.id or self.name}"

    def may(self, permission: str) -> bool:
        """Whether ``permission`` (``job:read``) is granted. A pattern (``job:*``, ``*``) needs a grant as wide."""
        granted = self.permissions
        return (
            permission in granted or EVERYTHING in granted or f"{permission.partition(':')[0]}:{EVERYTHING}" in granted
        )

    def require(self, permission: str) -> None:
        """Raise ``PermissionDenied``, which names the permission, unless it is granted."""
        if not self.may(permission):
            raise PermissionDenied.of(self.name, permission)

    def __str__(self) -> str:
        return self.name


#: The principal without permissions, used where no principal is given.
ANONYMOUS = Principal("", frozenset(), kind="none")


def system(name: str) -> Principal:
    """A part of the system itself, with all permissions. Never derived from a request."""
    return Principal(name, frozenset({EVERYTHING}), kind="system")


def is_name(text: str) -> bool:
    """Whether ``text`` is a valid principal name."""
    return bool(_NAME.fullmatch(text))


def check_name(text: str, field: str = "name") -> str:
    """``text`` if it is a valid principal name; raises ``InvalidInput`` that names the field."""
    if not is_name(text):
        sentence = "Must be 1 to 100 letters, digits or . _ @ -, and begin with a letter or digit."
        raise InvalidInput.of(field, sentence)
    return text


def check_permissions(given: Iterable[str], field: str = "permissions") -> tuple[str, ...]:
    """Permissions without duplicates, sorted; raises ``InvalidInput`` that names an invalid one."""
    unique = sorted(set(given))
    if len(unique) > MAX_PERMISSIONS:
        raise InvalidInput(f"{field}: At most {MAX_PERMISSIONS} permissions.", {field: ["Too many."]})
    for text in unique:
        if text != EVERYTHING and not _GRANT.fullmatch(text):
            sentence = f"{text[:80]!r} is not a permission; write resource:verb, resource:* or *."
            raise InvalidInput.of(field, sentence)
    return tuple(unique)


def narrowed(granted: Iterable[str], limits: Iterable[str]) -> frozenset[str]:
    """The intersection: ``job:*`` narrowed to ``job:read`` and ``agent:read`` is ``job:read``."""
    left, right = frozenset(granted), frozenset(limits)
    return frozenset(
        {one for one in left if any(_covers(other, one) for other in right)}
        | {one for one in right if any(_covers(other, one) for other in left)}
    )


def _covers(wide: str, narrow: str) -> bool:
    return wide in (EVERYTHING, narrow, f"{narrow.partition(':')[0]}:{EVERYTHING}")
