"""What changes when a job runs again under a new id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.ledger.ledger import Ledger
from jobqueue.model.job import Job
from jobqueue.model.principal import Principal
from jobqueue.operations.registry import Registry


@dataclass(frozen=True)
class Renewal:
    """The data of the new job, its exclusive name, and its groups."""

    data: Mapping[str, Any]
    exclusive: str | None = None
    groups: tuple[str, ...] = ()


#: (ledger, registry, job, id of the new job, the caller) -> what changes.
Renew = Callable[[Ledger, Registry, Job, str, Principal], Renewal]
_RENEWALS: dict[str, Renew] = {}


def register(origin: str, renew: Renew) -> None:
    """Register ``renew``, which returns the changes when a job of the API ``origin`` runs again."""
    _RENEWALS[origin] = renew


class Renewer:
    """What changes when jobs of one ledger run again: nothing, unless their API has registered a function for it."""

    def __init__(self, ledger: Ledger, registry: Registry) -> None:
        self._ledger = ledger
        self._registry = registry

    def renew(self, job: Job, job_id: str, principal: Principal) -> Renewal:
        """The changes for ``job`` when it runs again as ``job_id``. Raises ``PermissionDenied``, ``InvalidInput``."""
        renew = _RENEWALS.get(job.origin)
        if renew is None:
            return Renewal(job.data, job.exclusive, job.groups)
        return renew(self._ledger, self._registry, job, job_id, principal)
