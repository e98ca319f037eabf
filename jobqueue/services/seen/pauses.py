"""Pauses as a principal sees, begins and ends them that may read jobs, or pause, on some hosts only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jobqueue.errors import PauseNotFound, PermissionDenied, UnknownTarget
from jobqueue.model.job import Job
from jobqueue.model.pause import Pause, PauseKind, check_pause_id
from jobqueue.model.principal import Principal
from jobqueue.model.target import Target
from jobqueue.services.pauses import ActivePause, PauseManager, PauseRequest
from jobqueue.services.scopes import unknown
from jobqueue.services.seen.access import Access
from jobqueue.services.seen.sight import shown_target
from jobqueue.services.targets import parsed

READ, WRITE = "job:read", "pause:write"


class SeenPauses(PauseManager):
    """The pauses of visible hosts. With ``pause:write`` on some hosts only, those of these hosts begin and end."""

    def __init__(
        self,
        pauses: PauseManager,
        access: Access,
        hosts: Callable[[], frozenset[str]],
        check_jobs: Callable[[Principal, Target], None],
    ) -> None:
        """``hosts``: those whose jobs are visible. ``check_jobs`` refuses the hosts of a job that is not."""
        # the same pauses, with other methods: it holds no state of its own besides its parts
        self.__dict__.update(vars(pauses))
        self._access = access
        self._hosts_seen = hosts
        self._check_jobs = check_jobs
        self._sees_all = access.scope(READ) is None

    def all(self) -> list[ActivePause]:
        """The pauses of targets whose hosts are all visible; all of them for those who may see the system's state."""
        pauses = super().all()
        if self._sees_all or self._access.principal.may("metrics:read"):
            return pauses
        visible = self._hosts_seen()
        return [active_pause for active_pause in pauses if self._is_within(active_pause.pause, visible)]

    def add(self, request: PauseRequest, principal: Principal) -> Pause:
        """Begin a pause. Raises ``PermissionDenied`` unless ``pause:write`` is granted on all of its hosts."""
        if self._access.principal.may(WRITE):
            return super().add(request, principal)
        access = self._writing()
        if request.kind is not PauseKind.TARGET:
            raise self._access.closed(f"A pause of {_KINDS[request.kind]}", WRITE)
        self._check_jobs(principal, parsed(request.value))
        try:
            pause, hosts = self.prepared(request, principal)
        except UnknownTarget as error:  # its message suggests names of the whole fleet
            scope = access.scope(WRITE)
            if scope is None:
                raise
            raise unknown(principal, scope, request.value) from error
        if pause.kind is not PauseKind.TARGET:
            raise self._access.closed("A pause of everything", WRITE)
        access.require(WRITE, hosts)
        self._ledger.pauses.add(pause, hosts)
        return pause

    def end(self, pause_id: str) -> None:
        """End a pause.

        Raises ``PauseNotFound``; ``PermissionDenied`` unless ``pause:write`` is granted on its hosts.
        """
        if self._access.principal.may(WRITE):
            super().end(pause_id)
            return
        access = self._writing()
        pause = next((active for active in self.active() if active.id == check_pause_id(pause_id)), None)
        if pause is None:
            raise PauseNotFound.of(pause_id)
        if pause.kind is not PauseKind.TARGET:
            raise self._access.closed(f"A pause of {_KINDS[pause.kind]}", WRITE)
        if not self._is_within(pause, access.hosts(WRITE)):
            raise PermissionDenied(
                f"The pause {pause_id} has hosts on which {self._access.principal.name} does not have {WRITE}; ask an "
                "administrator to end it.",
                {"permission": WRITE},
            )
        super().end(pause_id)

    def of_job(self, job: Job) -> list[Pause]:
        """The pauses of the visible part of a job, without the names of other hosts."""
        if self._sees_all:
            return super().of_job(job)
        visible = self._hosts_seen()
        slots = [execution.slot for execution in job.executions if execution.slot in visible]
        return [
            replace(pause, value=shown_target(pause.value, slots), hosts=0) if pause.kind is PauseKind.TARGET else pause
            for pause in super().of_job(job)
        ]

    def _writing(self) -> Access:
        """The access by grants of ``pause:write`` without limits; a limit counts the hosts of jobs."""
        principal = self._access.principal
        plain = frozenset(text for text in principal.permissions if ";" not in text)
        access = Access(replace(principal, permissions=plain), self._access.scopes)
        if not access.principal.grants(WRITE):
            raise self._access.closed("A pause", WRITE)
        return access

    def _is_within(self, pause: Pause, hosts: frozenset[str]) -> bool:
        """Whether it is a pause of some of these hosts."""
        return (
            pause.kind is PauseKind.TARGET
            and pause.hosts <= len(hosts)
            and all(host in hosts for host in self._ledger.pauses.hosts(pause.id))
        )


_KINDS = {
    PauseKind.EVERYTHING: "everything",
    PauseKind.OPERATION: "an operation",
    PauseKind.TAG: "a tag",
    PauseKind.TARGET: "hosts",
}
