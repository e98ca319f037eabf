"""What a process inherits of the signals of the one that started it, and must not pass on to commands.

An ignored SIGCHLD loses the exit codes of all children: Python then takes each for 0. Signals that are ignored or
blocked stay so in the programs that are started. `nohup`, a shell's `&`, and some supervisors leave such signals.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

#: Ignored by Python itself, which restores them in the programs that it starts.
_RESTORED = {signal.SIGPIPE, signal.SIGXFSZ}


def restore() -> None:
    """Let children have exit codes, and programs the default actions; what was ignored has no effect here.

    Does nothing outside of the main thread, which alone may handle signals.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals():
        if number in _RESTORED or signal.getsignal(number) is not signal.SIG_IGN:
            continue
        # unlike an ignored one, a handler ends with the start of another program
        signal.signal(number, signal.SIG_DFL if number == signal.SIGCHLD else _ignore)


def is_ignored(number: int) -> bool:
    """Whether the process was started with the signal ignored."""
    return signal.getsignal(number) in (signal.SIG_IGN, _ignore)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal that has no effect."""
