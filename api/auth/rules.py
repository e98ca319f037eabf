"""What each route needs. A route that is not in this map is refused, to everybody."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

#: Name of the blueprint that serves every native route a second time, under /api; its routes have the same rules.
ALIAS = "api"

#: Instead of a permission: no credentials are asked for at all.
PUBLIC = "public"
#: Instead of a permission: any credentials that are good will do.
KNOWN = "known"

_HEALTH = {
    "health.alive": PUBLIC,
    "health.ready": PUBLIC,
    "health.status": "metrics:read",
}
_DOCUMENTS = {
    "docs.openapi": KNOWN,
    "docs.docs": KNOWN,
    "docs.asset": KNOWN,
}
_JOBS = {
    # and, for whatever submits a job, the permission of its operation, which the service asks for
    "job.submit": "job:write",
    "job.submit_batch": "job:write",
    "job.retry_job": "job:write",
    "job.cancel_job": "job:write",
    "job.delete_job": "job:write",
    "job.list_jobs": "job:read",
    "job.get_job": "job:read",
    "log.get_logs": "job:read",
    "operation.list_operations": "job:read",
}
_AGENTS = {
    "agent.list_agents": "agent:read",
    "agent.get_agent": "agent:read",
    "agent.drain_agent": "agent:write",
    "agent.undrain_agent": "agent:write",
}

#: endpoint -> permission, ``PUBLIC`` or ``KNOWN``.
RULES: Mapping[str, str] = MappingProxyType({**_HEALTH, **_DOCUMENTS, **_JOBS, **_AGENTS})


def rule_of(endpoint: str) -> str | None:
    """What the route behind a Flask endpoint needs; None if nobody said so."""
    return RULES.get(endpoint) or RULES.get(endpoint.removeprefix(f"{ALIAS}."))
