"""The native API: /job, its logs and events, /agent, /operation and /health."""

from __future__ import annotations

from api.native import agents, events, health, jobs, logs, operations

BLUEPRINTS = (
    jobs.blueprint,
    logs.blueprint,
    events.blueprint,
    agents.blueprint,
    operations.blueprint,
    health.blueprint,
)
