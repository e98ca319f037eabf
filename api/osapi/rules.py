"""The permission for each route, that of the native action behind it, and the routes that look at hosts."""

from __future__ import annotations

from collections.abc import Mapping

from api.auth.rules import PUBLIC
from api.osapi.calls import CALLS

RULES: Mapping[str, str] = {
    "osapi_agent.list_agents": "agent:read",
    "osapi_agent.get_agent": "agent:read",
    "osapi_agent.list_pending": "agent:read",
    "osapi_agent.accept_agent": "agent:write",
    "osapi_agent.reject_agent": "agent:write",
    "osapi_agent.drain_agent": "agent:write",
    "osapi_agent.undrain_agent": "agent:write",
    "osapi_audit.list_audit": "audit:read",
    "osapi_audit.export_audit": "audit:read",
    "osapi_audit.get_entry": "audit:read",
    "osapi_facts.list_keys": "agent:read",
    "osapi_file.list_files": "file:read",
    "osapi_file.list_stale": "file:read",
    "osapi_file.get_file": "file:read",
    "osapi_file.upload_file": "file:write",
    "osapi_file.delete_file": "file:write",
    "osapi_health.alive": PUBLIC,
    "osapi_health.ready": PUBLIC,
    "osapi_health.status": "metrics:read",
    "osapi_job.list_jobs": "job:read",
    "osapi_job.get_job": "job:read",
    # the service checks the permission of the operation as well; without job:read, a call answers the job's id only
    **{f"osapi_node.{call.name}": "job:write" for call in CALLS},
}

#: The routes that look at hosts.
SCOPED = frozenset(
    {
        "osapi_agent.list_agents",
        "osapi_agent.get_agent",
        "osapi_agent.list_pending",
        "osapi_agent.reject_agent",
        "osapi_agent.drain_agent",
        "osapi_agent.undrain_agent",
        "osapi_job.list_jobs",
        "osapi_job.get_job",
        *(f"osapi_node.{call.name}" for call in CALLS),
    }
)

#: The routes that change access, each with its status of success.
AUDITED: Mapping[str, int] = {
    "osapi_agent.accept_agent": 200,
    "osapi_agent.reject_agent": 200,
    "osapi_file.upload_file": 201,
    "osapi_file.delete_file": 200,
}
