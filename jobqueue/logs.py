"""Log records with context (a request, a job, an agent), as lines for people or as JSON.

Code sets the context with ``bound`` (or ``bind``, without a block to wrap); every record that is logged meanwhile
carries it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType, TracebackType

from pythonjsonlogger.json import JsonFormatter

from jobqueue import tracing
from jobqueue.settings import Settings

#: The context fields of a record, in display order.
FIELDS = ("request_id", "job_id", "agent", "trace_id")
_NOTHING: Mapping[str, str] = MappingProxyType({})
_bound: ContextVar[Mapping[str, str]] = ContextVar("jobqueue_log_fields", default=_NOTHING)
_CONSOLE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@contextmanager
def bound(**fields: str) -> Iterator[None]:
    """Every record that this thread or greenlet logs within the block carries ``fields`` (names of ``FIELDS``)."""
    token = _bound.set({**_bound.get(), **fields})
    try:
        yield
    finally:
        _bound.reset(token)


def bind(**fields: str) -> None:
    """Set exactly these ``fields`` from now on; none clears them."""
    _bound.set(fields)


def fields() -> Mapping[str, str]:
    """The current context fields."""
    return _bound.get()


def configure(settings: Settings, *, agent: str = "") -> None:
    """Set up the root logger on standard error. ``agent``: the agent's name for all records of this process."""
    handler = logging.StreamHandler()
    handler.addFilter(Annotate(agent))
    handler.setFormatter(Json() if settings.log_format == "json" else Console(_CONSOLE))
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.captureWarnings(settings.log_format == "json")
    if settings.log_format == "json":
        sys.excepthook = _log_uncaught


class Annotate(logging.Filter):
    """Adds the context to each record, as attributes named in ``FIELDS``."""

    def __init__(self, agent: str = "") -> None:
        super().__init__()
        self._agent = {"agent": agent} if agent else {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every record pass."""
        fields = {**self._agent, **_bound.get()}
        trace_id = tracing.trace_id()
        if trace_id:
            fields["trace_id"] = trace_id
        for name, value in fields.items():
            setattr(record, name, value)
        return True


class Console(logging.Formatter):
    """A line for people: the context follows the message, unless the message contains it.

    The agent is left out: a terminal shows one agent's log, or prefixes each line with the agent's name.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """The line, without a traceback."""
        line = super().formatMessage(record)
        shown = ((name, getattr(record, name, "")) for name in FIELDS if name != "agent")
        tail = " ".join(f"{name}={value}" for name, value in shown if value and value not in record.message)
        return f"{line} [{tail}]" if tail else line


class Json(JsonFormatter):
    """One JSON object per line: timestamp (UTC), level, logger, message, and the context."""

    def __init__(self) -> None:
        super().__init__(
            "{message}{levelname}{name}",
            style="{",
            rename_fields={"levelname": "level", "name": "logger", "exc_info": "exception"},
            timestamp=True,
            json_ensure_ascii=False,
        )


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("jobqueue").critical("An error ends this process", exc_info=(kind, error, trace))
