"""A stop signal during the start of an agent or of an API process, while code runs that would lose an exception."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Sends the signal within a weakref callback: Python prints exceptions that leave one, and goes on.
SCRIPT = """
import os, signal, weakref
{handler}
signal.signal(signal.SIGTERM, handler)

def callback(_):
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000):
        pass

class Thing:
    pass

thing = Thing()
reference = weakref.ref(thing, callback)
del thing
print("still here")
"""
OF_THE_API = """
from types import SimpleNamespace
from api.worker import Worker

def handler(*signal):
    Worker.handle_exit(SimpleNamespace(booted=False), *signal)
"""


@pytest.mark.parametrize(
    "handler",
    ["from workers.agent.main import _stop as handler", OF_THE_API],
    ids=["agent", "api"],
)
def test_the_process_ends(handler: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(handler=handler)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
