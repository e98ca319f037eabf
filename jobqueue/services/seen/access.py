"""The scopes of one principal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from jobqueue.errors import PermissionDenied
from jobqueue.model.principal import Principal
from jobqueue.services.scopes import Scope, Scopes, outside


@dataclass(frozen=True)
class Access:
    """The hosts on which one principal has each permission."""

    principal: Principal
    scopes: Scopes

    def scope(self, permission: str) -> Scope | None:
        """The hosts on which the permission is granted; None: on every host."""
        return self.scopes.of(self.principal, permission)

    def hosts(self, permission: str) -> frozenset[str]:
        """The known hosts on which the permission is granted."""
        scope = self.scope(permission)
        return frozenset(self.scopes.fleet().hostnames) if scope is None else scope.hosts

    def require(self, permission: str, hosts: Iterable[str]) -> None:
        """Raise ``PermissionDenied`` unless the permission is granted on all of these hosts."""
        self.principal.require_somewhere(permission)
        scope = self.scope(permission)
        hosts = list(hosts)
        if scope is not None and any(host not in scope for host in hosts):
            raise outside(self.principal, scope, hosts, self.scope("agent:read"))

    def closed(self, subject: str, permission: str) -> PermissionDenied:
        """The refusal of what is about all hosts, and cannot be shown in part."""
        return PermissionDenied(
            f"{subject} concerns all hosts, and {self.principal.name} has {permission} on some hosts only; ask an "
            "administrator for the permission without a target.",
            {"permission": permission},
        )
