"""How many hosts a submission may reach before another principal must approve it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from jobqueue.model.grant import Grant
from jobqueue.model.principal import Principal
from jobqueue.services.scopes import Scopes

#: (who and which grant, number of hosts, the most per hour) -> whether they were counted.
Spend = Callable[[str, int, int], bool]


class BlastRadius:
    """Compares the hosts of submissions with the limits of grants."""

    def __init__(self, scopes: Scopes, spend: Spend) -> None:
        self._scopes = scopes
        self._spend = spend

    def excess(
        self, principal: Principal, permissions: Iterable[str], hosts: Sequence[str], *, is_dry: bool = False
    ) -> str:
        """Which limit a submission to these hosts exceeds, as a sentence; empty if none.

        A limit counts the hosts that its grant names and that no grant without limits does. The hosts are counted for
        the hour only if no limit per job is exceeded, and not at all if ``is_dry``.
        """
        named: dict[Grant, int] = {}
        for permission in permissions:
            if not principal.may(permission):
                for grant, number in self._limited(principal.grants(permission), hosts):
                    named[grant] = max(number, named.get(grant, 0))
        fleet = len(self._scopes.fleet().hosts)
        for grant, number in named.items():
            if grant.max_hosts is not None and number > grant.max_hosts.of(fleet):
                most = grant.max_hosts.of(fleet)
                share = f" ({grant.max_hosts} of {fleet})" if grant.max_hosts.is_percent else ""
                return f"The job reaches {number} hosts, and {grant} allows {most}{share} without an approval."
        for grant, number in named.items():
            most_per_hour = grant.max_hosts_per_hour
            if most_per_hour is None or is_dry:
                continue
            if not self._spend(f"{principal.identity} {grant}", number, most_per_hour):
                return (
                    f"With its {number} hosts, the job exceeds the {most_per_hour} within an hour that {grant} allows "
                    "without an approval."
                )
        return ""

    def _limited(self, grants: tuple[Grant, ...], hosts: Sequence[str]) -> list[tuple[Grant, int]]:
        """The grants with limits, and how many of the hosts only they name."""
        fleet = self._scopes.fleet()
        bits = fleet.set_of(fleet.places[host] for host in hosts if host in fleet.places)
        for grant in grants:
            if not grant.has_limits:
                bits &= ~self._scopes.bits(grant.target, fleet)
        limits = []
        for grant in grants:
            number = (bits & self._scopes.bits(grant.target, fleet)).bit_count() if grant.has_limits else 0
            if number:
                limits.append((grant, number))
        return limits
