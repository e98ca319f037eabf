"""A time limit for request bodies: a client that sends one byte a second must not hold a connection for days."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import current_app, request
from gevent import Timeout
from werkzeug.exceptions import RequestTimeout

#: Where the application's configuration has JOBQUEUE_BODY_SECONDS.
SECONDS = "JOBQUEUE_BODY_SECONDS"


@contextmanager
def bounded(subject: str) -> Iterator[None]:
    """Raise ``RequestTimeout`` (408) if the block, which reads ``subject``, takes too long; the connection ends then.

    Under another server, such as a test's, the time is not limited.
    """
    connection: Any = request.environ.get("gunicorn.socket")
    if connection is None:
        yield
        return
    seconds = current_app.config[SECONDS]
    timeout = Timeout(seconds)
    try:
        with timeout:
            yield
    except Timeout as error:
        if error is not timeout:  # another timeout's
            raise
        cut(connection)
        raise RequestTimeout(
            f"{subject} took longer than {seconds:g} s; send it again over a faster connection."
        ) from None


def cut(connection: Any) -> None:
    """Stop reading: the data in flight at the timeout is lost, so the next request cannot be found."""
    end = getattr(connection, "end", None)
    if end is not None:
        end()
