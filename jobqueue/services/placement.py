"""Finds the agents that can take a job with needs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from jobqueue.model.needs import Needs
from jobqueue.targets.fleet import Fleet
from jobqueue.targets.host import Host

#: Hosts from which the ledger chooses: neither its calls nor a job's document grow with the fleet.
CHOICE = 50
_draw = random.Random()  # noqa: S311 - spreads load, no secret


class Placement:
    """Chooses among the agents as the registry was read a moment ago."""

    def __init__(self, fleet: Callable[[], Fleet]) -> None:
        self._fleet = fleet

    def candidates(self, operation: str, needs: Needs) -> tuple[str, ...]:
        """See ``candidates``. Raises ``LedgerUnavailable``."""
        return candidates(self._fleet().hosts, operation, needs)


def candidates(hosts: Iterable[Host], operation: str, needs: Needs, inner: Iterable[str] = ()) -> tuple[str, ...]:
    """Hostnames of agents that take work, support the operations and meet ``needs``; ``CHOICE`` at random of more."""
    operations = frozenset((operation, *inner))
    fitting = [
        host.hostname for host in hosts if host.takes_work and operations <= host.operations and _fits(host, needs)
    ]
    if len(fitting) <= CHOICE:
        return tuple(fitting)
    return tuple(fitting[index] for index in sorted(_draw.sample(range(len(fitting)), CHOICE)))


def _fits(host: Host, needs: Needs) -> bool:
    return needs.fit(host.hostname, host.labels, _fact(host, "cpus"), _fact(host, "memory.total"))


def _fact(host: Host, name: str) -> object:
    values = host.facts.get(name, ())
    return values[0] if len(values) == 1 else None
