from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from jobqueue.signal_safe_event import SignalSafeEvent

#: Is signalled thousands of times while its main thread waits, and while it sets the flag itself.
_UNDER_FIRE = """
import signal, time
from jobqueue.signal_safe_event import SignalSafeEvent

hits = 0
def handler(*_):
    global hits
    hits += 1
    flag.set()
flag = SignalSafeEvent()
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
end = time.monotonic() + 1
while time.monotonic() < end or hits <= 100:
    flag = SignalSafeEvent()
    flag.wait(0)
    flag.set()
signal.setitimer(signal.ITIMER_REAL, 0)
print("alive", hits > 100)
"""


def test_it_is_an_event() -> None:
    flag = SignalSafeEvent()
    assert not flag.is_set()
    assert not flag.wait(0)
    assert not flag.wait(-1)
    flag.set()
    flag.set()
    assert flag.is_set()
    assert flag.wait()


def test_it_wakes_everybody() -> None:
    flag = SignalSafeEvent()
    seen: list[bool] = []
    threads = [threading.Thread(target=lambda: seen.append(flag.wait(20))) for _ in range(5)]
    for thread in threads:
        thread.start()
    started = time.monotonic()
    flag.set()
    for thread in threads:
        thread.join()
    assert seen == [True] * 5
    assert time.monotonic() - started < 10


def test_it_stays_raised() -> None:
    with pytest.raises(TypeError, match="stays raised"):
        SignalSafeEvent().clear()


def test_a_handler_may_raise_it_while_the_main_thread_waits() -> None:
    done = subprocess.run([sys.executable, "-c", _UNDER_FIRE], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["alive", "True"], done
    assert done.returncode == 0


def test_the_waiting_main_thread_hears_the_signal() -> None:
    flag = SignalSafeEvent()
    before = signal.signal(signal.SIGUSR1, lambda *_: flag.set())
    timer = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGUSR1])
    try:
        timer.start()
        assert flag.wait(20)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
