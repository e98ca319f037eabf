"""The view of a principal with permissions on some hosts only: its hosts, and its part of jobs."""
