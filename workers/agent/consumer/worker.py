"""The agent's Celery worker, with a graceful shutdown of its own."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

from celery import Celery
from celery.apps.worker import Worker, install_cry_handler
from celery.exceptions import CPendingDeprecationWarning
from celery.worker import state

from jobqueue import inherited_signals
from workers.agent.consumer.consumer import AgentConsumer, MessageFilter
from workers.agent.graceful_shutdown import GracefulShutdown

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


class AgentWorker(Worker):  # type: ignore[misc]
    """Stops gracefully at the first stop signal and immediately at the second.

    Celery would wait without limit for tasks after SIGTERM, drop them after two SIGINT, and restart after SIGHUP.
    """

    def __init__(
        self,
        app: Celery,
        graceful_shutdown: GracefulShutdown,
        message_filter: MessageFilter,
        fleet_size: Callable[[], int],
        **options: Any,
    ) -> None:
        self._graceful_shutdown = graceful_shutdown
        # for the consumer
        self.message_filter = message_filter
        self.fleet_size = fleet_size
        super().__init__(app, consumer_cls=AgentConsumer, **options)

    def setup_logging(self, colorize: bool | None = None) -> Any:
        """Called by Celery once, early; it turns its warnings on."""
        done = super().setup_logging(colorize)
        # at every lost connection it would warn about a change in a later version for tasks that Celery acknowledges
        warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
        return done

    def install_platform_tweaks(self, worker: Worker) -> None:
        """Called by Celery when it installs its signal handlers."""
        for number in _STOP_SIGNALS:
            if not inherited_signals.is_ignored(number):  # nohup wants SIGHUP to be ignored
                signal.signal(number, self._on_stop_signal)
        install_cry_handler()  # SIGUSR1: print the stack of every thread

    def stop(self, in_sighandler: bool = False, exitcode: int | None = None) -> None:
        """Stop, for any reason: a signal, a remote control command, an error."""
        self._graceful_shutdown.begin()
        super().stop(in_sighandler, exitcode)

    def terminate(self, in_sighandler: bool = False) -> None:
        """Stop gracefully here as well: running work must not be dropped."""
        self.stop(in_sighandler, exitcode=1)

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        # a signal handler may interrupt any code, so it only sets flags
        if self._graceful_shutdown.has_begun:
            self._graceful_shutdown.hurry()
        self._graceful_shutdown.begin()
        state.should_stop = 0
