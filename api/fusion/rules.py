"""The permission for each route of the Fusion job launcher's API."""

from __future__ import annotations

from collections.abc import Mapping

from api.auth.rules import KNOWN, PUBLIC

RULES: Mapping[str, str] = {
    "fusion_configurations.create": "job:write",
    "fusion_configurations.replace": "job:write",
    "fusion_configurations.delete": "job:write",
    "fusion_configurations.show": "job:read",
    "fusion_configurations.list_configurations": "job:read",
    "fusion_jobs.start": "job:write",
    "fusion_jobs.start_inline": "job:write",
    "fusion_jobs.cancel": "job:write",
    "fusion_jobs.show": "job:read",
    "fusion_jobs.list_runs": "job:read",
    "fusion_driver.show": "job:read",
    "fusion_resources.act": "job:write",
    "fusion_resources.show": "job:read",
    "fusion_resources.history": "job:read",
    "fusion_resources.schedule": "job:read",
    # storing also needs the permissions for the run, which the service checks
    "fusion_resources.put_schedule": "schedule:write",
    "fusion_resources.delete_schedule": "schedule:write",
    "fusion_resource_list.list_resources": "job:read",
    # credentials are in the body; a session's end takes nothing but the session
    "fusion_session.begin": PUBLIC,
    "fusion_session.end": KNOWN,
    "fusion_launcher.start": "job:write",
    "fusion_launcher.update_status": "job:write",
    "fusion_launcher.list_statuses": "job:read",
}

#: Routes that change what others start with their own permissions -> the status of success (``api/audit.py``).
AUDITED: Mapping[str, int] = {
    "fusion_configurations.create": 200,
    "fusion_configurations.replace": 200,
    "fusion_configurations.delete": 204,
    "fusion_resources.put_schedule": 200,
    "fusion_resources.delete_schedule": 204,
}
