"""Scopes: the hosts on which a principal has a permission."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jobqueue.errors import PermissionDenied
from jobqueue.model.grant import Grant
from jobqueue.model.principal import Principal
from jobqueue.targets.fleet import Fleet

#: Hosts that a refusal names.
_NAMED = 10
_SHOWN = 200
#: Sets of hosts that are kept for one reading of the registry.
_MOST_KEPT = 1000


@dataclass(frozen=True)
class Scope:
    """The known hosts on which one of ``grants`` gives ``permission``."""

    permission: str
    hosts: frozenset[str]
    grants: tuple[Grant, ...]

    def __contains__(self, hostname: object) -> bool:
        return hostname in self.hosts

    @property
    def text(self) -> str:
        """The grants, as they were written."""
        return (", ".join(map(str, self.grants)) or self.permission)[:_SHOWN]


class Scopes:
    """Evaluates the targets of grants over the registry, as the API read it a moment ago.

    A host that the registry does not know, or no longer knows, is in no scope.
    """

    def __init__(self, fleet: Callable[[], Fleet]) -> None:
        self.fleet = fleet
        self._kept: tuple[Fleet, dict[str, int], dict[tuple[str, ...], frozenset[str]]] | None = None

    def of(self, principal: Principal, permission: str) -> Scope | None:
        """The scope of a permission; None if it is granted on every host. Empty if it is not granted at all."""
        if principal.may(permission):
            return None
        grants = principal.grants(permission)
        if any(grant.target is None for grant in grants):
            return None
        return Scope(permission, self._hosts(grants), grants)

    def bits(self, target: str | None, fleet: Fleet) -> int:
        """The hosts of a grant's target, as a set of the fleet."""
        if target is None:
            return fleet.everything
        bits = self._for(fleet)[1]
        if target not in bits:
            from jobqueue.targets import scopes  # its parser is part of the extra ``api``

            if len(bits) >= _MOST_KEPT:
                bits.clear()
            bits[target] = scopes.hosts(target, fleet)
        return bits[target]

    def _hosts(self, grants: tuple[Grant, ...]) -> frozenset[str]:
        fleet = self.fleet()
        hosts = self._for(fleet)[2]
        targets = tuple(dict.fromkeys(grant.target or "" for grant in grants))
        if targets not in hosts:
            if len(hosts) >= _MOST_KEPT:
                hosts.clear()
            bits = 0
            for grant in grants:
                bits |= self.bits(grant.target, fleet)
            hosts[targets] = frozenset(host.hostname for host in fleet.members(bits))
        return hosts[targets]

    def _for(self, fleet: Fleet) -> tuple[Fleet, dict[str, int], dict[tuple[str, ...], frozenset[str]]]:
        cached = self._kept
        if cached is None or cached[0] is not fleet:
            cached = self._kept = (fleet, {}, {})
        return cached


def outside(principal: Principal, scope: Scope, hosts: Iterable[str], visible: Scope | None) -> PermissionDenied:
    """The refusal of what would reach hosts outside of a scope; names those that the principal may see."""
    beyond = [host for host in hosts if host not in scope]
    shown = [host for host in beyond if visible is None or host in visible]
    more = len(shown) - _NAMED
    names = f"{', '.join(shown[:_NAMED])}{f' and {more} more' if more > 0 else ''}"
    if len(shown) < len(beyond):
        names = f"{names}, and hosts that agent:read does not show" if shown else "hosts that agent:read does not show"
    return PermissionDenied(
        f"{principal.name} has {scope.permission} on some hosts only ({scope.text}), not on {names}; choose a target "
        "within the grant, or ask an administrator for a wider one.",
        {"permission": scope.permission, "grant": scope.text, "hosts": shown[:_NAMED]},
    )


def unknown(principal: Principal, scope: Scope, target: str) -> PermissionDenied:
    """The refusal of a target without a host in the scope; does not say whether there are such hosts elsewhere."""
    return PermissionDenied(
        f"The target {target[:_SHOWN]!r} names no host on which {principal.name} has {scope.permission} "
        f"({scope.text}); choose a target within the grant, or ask an administrator for a wider one.",
        {"permission": scope.permission, "grant": scope.text, "hosts": []},
    )
