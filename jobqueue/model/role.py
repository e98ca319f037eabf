"""Roles: names for sets of permissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jobqueue.model.grant import EVERYTHING

READ = frozenset({"job:read", "agent:read", "metrics:read", "saved:read", "schedule:read", "notification:read"})
#: All work, on every host, but no access to credentials or the audit trail.
WRITE = READ | {
    "job:write",
    "job:delete",
    "job:approve",
    "agent:write",
    "target:write",
    "saved:write",
    "saved:run",
    "schedule:write",
    "notification:write",
    "pause:write",
    "alert:write",
    "operation:execute",
    "command:execute",
    "shell:execute",
    "python:execute",
    "entrypoint:execute",
    "spark:execute",
    "file:read",
    "file:write",
    "file:fetch",
    "ansible:execute",
    "package:write",
    "service:write",
    "user:write",
    "sysctl:write",
    "timezone:write",
    "node:write",
    "cron:read",
    "cron:write",
    "process:execute",
    "log:read",
    "ntp:write",
    "power:execute",
    "network:write",
    "docker:read",
    "docker:write",
    "docker:execute",
    "certificate:write",
    "secret:use",
}
#: The permissions that jobqueue itself requires, besides those of operations.
KNOWN = WRITE | {"key:read", "key:write", "audit:read"}
#: The built-in roles. Operations of plugins may name their own permissions, which custom roles can grant.
BUILTIN: Mapping[str, frozenset[str]] = {"read": READ, "write": WRITE, "admin": frozenset({EVERYTHING})}


@dataclass(frozen=True)
class Role:
    """A set of permissions under a name. ``created`` is in microseconds, 0 for a built-in one."""

    name: str
    permissions: tuple[str, ...]
    created: int = 0

    @property
    def is_builtin(self) -> bool:
        """Whether the role is built in."""
        return self.name in BUILTIN
