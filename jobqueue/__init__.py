"""jobqueue: run operations on fleets of hosts, and see per host what happened."""

__version__ = "0.1.0"
