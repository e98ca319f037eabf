"""Cells: complete deployments, each with its own Redis, API and agents, that a front shows as one (docs/cells.md)."""
