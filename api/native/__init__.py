"""The native API: /job, its logs, /agent, /operation and /health."""

from __future__ import annotations

from api.native import agents, health, jobs, logs, operations

BLUEPRINTS = (jobs.blueprint, logs.blueprint, agents.blueprint, operations.blueprint, health.blueprint)
