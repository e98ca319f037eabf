"""The routes that look at hosts. To a principal with a permission on some hosts only, every other route is closed."""

from __future__ import annotations

from api.auth.rules import rule_name

#: Names as in the map of rules. What these routes show and change, they get from ``context.services()``.
SCOPED = frozenset(
    {
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
        "event.get_events",
        "event.get_job_events",
        "failure.list_failures",
        "operation.list_operations",
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
        "dashboard.drain",
        "dashboard.undrain",
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


def is_scoped(endpoint: str) -> bool:
    """Whether the route of a Flask endpoint looks at hosts."""
    return endpoint in SCOPED or rule_name(endpoint) in SCOPED
