"""The server's own log, through the one way that all of our logs go."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger


class ServerLog(Logger):
    """gunicorn's logger without its own handlers: its records have the format of all others."""

    def setup(self, cfg: Any) -> None:
        """Called by gunicorn, at every change of its settings too."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
