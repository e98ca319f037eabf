"""The native API: /job, logs, events, /agent, /operation, /target, /saved, /health, /metrics; access and the audit."""

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
    saved,
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
    pauses.blueprint,
    audit.blueprint,
)
