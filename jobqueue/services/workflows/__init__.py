"""Workflows: storing them, running them, and moving their runs on."""
