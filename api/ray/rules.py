"""The permission for each route of Ray's Jobs API, and the routes that look at hosts."""

from __future__ import annotations

from collections.abc import Mapping

from api.auth.rules import KNOWN, PUBLIC

RULES: Mapping[str, str] = {
    "ray_version.version": KNOWN,
    # probes and Ray's dashboard send no credentials
    "ray_health.gcs_health": PUBLIC,
    "ray_health.authentication_mode": PUBLIC,
    # Ray's client looks whether a package is there before it uploads it
    "ray_packages.look": "job:write",
    "ray_packages.upload": "job:write",
    "ray_jobs.submit": "job:write",
    "ray_jobs.submit_yuanrong": "job:write",
    "ray_jobs.stop": "job:write",
    "ray_jobs.delete": "job:write",
    "ray_jobs.get_job": "job:read",
    "ray_listing.list_jobs": "job:read",
    "ray_listing.list_jobs_yuanrong": "job:read",
    "ray_logs.get_logs": "job:read",
    "ray_logs.tail_logs": "job:read",
}

#: The routes that look at hosts.
SCOPED = frozenset(
    {
        "ray_jobs.submit",
        "ray_jobs.submit_yuanrong",
        "ray_jobs.stop",
        "ray_jobs.delete",
        "ray_jobs.get_job",
        "ray_listing.list_jobs",
        "ray_listing.list_jobs_yuanrong",
        "ray_logs.get_logs",
        "ray_logs.tail_logs",
    }
)
