"""The permission that each route needs. A route that is not in this map is always refused."""

from __future__ import annotations

from collections.abc import Mapping

#: Name of the blueprint that serves every native route a second time, under /api; its routes have the same rules.
ALIAS = "api"

#: Instead of a permission: the route needs no credentials.
PUBLIC = "public"
#: Instead of a permission: any credentials that are good will do.
KNOWN = "known"

_HEALTH = {
    "health.alive": PUBLIC,
    "health.ready": PUBLIC,
    "health.status": "metrics:read",
    "metric.get_metrics": "metrics:read",
}
_DOCUMENTS = {
    "docs.openapi": KNOWN,
    "docs.docs": KNOWN,
    "docs.asset": KNOWN,
}
_JOBS = {
    # routes that submit a job also need the permission of its operation, which the service checks
    "job.submit": "job:write",
    "job.submit_batch": "job:write",
    "job.plan_job": "job:write",
    "job.retry_job": "job:write",
    "job.cancel_job": "job:write",
    "job.pause_rollout": "job:write",
    "job.resume_rollout": "job:write",
    "job.approve_batch": "job:approve",
    "job.abort_rollout": "job:write",
    "job.delete_job": "job:write",
    "job.list_jobs": "job:read",
    "job.get_job": "job:read",
    "execution.list_executions": "job:read",
    "log.get_logs": "job:read",
    "output.get_output": "job:read",
    "fetched.get_files": "file:fetch",
    "event.get_events": "job:read",
    "failure.list_failures": "job:read",
    "event.get_job_events": "job:read",
    "operation.list_operations": "job:read",
}
_AGENTS = {
    "agent.list_agents": "agent:read",
    "agent.get_agent": "agent:read",
    "agent.drain_agent": "agent:write",
    "agent.undrain_agent": "agent:write",
    "agent.invite_agent": "agent:write",
    "bundle.make_bundle": "agent:write",
    "agent.accept_agent": "agent:write",
    "agent.revoke_agent": "agent:write",
    "agent.remove_agent": "agent:write",
}
#: Only a front has them (``api/cells``).
_CELLS = {
    "cell.list_cells": "agent:read",
    "cell.get_cell": "agent:read",
}
_TARGETS = {
    "target.list_targets": "agent:read",
    "target.get_target": "agent:read",
    "target.complete_target": "agent:read",
    "target.store_target": "target:write",
    "target.put_target": "target:write",
    "target.delete_target": "target:write",
}
_SAVED = {
    "saved.list_saved": "saved:read",
    "saved.get_saved": "saved:read",
    "saved.list_versions": "saved:read",
    "saved.compare_versions": "saved:read",
    "saved.put_saved": "saved:write",
    "saved.delete_saved": "saved:write",
    "saved.restore_saved": "saved:write",
    # also need job:write and the permission of the operation, which the service checks
    "saved.run_saved": "saved:run",
    "saved.plan_saved": "saved:run",
}
_WORKFLOWS = {
    "workflow.list_workflows": "saved:read",
    "workflow.get_workflow": "saved:read",
    "workflow.list_versions": "saved:read",
    "workflow.put_workflow": "saved:write",
    "workflow.delete_workflow": "saved:write",
    # also need job:write and the permission of each operation, which the service checks
    "workflow.run_workflow": "saved:run",
    "workflow.retry_run": "saved:run",
    "workflow.cancel_run": "job:write",
    "workflow.list_runs": "job:read",
    "workflow.get_run": "job:read",
}
_SCHEDULES = {
    # storing and triggering also need the permissions for the schedule's job, which the service checks
    "schedule.list_schedules": "schedule:read",
    "schedule.get_schedule": "schedule:read",
    "schedule.preview_schedule": "schedule:read",
    "schedule.create_schedule": "schedule:write",
    "schedule.put_schedule": "schedule:write",
    "schedule.delete_schedule": "schedule:write",
    "schedule.pause_schedule": "schedule:write",
    "schedule.resume_schedule": "schedule:write",
    "schedule.trigger_schedule": "schedule:write",
    "schedule.backfill_schedule": "schedule:write",
}
_NOTIFICATIONS = {
    # storing also needs the permissions to read about the rule's events, and so do its dead letters
    "notification.list_notifications": "notification:read",
    "notification.get_notification": "notification:read",
    "notification.put_notification": "notification:write",
    "notification.delete_notification": "notification:write",
    "notification.test_notification": "notification:write",
    "notification.list_dead_letters": "notification:read",
    "notification.resend_dead_letters": "notification:write",
}
_FILES = {
    "file.list_files": "file:read",
    "file.list_stale": "file:read",
    "file.get_file": "file:read",
    "file.get_content": "file:read",
    "file.post_file": "file:write",
    "file.put_file": "file:write",
    "file.delete_file": "file:write",
}
_PAUSES = {
    "pause.list_pauses": "job:read",
    "pause.add_pause": "pause:write",
    "pause.end_pause": "pause:write",
}
_ALERTS = {
    "alert.list_alerts": "metrics:read",
    "alert.acknowledge_alert": "alert:write",
    "alert.reopen_alert": "alert:write",
}
_ACCESS = {
    # names the provider to those who have yet to sign in
    "provider.get_provider": PUBLIC,
    # the service refuses to grant permissions that the caller lacks
    "key.create_key": "key:write",
    "key.revoke_key": "key:write",
    "key.list_keys": "key:read",
    "user.create_user": "key:write",
    "user.set_password": "key:write",
    "user.disable_user": "key:write",
    "user.enable_user": "key:write",
    "user.delete_user": "key:write",
    "user.list_users": "key:read",
    "role.create_role": "key:write",
    "role.delete_role": "key:write",
    "role.list_roles": "key:read",
    "audit.list_audit": "audit:read",
    "audit.verify_audit": "audit:read",
}

_DASHBOARD = {
    # pages that show of several things what each person may see
    "dashboard.overview": KNOWN,
    "dashboard.ui": KNOWN,
    # signing in needs no credentials; signing out needs only the session
    "dashboard.sign_in": PUBLIC,
    "dashboard.begin": PUBLIC,
    "dashboard.go_to_provider": PUBLIC,
    "dashboard.return_from_provider": PUBLIC,
    "dashboard.static": PUBLIC,
    "dashboard.end": KNOWN,
    "dashboard.jobs": "job:read",
    "dashboard.job": "job:read",
    "dashboard.output": "job:read",
    "dashboard.runs": "job:read",
    "dashboard.saved_jobs": "saved:read",
    "dashboard.saved_job": "saved:read",
    "dashboard.run_saved": "saved:run",
    "dashboard.save_job": "saved:write",
    "dashboard.workflows": "saved:read",
    "dashboard.workflow": "saved:read",
    "dashboard.run_workflow": "saved:run",
    "dashboard.workflow_run": "job:read",
    "dashboard.cancel_run": "job:write",
    "dashboard.retry_run": "saved:run",
    "dashboard.retry": "job:write",
    "dashboard.cancel": "job:write",
    "dashboard.pause_rollout": "job:write",
    "dashboard.resume_rollout": "job:write",
    "dashboard.approve_batch": "job:approve",
    "dashboard.abort_rollout": "job:write",
    "dashboard.delete": "job:write",
    "dashboard.choose": "job:write",
    "dashboard.submit": "job:write",
    "dashboard.preview": "agent:read",
    "dashboard.schedules": "schedule:read",
    "dashboard.schedule_calendar": "schedule:read",
    "dashboard.schedule": "schedule:read",
    "dashboard.schedule_form": "schedule:write",
    "dashboard.save_schedule": "schedule:write",
    "dashboard.pause_schedule": "schedule:write",
    "dashboard.resume_schedule": "schedule:write",
    "dashboard.delete_schedule": "schedule:write",
    "dashboard.trigger_schedule": "schedule:write",
    "dashboard.backfill_schedule": "schedule:write",
    "dashboard.notifications": "notification:read",
    "dashboard.notification": "notification:read",
    "dashboard.test_notification": "notification:write",
    "dashboard.resend_notification": "notification:write",
    "dashboard.delete_notification": "notification:write",
    "dashboard.files": "file:read",
    "dashboard.file": "file:read",
    "dashboard.store_file": "file:write",
    "dashboard.delete_file": "file:write",
    "dashboard.agents": "agent:read",
    "dashboard.agent": "agent:read",
    "dashboard.accept": "agent:write",
    "dashboard.drain": "agent:write",
    "dashboard.undrain": "agent:write",
    "dashboard.choose_agents": "agent:write",
    "dashboard.move_agents": "agent:write",
    "dashboard.audit": "audit:read",
    "dashboard.end_pause": "pause:write",
    "dashboard.acknowledge_alert": "alert:write",
    "dashboard.reopen_alert": "alert:write",
}

#: endpoint -> permission, ``PUBLIC`` or ``KNOWN``. The routes of facades come with them, see ``add``.
RULES: dict[str, str] = {
    **_HEALTH,
    **_DOCUMENTS,
    **_JOBS,
    **_AGENTS,
    **_CELLS,
    **_TARGETS,
    **_PAUSES,
    **_ALERTS,
    **_SAVED,
    **_WORKFLOWS,
    **_SCHEDULES,
    **_NOTIFICATIONS,
    **_FILES,
    **_ACCESS,
    **_DASHBOARD,
}


#: endpoint -> a permission that opens the route as well. Its view then looks at which of the two the caller has.
INSTEAD: dict[str, str] = {}


def add(rules: Mapping[str, str], instead: Mapping[str, str]) -> None:
    """Take the rules of a facade's routes into the map, and what opens them as well."""
    RULES.update(rules)
    INSTEAD.update(instead)


def rule_of(endpoint: str) -> str | None:
    """The permission that the route of a Flask endpoint needs; None without a rule."""
    return RULES.get(endpoint) or RULES.get(rule_name(endpoint))


def rule_name(endpoint: str) -> str:
    """The name in the map: a blueprint that is served at several places has a number after its name at each."""
    blueprint, _, view = endpoint.removeprefix(f"{ALIAS}.").rpartition(".")
    return f"{blueprint.rstrip('0123456789')}.{view}"
