"""The limit on what one websocket's client may send: even empty frames cost time."""

from __future__ import annotations

from collections.abc import Callable

#: The burst allowed at once, and the rate per second afterwards. A reader of output sends only pings and a close.
BURST_FRAMES, FRAMES_PER_SECOND = 256, 10
BURST_BYTES, BYTES_PER_SECOND = 256 * 1024, 16 * 1024


class Exceeded(Exception):
    """More came than may come."""


class Intake:
    """Two token buckets, of frames and of bytes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._at = clock()
        self._frames, self._bytes = float(BURST_FRAMES), float(BURST_BYTES)

    def take_bytes(self, count: int) -> None:
        """Count bytes; raises ``Exceeded``."""
        self._refill()
        self._bytes -= count
        if self._bytes < 0:
            raise Exceeded(f"more than {BURST_BYTES} bytes at once, or {BYTES_PER_SECOND} per second")

    def take_frame(self) -> None:
        """Count a frame; raises ``Exceeded``."""
        self._frames -= 1
        if self._frames < 0:
            raise Exceeded(f"more than {BURST_FRAMES} frames at once, or {FRAMES_PER_SECOND} per second")

    def _refill(self) -> None:
        now = self._clock()
        passed, self._at = max(0.0, now - self._at), now
        self._frames = min(float(BURST_FRAMES), self._frames + passed * FRAMES_PER_SECOND)
        self._bytes = min(float(BURST_BYTES), self._bytes + passed * BYTES_PER_SECOND)
