"""The native API: /job, its logs and events, /agent, /operation, /health, /metrics; /key, /user, /role and /audit."""

from __future__ import annotations

from api.native import (
    agents,
    audit,
    bundles,
    events,
    failures,
    health,
    jobs,
    keys,
    logs,
    metrics,
    operations,
    roles,
    rollouts,
    users,
)

_VIEWS = (rollouts,)  # add their routes to the blueprint of jobs
BLUEPRINTS = (
    jobs.blueprint,
    logs.blueprint,
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
    audit.blueprint,
)
