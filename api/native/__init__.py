"""The native API: jobs, events, agents, operations, targets, saved jobs, schedules, health, metrics, access, audit."""

from __future__ import annotations

from api.native import (
    agents,
    alerts,
    audit,
    bundles,
    events,
    executions,
    failures,
    health,
    jobs,
    keys,
    logs,
    metrics,
    notifications,
    operations,
    output,
    pauses,
    roles,
    rollouts,
    saved,
    schedules,
    targets,
    users,
)

_VIEWS = (rollouts,)  # add their routes to the blueprint of jobs
BLUEPRINTS = (
    jobs.blueprint,
    executions.blueprint,
    logs.blueprint,
    output.blueprint,
    events.blueprint,
    failures.blueprint,
    agents.blueprint,
    bundles.blueprint,
    operations.blueprint,
    health.blueprint,
    metrics.blueprint,
    keys.blueprint,
    users.blueprint,
    roles.blueprint,
    targets.blueprint,
    saved.blueprint,
    schedules.blueprint,
    notifications.blueprint,
    pauses.blueprint,
    alerts.blueprint,
    audit.blueprint,
)
