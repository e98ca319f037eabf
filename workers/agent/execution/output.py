"""Carries live output from running operations to the ledger, in small batches."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Protocol

from jobqueue import logs
from jobqueue.errors import LedgerUnavailable
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.output import Output, Piece
from jobqueue.model.output import AGENT
from jobqueue.operations.process.capture import whole_end

logger = logging.getLogger(__name__)

#: Maximum seconds before output is sent.
FLUSH_SECONDS = 0.1
#: Bytes after which the operation's thread sends, so that it cannot print faster than the ledger accepts output.
_FULL = 256 * 1024
#: Maximum bytes in one piece.
_PIECE = 64 * 1024


class Sends(Protocol):
    """Receives numbered batches of output (``Output.append``)."""

    def __call__(self, claim: Claim, number: int, pieces: list[Piece]) -> bool: ...


class LiveOutput:
    """Buffers one execution's output for the ledger. Never raises: a command must not fail because of its log.

    Pieces end at whole characters. While the ledger is unavailable, up to ``cap_bytes`` are buffered; beyond that the
    oldest are dropped, and a notice says so.
    """

    def __init__(self, claim: Claim, send: Sends, cap_bytes: int) -> None:
        self._claim = claim
        self._send = send
        self._cap = cap_bytes
        self._pieces: list[Piece] = []
        self._running = 0
        self._partial: dict[str, bytes] = {}
        self._dropped = 0
        #: The batch that was sent but not confirmed: it is resent unchanged under its number.
        self._batch: list[Piece] = []
        self._number = 0
        self._buffer_lock = threading.Lock()
        self._send_lock = threading.Lock()

    def write(self, stream: str, chunk: bytes) -> None:
        """Add output of the operation."""
        with self._buffer_lock:
            data = self._partial.pop(stream, b"") + chunk
            end = whole_end(data)
            if len(end) < len(data):
                self._partial[stream] = data[len(end) :]
            self._add(stream, end)
            is_full = self._running >= _FULL
        if is_full:
            self.flush()

    def flush(self) -> bool:
        """Send the buffer; returns False if the ledger could not be reached, and keeps the buffer."""
        with self._send_lock, logs.bound(job_id=self._claim.job_id):
            while self._batch or self._take():
                try:
                    self._send(self._claim, self._number, self._batch)
                except LedgerUnavailable as error:
                    logger.debug("Output of job %s is delayed: %s", self._claim.job_id, error)
                    return False
                except Exception:
                    logger.exception("Output of job %s was refused and is dropped", self._claim.job_id)
                self._batch = []
            return True

    def _take(self) -> bool:
        """Turn the buffer into the next batch; returns whether there is one."""
        with self._buffer_lock:
            pieces, self._pieces, self._running = self._pieces, [], 0
            dropped, self._dropped = self._dropped, 0
        if dropped:
            notice = f"[... {dropped} bytes cut while the ledger was unavailable ...]\n"
            pieces.insert(0, Piece(AGENT, notice.encode()))
        self._batch = pieces
        self._number += 1
        return bool(pieces)

    def close(self) -> None:
        """Send the rest. Output that the ledger does not accept is dropped: the result matters more than its log."""
        with self._buffer_lock:
            for stream, tail in self._partial.items():
                self._add(stream, tail)
            self._partial.clear()
        if not self.flush():
            logger.warning("The last output of job %s did not reach the ledger", self._claim.job_id)

    def _add(self, stream: str, data: bytes) -> None:
        unsent = data
        while unsent:
            # data that is not UTF-8 may be cut anywhere
            part = whole_end(unsent[:_PIECE]) or unsent[:_PIECE]
            unsent = unsent[len(part) :]
            last = self._pieces[-1] if self._pieces else None
            if last and last.stream == stream and len(last.data) + len(part) <= _PIECE:
                self._pieces[-1] = Piece(stream, last.data + part)
            else:
                self._pieces.append(Piece(stream, part))
        self._running += len(data)
        while self._running > max(self._cap, _FULL) and self._pieces:
            oldest = self._pieces.pop(0)
            self._running -= len(oldest.data)
            self._dropped += len(oldest.data)


class OutputPump(threading.Thread):
    """A thread that sends the output of all running executions a few times a second."""

    def __init__(self, output: Output, cap_bytes: int) -> None:
        super().__init__(name="output", daemon=True)
        self._output = output
        self._cap = cap_bytes
        self._open: set[LiveOutput] = set()
        self._lock = threading.Lock()
        self._written = threading.Event()
        self._stopped = threading.Event()

    def open(self, claim: Claim) -> tuple[LiveOutput, Callable[[str, bytes], None]]:
        """Open the output of one execution; returns it and the function that its operation writes with."""
        live = LiveOutput(claim, self._output.append, self._cap)
        with self._lock:
            self._open.add(live)

        def write(stream: str, chunk: bytes) -> None:
            live.write(stream, chunk)
            self._written.set()

        return live, write

    def close(self, live: LiveOutput) -> None:
        """The execution has ended: send the rest of its output."""
        with self._lock:
            self._open.discard(live)
        live.close()

    def run(self) -> None:
        while not self._stopped.is_set():
            self._written.wait()
            self._stopped.wait(FLUSH_SECONDS)
            self._written.clear()
            with self._lock:
                everything = list(self._open)
            if [live for live in everything if not live.flush()]:
                self._written.set()

    def stop(self) -> None:
        self._stopped.set()
        self._written.set()
