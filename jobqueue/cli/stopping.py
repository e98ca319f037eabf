"""Asked to stop: Ctrl-C, SIGTERM, or the terminal is closed."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

from jobqueue.signal_safe_event import SignalSafeEvent

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Stopping:
    """Takes the signals while its ``with`` block runs. They are only noted, so that no step is cut in the middle."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._asked = SignalSafeEvent()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stopping:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def is_asked(self) -> bool:
        return self._asked.is_set()

    def wait(self) -> None:
        """Block until a termination signal arrives."""
        self._asked.wait()

    @property
    def exit_code(self) -> int:
        """Exit with the code that shells expect of a command that a signal ended."""
        return 128 + (self.signal or 0)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.signal = self.signal or number
        self._asked.set()
