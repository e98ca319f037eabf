"""gunicorn's master process, changed so that its workers can be stopped from the moment they start."""

from __future__ import annotations

import signal
from typing import Any

from gunicorn.arbiter import Arbiter

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


class Master(Arbiter):
    """Holds stop signals back while it forks.

    A new worker has the master's signal handlers until it installs its own. A SIGTERM would vanish in them, and the
    stop would wait for that worker until the time for requests is over.
    """

    def spawn_worker(self) -> Any:
        """Called by gunicorn; in the worker itself it ends the process instead of returning."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)


def mortal(_server: object, _worker: object) -> None:
    """gunicorn's hook in a new worker: until it serves, a stop signal ends it at once, one that was held back too."""
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
