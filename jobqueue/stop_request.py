"""The exception by which a signal ends a process that has not finished its start."""

from __future__ import annotations


class StopRequested(SystemExit):
    """Raised by a signal handler. Code that must survive the ``sys.exit`` of a plugin lets this one pass."""
