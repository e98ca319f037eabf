"""Secrets of a host: named in jobs, known to the agent alone, and taken out of all that it tells."""
