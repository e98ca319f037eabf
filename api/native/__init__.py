"""The native API: jobs, events, agents, operations, targets, schedules, health, metrics; credentials and the audit."""

from __future__ import annotations

from api.native import (
    agents,
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
    operations,
    output,
    pauses,
    roles,
    rollouts,
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
    schedules.blueprint,
    pauses.blueprint,
    audit.blueprint,
)
