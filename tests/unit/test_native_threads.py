"""Blocking calls beside gevent: in a process of their own, which gevent changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from jobqueue.native_threads import NativeThreads

ROOT = Path(__file__).resolve().parents[2]
_BESIDE = """
from gevent import monkey
monkey.patch_all()
import gevent, threading
from jobqueue.native_threads import NativeThreads

begun, goes_on = monkey.get_original("threading", "Event")(), monkey.get_original("threading", "Event")()

def block(answer):
    begun.set()
    goes_on.wait(20)
    return answer

def fail():
    raise ValueError("hidden text")

threads = NativeThreads(2)
call = gevent.spawn(threads.call, block, "done")
while not begun.is_set():
    gevent.sleep(0.01)
print("others run")
goes_on.set()
print(call.get())
try:
    threads.call(fail)
except ValueError as error:
    print("raised", error)
"""


def test_a_blocking_call_does_not_block_gevent_and_its_error_is_not_printed() -> None:
    done = subprocess.run([sys.executable, "-c", _BESIDE], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("others run\ndone\nraised hidden text\n", "")


def test_without_gevent_it_is_a_plain_call() -> None:
    assert NativeThreads(1).call(max, 1, 2) == 2
