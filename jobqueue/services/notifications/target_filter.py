"""Whether a target expression names a host of a job or of an alert, as the registry is when the event is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jobqueue.model.job import Job
from jobqueue.services.scopes import Scopes
from jobqueue.targets.fleet import Fleet

#: Sets of hosts that are kept for one reading of the registry.
_MOST_KEPT = 100


class TargetFilter:
    """Evaluates the targets of filters. ``hosts_of``: the hosts of a broadcast with this number of executions.

    A host that the registry does not know, or no longer knows, is named by no target.
    """

    def __init__(self, fleet: Callable[[], Fleet], hosts_of: Callable[[str, int], Sequence[str]]) -> None:
        self._scopes = Scopes(fleet)
        self._hosts_of = hosts_of
        self._kept: tuple[Fleet, dict[str, frozenset[str]]] | None = None

    def names(self, target: str, hostname: str) -> bool:
        """Whether the target names the host; an empty one names all. Raises ``LedgerUnavailable``."""
        return not target or hostname in self._hosts(target)

    def names_host_of(self, target: str, job: Job) -> bool:
        """Whether the target names a host of the job; an empty one names all. Raises ``LedgerUnavailable``."""
        if not target:
            return True
        hosts = self._hosts(target)
        if not job.is_broadcast:
            return not hosts.isdisjoint({job.hostname or "", job.executions[0].slot})
        return not hosts.isdisjoint(self._hosts_of(job.id, job.total))

    def _hosts(self, target: str) -> frozenset[str]:
        fleet = self._scopes.fleet()
        if self._kept is None or self._kept[0] is not fleet or len(self._kept[1]) >= _MOST_KEPT:
            self._kept = (fleet, {})
        by_target = self._kept[1]  # threads of several rules may compute the same set
        if target not in by_target:
            by_target[target] = frozenset(host.hostname for host in fleet.members(self._scopes.bits(target, fleet)))
        return by_target[target]
