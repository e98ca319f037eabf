"""The routes that look at hosts. To a principal with a permission on some hosts only, every other route is closed."""

from __future__ import annotations

from collections.abc import Iterable

from api.auth.rules import rule_name

#: Names as in the map of rules. The routes of facades come with them, see ``add``.
#: What these routes show and change, they get from ``context.services()``.
SCOPED: set[str] = {
    "job.submit",
    "job.submit_batch",
    "job.plan_job",
    "job.retry_job",
    "job.cancel_job",
    "job.pause_rollout",
    "job.resume_rollout",
    "job.approve_batch",
    "job.abort_rollout",
    "job.delete_job",
    "job.list_jobs",
    "job.get_job",
    "execution.list_executions",
    "log.get_logs",
    "output.get_output",
    "fetched.get_files",
    "event.get_events",
    "event.get_job_events",
    "failure.list_failures",
    "operation.list_operations",
    "pause.list_pauses",
    "pause.add_pause",
    "pause.end_pause",
    "agent.list_agents",
    "agent.get_agent",
    "agent.drain_agent",
    "agent.undrain_agent",
    "agent.remove_agent",
    "dashboard.jobs",
    "dashboard.job",
    "dashboard.output",
    "dashboard.retry",
    "dashboard.cancel",
    "dashboard.pause_rollout",
    "dashboard.resume_rollout",
    "dashboard.approve_batch",
    "dashboard.abort_rollout",
    "dashboard.delete",
    "dashboard.choose",
    "dashboard.submit",
    "dashboard.preview",
    "dashboard.agents",
    "dashboard.agent",
    "dashboard.end_pause",
    "dashboard.drain",
    "dashboard.undrain",
    "dashboard.choose_agents",
    "dashboard.move_agents",
}


def add(names: Iterable[str]) -> None:
    """Take the routes of a facade that look at hosts into the set."""
    SCOPED.update(names)


def is_scoped(endpoint: str) -> bool:
    """Whether the route of a Flask endpoint looks at hosts."""
    return endpoint in SCOPED or rule_name(endpoint) in SCOPED
