"""Principals and their permissions, for every API."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from jobqueue.errors import InvalidInput, PermissionDenied
from jobqueue.model.grant import EVERYTHING, Grant, narrowed_grant, parse_grant

#: Maximum number of permissions of one role or credential.
MAX_PERMISSIONS = 100
#: Valid principal names: no character that could break out of a log line, a header, a key or a terminal.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")


@dataclass(frozen=True)
class Principal:
    """An authenticated caller, or a part of the system. ``str()`` returns its name.

    ``permissions`` are the texts of grants (``model/grant.py``): ``resource:verb``, ``resource:*`` or ``*``, with
    ``@target`` for some hosts only; they include those of its ``roles``. ``kind`` is the
    kind of its credentials: ``token``, ``key``, ``user``, ``jwt``, ``system``, or ``none``; ``id`` distinguishes
    credentials of one kind with the same name (the id of an API key). ``makers``: the identities of principals with a
    limit that created its credentials or set their password, and that may know them.
    """

    name: str
    permissions: frozenset[str]
    roles: tuple[str, ...] = ()
    kind: str = "token"
    id: str = ""
    makers: frozenset[str] = frozenset()

    @property
    def identity(self) -> str:
        """A unique identifier. Unlike ``name``, a caller cannot choose it: holders of the admin token may choose any
        name.
        """
        return self.kind if self.kind == "token" else f"{self.kind}:{self.id or self.name}"

    @property
    def has_limits(self) -> bool:
        """Whether one of its grants has a limit beyond which another principal must approve a job."""
        return any(grant.has_limits for grant in self.restricted)

    @property
    def acting_as(self) -> frozenset[str]:
        """The identities of those that may be acting: its own, and those of its makers."""
        return self.makers | {self.identity}

    def may(self, permission: str) -> bool:
        """Whether ``permission`` (``job:read``) is granted on every host and without limits.

        A pattern (``job:*``, ``*``) needs a grant as wide. A grant for some hosts only does not count: code that does
        not look at hosts refuses its holder.
        """
        granted = self.permissions
        return (
            permission in granted or EVERYTHING in granted or f"{permission.partition(':')[0]}:{EVERYTHING}" in granted
        )

    @cached_property
    def restricted(self) -> tuple[Grant, ...]:
        """The grants for some hosts only, or with limits."""
        texts = sorted(text for text in self.permissions if "@" in text or ";" in text)
        return tuple(parse_grant(text) for text in texts)

    def grants(self, permission: str) -> tuple[Grant, ...]:
        """The restricted grants of a permission; they count only if ``may`` is false."""
        return tuple(grant for grant in self.restricted if grant.covers(permission))

    def may_somewhere(self, permission: str) -> bool:
        """Whether ``permission`` is granted, be it on some hosts only. Who asks must look at the hosts as well."""
        return self.may(permission) or bool(self.grants(permission))

    def require_somewhere(self, permission: str) -> None:
        """Raise ``PermissionDenied``, which names the permission, unless it is granted on some hosts."""
        if not self.may_somewhere(permission):
            raise PermissionDenied.of(self.name, permission)

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


def check_permissions(texts: Iterable[str], field: str = "permissions") -> tuple[str, ...]:
    """Permissions without duplicates, sorted; raises ``InvalidInput`` that names an invalid one."""
    unique = sorted(set(texts))
    if len(unique) > MAX_PERMISSIONS:
        raise InvalidInput(f"{field}: At most {MAX_PERMISSIONS} permissions.", {field: ["Too many."]})
    for text in unique:
        try:
            parse_grant(text)
        except InvalidInput as error:
            raise InvalidInput.of(field, error.message) from error
    return tuple(unique)


def narrowed(granted: Iterable[str], limits: Iterable[str]) -> frozenset[str]:
    """The intersection: ``job:*`` narrowed to ``job:read`` and ``agent:read`` is ``job:read``.

    Of two grants with targets, that on the hosts of both.
    """
    right = [parse_grant(text) for text in limits]
    pairs = (narrowed_grant(parse_grant(text), other) for text in granted for other in right)
    return frozenset(str(grant) for grant in pairs if grant is not None)
