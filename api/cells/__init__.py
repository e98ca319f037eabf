"""The API of a front: the native routes about jobs and agents, over several cells (docs/cells.md)."""
