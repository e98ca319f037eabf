"""API keys and users, as stored: with the hash of their secret, never with the secret."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(str, Enum):
    """The kinds of credentials."""

    KEY = "key"
    USER = "user"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Credential:
    """An API key, whose ``name`` is its id, or a user. Times are in microseconds.

    ``title`` is the owner's name for a key, and the name of its principal. ``digest`` is the argon2 hash of the secret.
    ``permissions`` are granted in addition to those of ``roles``. ``last_used`` has a resolution of a minute.
    ``makers`` are those of ``Principal``.
    """

    kind: Kind
    name: str
    digest: str
    title: str = ""
    roles: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    created: int = 0
    created_by: str = ""
    expires: int | None = None
    disabled: bool = False
    last_used: int | None = None
    makers: tuple[str, ...] = ()

    def is_good(self, now: int) -> bool:
        """Whether the credential is valid at this time (microseconds)."""
        return not self.disabled and (self.expires is None or now < self.expires)
