"""The use cases for one principal with permissions on some hosts only."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from jobqueue.errors import JobNotFound
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.principal import Principal
from jobqueue.services.jobs import DELETE
from jobqueue.services.scopes import Scopes
from jobqueue.services.seen import agents, manager
from jobqueue.services.seen import pauses as seen_pauses
from jobqueue.services.seen.access import Access
from jobqueue.services.seen.agents import SeenAgents, SeenFleet
from jobqueue.services.seen.closed import ClosedUseCase
from jobqueue.services.seen.jobs import SeenJobs
from jobqueue.services.seen.manager import GuardedJobManager, SeenJobManager, SeenRetrier
from jobqueue.services.seen.pauses import SeenPauses
from jobqueue.services.seen.sight import Sight
from jobqueue.services.seen.streams import SeenEvents, SeenOutput

if TYPE_CHECKING:
    from jobqueue.services.services import Services

#: What the status and the metrics take of the ledger.
_MEASURED = ("ping", "check_writes", "is_maintained", "stats", "time", "executions")


def seen_by(all_of: Services, principal: Principal) -> Services:
    """The use cases as this principal may use them: each looks at its scopes, or is closed.

    What submits jobs is the same: it looks at the principal of each submission.
    """
    access = Access(principal, all_of.scopes)
    reads_agents = _is_scoped(principal, agents.READ)
    changes: dict[str, Any] = {}
    if _is_scoped(principal, manager.READ, manager.WRITE, manager.APPROVES, DELETE):
        changes |= _jobs(all_of, access)
    if _is_scoped(principal, seen_pauses.READ, seen_pauses.WRITE, manager.WRITE):
        hosts = partial(access.hosts, _permission_to_see(principal))
        check_jobs = all_of.planner.scope.check_jobs
        changes |= {"pauses": SeenPauses(all_of.pauses, access, hosts, check_jobs)}
    if _is_scoped(principal, agents.READ, agents.WRITE):
        changes |= {"agents": SeenAgents(all_of.ledger.agents, access)}
        if access.scope(agents.READ) is not None:
            changes |= {"placement": ClosedUseCase(access, agents.READ, "The list of all agents")}
    if reads_agents:
        closed = ClosedUseCase(access, agents.READ, "A stored target, or the completion of one,")
        changes |= {"target_completion": closed, "targets": closed}
        if not principal.may("metrics:read"):
            changes |= {"fleet": SeenFleet(all_of.targets.fleet, access, all_of.ledger.time)}
        if not principal.may("target:write"):
            changes |= {"stored_targets": closed}
    if reads_agents or _is_scoped(principal, manager.READ, manager.WRITE):
        open_parts = _MEASURED if principal.may("metrics:read") else ("ping",)
        allowed = {name: getattr(all_of.ledger, name) for name in open_parts}
        changes |= {"ledger": ClosedUseCase(access, manager.READ, "This request", **allowed)}
    return replace(all_of, **changes)


def _is_scoped(principal: Principal, *permissions: str) -> bool:
    """Whether one of the permissions is granted on some hosts only."""
    return any(not principal.may(permission) and principal.grants(permission) for permission in permissions)


def _jobs(all_of: Services, access: Access) -> dict[str, Any]:
    ledger = all_of.ledger
    permission = _permission_to_see(access.principal)

    def hosts() -> frozenset[str]:
        return access.hosts(permission)

    if access.scope(permission) is None:
        return {"jobs": GuardedJobManager(ledger, all_of.result_verifier.verify, access, partial(hosts_of, ledger))}
    sight = Sight(ledger.job_slots, hosts)
    jobs = SeenJobs(ledger.jobs, sight)
    seen_jobs = SeenJobManager(ledger, all_of.result_verifier.verify, access, jobs)
    return {
        "jobs": seen_jobs,
        "retrier": SeenRetrier(all_of.retrier, jobs, access),
        "output": SeenOutput(ledger, jobs, hosts),
        "events": SeenEvents(all_of.events, jobs, sight, seen_jobs.get),
    }


def _permission_to_see(principal: Principal) -> str:
    """Without any permission to read, what a job is answered with is that of its writer."""
    return manager.READ if principal.may_somewhere(manager.READ) else manager.WRITE


def hosts_of(ledger: Ledger, job_id: str) -> tuple[str, ...]:
    """All hosts of a job, for checks; the shared queue instead of a host that is not known yet."""
    job = ledger.jobs.get(job_id, 0)
    if not job.is_broadcast:
        return tuple(execution.hostname or execution.slot for execution in job.executions)
    return ledger.job_slots.names(job_id, job.total)


def sees_job(ledger: Ledger, scopes: Scopes, principal: Principal, job_id: str) -> bool:
    """Whether a principal may read all of a job."""
    access = Access(principal, scopes)
    if not principal.may_somewhere(manager.READ):
        return False
    if access.scope(manager.READ) is None:
        return True
    jobs = SeenJobs(ledger.jobs, Sight(ledger.job_slots, partial(access.hosts, manager.READ)))
    try:
        return jobs.sees_all(job_id)
    except JobNotFound:
        return False
