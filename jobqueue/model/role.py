"""Roles: names for sets of permissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobqueue.model.principal import EVERYTHING

READ = frozenset({"job:read", "agent:read", "metrics:read"})
#: All work, on every host; but neither who may get in, nor the record of who did what.
WRITE = READ | {
    "job:write",
    "job:delete",
    "agent:write",
    "operation:execute",
    "command:execute",
    "shell:execute",
    "python:execute",
    "entrypoint:execute",
    "spark:execute",
    "file:read",
    "file:write",
    "secret:use",
}
#: What jobqueue itself asks for, besides the permissions of operations.
KNOWN = WRITE | {"key:read", "key:write", "audit:read"}
#: The roles that are always there. Operations of plugins may name permissions of their own: a custom role grants them.
BUILTIN: Mapping[str, frozenset[str]] = {"read": READ, "write": WRITE, "admin": frozenset({EVERYTHING})}


@dataclass(frozen=True)
class Role:
    """A set of permissions under a name. ``created`` is in microseconds, 0 for a built-in one."""

    name: str
    permissions: tuple[str, ...]
    created: int = 0

    @property
    def is_builtin(self) -> bool:
        """Whether it is always there."""
        return self.name in BUILTIN
