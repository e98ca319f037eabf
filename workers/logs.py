"""Logging of the worker processes: one line per message on standard error."""

from __future__ import annotations

import logging

from jobqueue import logs
from jobqueue.settings import Settings


def configure_logging(settings: Settings, *, agent: str = "") -> None:
    """Set up the root logger. Celery's line per task costs more than a trivial task, so it needs DEBUG."""
    logs.configure(settings, agent=agent)
    if settings.log_level != "DEBUG":
        for name in ("celery.worker.strategy", "celery.app.trace"):
            logging.getLogger(name).setLevel(logging.WARNING)
