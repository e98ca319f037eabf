"""Who acts, and what they may do. Whatever API a request came through, it is decided here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from jobqueue.errors import InvalidInput, PermissionDenied

#: Grants everything.
EVERYTHING = "*"
#: Longest permission, and most of them in one grant.
MAX_PERMISSIONS = 100
_GRANT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}:([A-Za-z][A-Za-z0-9_-]{0,63}|\*)")
#: What a principal may be called: nothing that could break out of a log line, a header, a key or a terminal.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}")


@dataclass(frozen=True)
class Principal:
    """Somebody who has shown credentials, or a part of the system. ``str()`` of it is its name.

    ``permissions`` are ``resource:verb``, ``resource:*`` or ``*``; they include those of its ``roles``. ``kind`` says
    by which kind of credentials it came: ``token``, ``key``, ``user``, ``jwt``, ``system``, or ``none``; ``id`` tells
    apart those of one kind whose names are the same (the id of an API key).
    """

    name: str
    permissions: frozenset[str]
    roles: tuple[str, ...] = ()
    kind: str = "token"
    id: str = ""

    @property
    def identity(self) -> str:
        """What tells it from every other principal. Unlike ``name``, a caller cannot choose it: who shows the admin
        token may call themselves anything.
        """
        return self.kind if self.kind == "token" else f"{self.kind}:{self.id or self.name}"

    def may(self, permission: str) -> bool:
        """Whether ``permission`` (``job:read``) is granted. A pattern (``job:*``, ``*``) needs one as wide."""
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


#: Nobody: may nothing. What acts without a principal acts as this one.
NOBODY = Principal("", frozenset(), kind="none")


def system(name: str) -> Principal:
    """A part of the system itself, which may everything. Never made from what a request says."""
    return Principal(name, frozenset({EVERYTHING}), kind="system")


def is_name(text: str) -> bool:
    """Whether a principal can be called so."""
    return bool(_NAME.fullmatch(text))


def check_name(text: str, field: str = "name") -> str:
    """``text`` if a principal can be called so; raises ``InvalidInput`` that names the field."""
    if not is_name(text):
        sentence = "Must be 1 to 100 letters, digits or . _ @ -, and begin with a letter or digit."
        raise InvalidInput.of(field, sentence)
    return text


def check_permissions(given: Iterable[str], field: str = "permissions") -> tuple[str, ...]:
    """Permissions without doubles, sorted; raises ``InvalidInput`` that names what is none."""
    found = sorted(set(given))
    if len(found) > MAX_PERMISSIONS:
        raise InvalidInput(f"{field}: At most {MAX_PERMISSIONS} permissions.", {field: ["Too many."]})
    for text in found:
        if text != EVERYTHING and not _GRANT.fullmatch(text):
            sentence = f"{text[:80]!r} is no permission; write resource:verb, resource:* or *."
            raise InvalidInput.of(field, sentence)
    return tuple(found)


def narrowed(granted: Iterable[str], limits: Iterable[str]) -> frozenset[str]:
    """What both sides grant: ``job:*`` narrowed to ``job:read`` and ``agent:read`` is ``job:read``."""
    left, right = frozenset(granted), frozenset(limits)
    return frozenset(
        {one for one in left if any(_covers(other, one) for other in right)}
        | {one for one in right if any(_covers(other, one) for other in left)}
    )


def _covers(wide: str, narrow: str) -> bool:
    return wide in (EVERYTHING, narrow, f"{narrow.partition(':')[0]}:{EVERYTHING}")
