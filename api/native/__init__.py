"""The native API: /job, /agent, /operation and /health."""

from __future__ import annotations

from api.native import agents, health, jobs, operations

BLUEPRINTS = (jobs.blueprint, agents.blueprint, operations.blueprint, health.blueprint)
