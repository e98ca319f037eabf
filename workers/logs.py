"""Logging of the worker processes: one line per message on standard error."""

from __future__ import annotations

import logging

from jobqueue.settings import Settings


def configure_logging(settings: Settings) -> None:
    """Set the root logger up. Celery's line per task costs more than a trivial task itself: only with DEBUG."""
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True)
    if settings.log_level != "DEBUG":
        for name in ("celery.worker.strategy", "celery.app.trace"):
            logging.getLogger(name).setLevel(logging.WARNING)
