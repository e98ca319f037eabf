"""How many hosts a submission may reach before another principal must approve it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.rate_limits import Charge, RateLimits
from jobqueue.model.grant import Grant
from jobqueue.model.principal import Principal
from jobqueue.services.scopes import Scopes

logger = logging.getLogger(__name__)


class BlastRadius:
    """Compares the hosts of submissions with the limits of grants."""

    def __init__(self, scopes: Scopes, limits: RateLimits) -> None:
        self._scopes = scopes
        self._limits = limits

    def excess(self, principal: Principal, permissions: Iterable[str], hosts: Sequence[str]) -> str:
        """Which limit per job a submission to these hosts exceeds, as a sentence; empty if none.

        A limit counts the hosts that its grant names and that no grant without limits does.
        """
        return self._excess_of_a_job(self._named(principal, permissions, hosts))

    def charge(
        self, principal: Principal, permissions: Iterable[str], hosts: Sequence[str]
    ) -> tuple[str, tuple[Charge, ...]]:
        """Count the hosts of a submission for the hour: which limit it exceeds, and what was counted.

        Nothing is counted if a limit is exceeded. What is refused afterwards is to be taken back (``refund``).
        """
        named = self._named(principal, permissions, hosts)
        because = self._excess_of_a_job(named)
        if because:
            return because, ()
        charges: list[Charge] = []
        for grant, number in named.items():
            most = grant.max_hosts_per_hour
            if most is None:
                continue
            charge = self._limits.spend(f"{principal.identity} {grant}", number, most)
            if charge is None:
                self.refund(charges)
                sentence = f"With its {number} hosts, the job exceeds the {most} within an hour that {grant} allows"
                return f"{sentence} without an approval.", ()
            charges.append(charge)
        return "", tuple(charges)

    def refund(self, charges: Iterable[Charge]) -> None:
        """Take back what was counted for a submission that was refused."""
        try:
            self._limits.refund(charges)
        except LedgerUnavailable as error:
            logger.warning("The hosts of a refused job still count towards the hourly limit: %s", error)

    def _named(self, principal: Principal, permissions: Iterable[str], hosts: Sequence[str]) -> dict[Grant, int]:
        """How many of the hosts each grant with limits names."""
        named: dict[Grant, int] = {}
        for permission in permissions:
            if not principal.may(permission):
                for grant, number in self._limited(principal.grants(permission), hosts):
                    named[grant] = max(number, named.get(grant, 0))
        return named

    def _excess_of_a_job(self, named: Mapping[Grant, int]) -> str:
        fleet = len(self._scopes.fleet().hosts)
        for grant, number in named.items():
            if grant.max_hosts is not None and number > grant.max_hosts.of(fleet):
                most = grant.max_hosts.of(fleet)
                share = f" ({grant.max_hosts} of {fleet})" if grant.max_hosts.is_percent else ""
                return f"The job reaches {number} hosts, and {grant} allows {most}{share} without an approval."
        return ""

    def _limited(self, grants: tuple[Grant, ...], hosts: Sequence[str]) -> list[tuple[Grant, int]]:
        """The grants with limits, and how many of the hosts only they name."""
        fleet = self._scopes.fleet()
        bits = fleet.set_of(fleet.positions[host] for host in hosts if host in fleet.positions)
        for grant in grants:
            if not grant.has_limits:
                bits &= ~self._scopes.bits(grant.target, fleet)
        limits = []
        for grant in grants:
            number = (bits & self._scopes.bits(grant.target, fleet)).bit_count() if grant.has_limits else 0
            if number:
                limits.append((grant, number))
        return limits
