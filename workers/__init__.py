"""The agent on a host, and maintenance."""
