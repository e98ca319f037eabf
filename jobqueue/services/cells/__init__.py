"""The use cases of a front: jobs and agents of several cells (docs/cells.md)."""
