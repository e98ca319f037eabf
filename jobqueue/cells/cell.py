"""One cell: its API, asked in bounded time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jobqueue import errors
from jobqueue.cells import cell_stream
from jobqueue.cells.breaker import Breaker
from jobqueue.cells.cell_stream import Events, Heard
from jobqueue.cells.config import CellAddress
from jobqueue.client.errors import ApiError, ClientError, Unauthorized
from jobqueue.client.transport import Transport
from jobqueue.json_depth import is_deeper

#: Requests to one cell at the same time: what a slow cell may hold of this process.
MOST_REQUESTS = 16
#: Outputs of one cell that are followed at the same time.
MOST_FOLLOWED = 200
#: Size of the largest answer: what a server in place of a cell may make this process hold.
MOST_BYTES = 256 * 1024**2
#: Levels of the deepest answer. A job's request has at most 64, to which a list adds some.
MOST_LEVELS = 200
#: Of the client's messages: the address of a cell is in the file of the cells.
_HINT = " (JOBQUEUE_URL, if no other was given)"
#: Statuses of answers about a request -> the error that the front answers with. Others mean that the cell, or what
#: answers in its place, cannot be used.
_ANSWERS: Mapping[int, type[errors.JobQueueError]] = {
    400: errors.InvalidInput,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    409: errors.Conflict,
    413: errors.InvalidInput,
    415: errors.InvalidInput,
    422: errors.InvalidInput,
}


class Call:
    """One call of a cell, which counts as one failure at most: its thread may learn of it after the caller gave up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        #: Whether it has failed.
        self.has_failed = False

    def fail(self) -> bool:
        """Whether this is its first failure."""
        with self._lock:
            is_first = not self.has_failed
            self.has_failed = True
            return is_first

    def begin(self) -> None:
        """Make it the call to which the requests of this thread belong."""
        _CALL.set(self)


_CALL: ContextVar[Call | None] = ContextVar("call_of_a_cell", default=None)


class Cell:
    """The API of one cell. Threads may share it.

    Each method raises ``CellUnavailable`` if the cell does not answer as a jobqueue API does, and the error of
    ``jobqueue.errors`` for a request that the cell refuses (``InvalidInput``, ``PermissionDenied``, ``NotFound``,
    ``Conflict``).
    """

    def __init__(self, address: CellAddress, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = address.name
        self.url = address.url
        #: Seconds that one request may take in all: to connect and to answer.
        self.seconds = 2 * address.timeout_seconds
        #: Seconds within which a stream must have begun.
        self.stream_seconds = address.timeout_seconds
        self._address = address
        self._breaker = Breaker(clock)
        self._slots = threading.BoundedSemaphore(MOST_REQUESTS)
        self._followed = threading.BoundedSemaphore(MOST_FOLLOWED)
        self._lock = threading.Lock()
        self._transport: Transport | None = None
        self._stream_transport: Transport | None = None

    @property
    def trouble(self) -> str:
        """Why the last request was not answered; empty if it was."""
        return self._breaker.reason

    def get(self, path: str, query: Mapping[str, Any] | None = None, *, holding: str = "") -> dict[str, Any]:
        """The JSON object of a GET; it must have the field ``holding``."""
        document = self.request("GET", path, query=query)
        if not isinstance(document, dict) or (holding and holding not in document):
            raise self.unavailable(
                f"the server at {self.url} answered {path} without {holding or 'an object'}, and so is not the API of "
                "a jobqueue of this version"
            )
        return document

    def request(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """The answer's JSON; None without a body. The request is sent once."""
        if not self._slots.acquire(blocking=False):
            raise self.error(f"{MOST_REQUESTS} requests to it are open already")
        try:
            if not self._breaker.admits():
                raise self.error(f"{self._breaker.reason} (not asked again for a few seconds)")
            return self._sent(method, path, query, body)
        finally:
            self._slots.release()

    @contextmanager
    def stream(
        self,
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        last_id: str = "",
        heard: Heard = lambda: None,
        comments: bool = False,
    ) -> Iterator[Events]:
        """The events of a stream; raises as the other methods do. See ``Transport.stream``.

        It does not count as a request, and its failures do not keep requests from the cell.
        """
        try:
            transport = self._stream_connected()
            with transport.stream(path, query=query, last_id=last_id, heard=heard, comments=comments) as events:
                yield events
        except (ClientError, errors.InvalidInput) as error:
            raise self._error_of(error, "GET", self.error) from error

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Count an output that is followed. Raises ``CellUnavailable`` beyond ``MOST_FOLLOWED``."""
        if not self._followed.acquire(blocking=False):
            raise self.error(f"{MOST_FOLLOWED} outputs of it are followed already")
        try:
            yield
        finally:
            self._followed.release()

    def error(self, reason: str) -> errors.CellUnavailable:
        """The error for a cell that does not answer as it should, which does not count as a failure."""
        return errors.CellUnavailable(f"Cell {self.name} does not answer: {reason.rstrip('.')}.", {"cell": self.name})

    def forget_token(self) -> None:
        """Read the token again with the next request."""
        with self._lock:
            self._transport = self._stream_transport = None

    def unavailable(self, reason: str) -> errors.CellUnavailable:
        """The error for an answer that is not one of a cell, which counts as a failure."""
        return self._failed(_CALL.get(), reason)

    def give_up(self, call: Call) -> errors.CellUnavailable:
        """The error for a call that takes too long, which counts as a failure."""
        return self._failed(call, f"no answer from {self.url} within {self.seconds:g} s")

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            for transport in (self._transport, self._stream_transport):
                if transport is not None:
                    transport.close()

    def _sent(self, method: str, path: str, query: Mapping[str, Any] | None, body: Any) -> Any:
        try:
            answer = self._connected().request(method, path, query=query, body=body, repeatable=False)
        except (ClientError, errors.InvalidInput) as error:
            translated = self._error_of(error, method, self.unavailable)
            if isinstance(error, ApiError) and error.is_of_api and error.status in _ANSWERS:
                self._answered()
            raise translated from error
        if is_deeper(answer, MOST_LEVELS):
            raise self.unavailable(f"the server at {self.url} answered with more than {MOST_LEVELS} levels of JSON")
        self._answered()
        return answer

    def _error_of(
        self,
        error: ClientError | errors.InvalidInput,
        method: str,
        unavailable: Callable[[str], errors.CellUnavailable],
    ) -> errors.JobQueueError:
        """The error of the front for one of the client; ``unavailable`` makes that of a cell that does not answer."""
        if not isinstance(error, ApiError):
            return unavailable(error.message.replace(_HINT, ""))
        kind = _ANSWERS.get(error.status) if error.is_of_api else None
        if isinstance(error, Unauthorized) and kind is None:
            self.forget_token()
            return unavailable(f"{self.url} does not accept the front's token (401)")
        if kind is None:
            return unavailable(f"{error.message} (status {error.status})")
        if kind is errors.PermissionDenied and method == "GET":  # the fault of the front's token, not of a caller
            return self.error(f"the front's token lacks a permission there: {error.message}")
        return kind(f"Cell {self.name}: {error.message}", error.details)

    def _failed(self, call: Call | None, reason: str) -> errors.CellUnavailable:
        if call is None or call.fail():
            self._breaker.failed(reason)
        return self.error(reason)

    def _answered(self) -> None:
        """The cell has answered: a success, unless the caller has given up before."""
        call = _CALL.get()
        if call is None or not call.has_failed:
            self._breaker.succeeded()

    def _connected(self) -> Transport:
        """The connections with the token as it was first read; after a 401 it is read again."""
        with self._lock:
            if self._transport is None:
                self._transport = Transport(
                    self._address.address(), timeout=self._address.timeout_seconds, retries=0, most_bytes=MOST_BYTES
                )
            return self._transport

    def _stream_connected(self) -> Transport:
        with self._lock:
            if self._stream_transport is None:
                self._stream_transport = Transport(
                    self._address.address(),
                    timeout=cell_stream.SILENT_SECONDS,
                    retries=0,
                    most_bytes=cell_stream.MOST_BYTES,
                )
            return self._stream_transport
