"""TCP ports for the servers of the tests."""

from __future__ import annotations

import random

from jobqueue.errors import JobQueueError
from jobqueue.local.ports import LOOPBACK, claim_port

#: Below those that the kernel gives to outgoing connections: one of them, or another test's, would take the port of a
#: server that is away for a while.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 100
#: Not the seeded one: several processes run tests at the same time.
_random = random.SystemRandom()


def free_port() -> int:
    """A port of loopback on which nothing listens, and which nothing takes by chance."""
    for _ in range(_TRIES):
        try:
            return claim_port(LOOPBACK, _random.randint(_FIRST, _LAST), "--port")
        except JobQueueError:
            continue
    raise AssertionError(f"none of {_TRIES} ports from {_FIRST} to {_LAST} is free")
