"""The output of the processes of ``jobqueue up``, in files of the state directory."""

from __future__ import annotations

import logging
from logging.handlers import RotatingFileHandler
from pathlib import Path

from jobqueue.standalone.child import Emit
from jobqueue.standalone.supervisor import OWN_NAME

#: Each process keeps this much, and as much again in the file before (``NAME.log.1``).
MOST_BYTES = 10 * 1024 * 1024


class LogFiles:
    """Writes the lines of each process to ``<directory>/NAME.log``. Threads may share it.

    ``show`` receives the supervisor's own lines too, and with ``everything`` all lines.
    """

    def __init__(self, directory: Path, show: Emit, *, everything: bool = False) -> None:
        self._directory = directory
        self._show = show
        self._everything = everything
        self._files: dict[str, RotatingFileHandler] = {}

    def __enter__(self) -> LogFiles:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def emit(self, name: str, line: str) -> None:
        """One line of a process."""
        if self._everything or name == OWN_NAME:
            self._show(name, line)
        file = self._files.get(name) or self._open(name)
        file.handle(logging.makeLogRecord({"msg": line}))

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _open(self, name: str) -> RotatingFileHandler:
        file = _Handler(
            self._directory / f"{name}.log", maxBytes=MOST_BYTES, backupCount=1, encoding="utf-8", delay=True
        )
        return self._files.setdefault(name, file)


class _Handler(RotatingFileHandler):
    """Fails silently, as on a full disk: the processes continue, and the supervisor keeps their last lines."""

    def handleError(self, record: logging.LogRecord) -> None: ...  # noqa: N802 (the name is logging's)
