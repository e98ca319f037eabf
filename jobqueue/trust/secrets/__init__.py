"""Secrets of a host: referenced by name in jobs, known only to the agent, and redacted from all that it reports."""
