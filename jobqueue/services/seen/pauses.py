"""Pauses as a principal sees them that may read jobs on some hosts only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jobqueue.model.job import Job
from jobqueue.model.pause import Pause, PauseKind
from jobqueue.model.principal import Principal
from jobqueue.services.pauses import ActivePause, PauseManager, PauseRequest
from jobqueue.services.seen.access import Access
from jobqueue.services.seen.sight import shown_target

READ, WRITE = "job:read", "pause:write"


class SeenPauses(PauseManager):
    """The pauses of visible jobs; all of them together are refused."""

    def __init__(self, pauses: PauseManager, access: Access, hosts: Callable[[], frozenset[str]]) -> None:
        # the same pauses, with other methods to read: it holds no state of its own besides its parts
        self.__dict__.update(vars(pauses))
        self._access = access
        self._hosts_seen = hosts

    def all(self) -> list[ActivePause]:
        """Refused, but to those who may see the state of the system: it names the hosts of pauses."""
        if self._access.principal.may("metrics:read"):
            return super().all()
        raise self._access.closed("The list of pauses", READ)

    def add(self, request: PauseRequest, principal: Principal) -> Pause:
        """Begin a pause, which needs ``pause:write``."""
        self._access.principal.require(WRITE)
        return super().add(request, principal)

    def of_job(self, job: Job) -> list[Pause]:
        """The pauses of the visible part of a job, without the names of other hosts."""
        visible = self._hosts_seen()
        slots = [x.slot for x in job.executions if x.slot in visible]
        return [
            replace(pause, value=shown_target(pause.value, slots), hosts=0) if pause.kind is PauseKind.TARGET else pause
            for pause in super().of_job(job)
        ]
