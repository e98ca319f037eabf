"""TCP ports for the servers of the tests."""

from __future__ import annotations

import itertools
import os
import random

from jobqueue.errors import JobQueueError
from jobqueue.standalone.ports import LOOPBACK, claim_port

#: Below those that the kernel gives to outgoing connections: one of them would take the port of a server that is away
#: for a while.
_FIRST, _LAST = 20_000, 32_000
#: Processes that run tests at the same time, at the most: each has ports of its own, since one that was chosen may be
#: free for others until a server listens on it.
_SHARES = 16
_EACH = (_LAST - _FIRST) // _SHARES


def _own_ports() -> itertools.cycle[int]:
    """Those of this process, one after the other: none comes twice before all others did."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = _FIRST + int(worker) % _SHARES * _EACH
    ports = range(first, first + _EACH)
    # not the seeded one: another run of the tests may use the same share at the same time
    begin = random.SystemRandom().randrange(_EACH)
    return itertools.cycle([*ports[begin:], *ports[:begin]])


_ports = _own_ports()


def free_port() -> int:
    """A port of loopback on which nothing listens, and which nothing takes by chance."""
    for _ in range(_EACH):
        try:
            return claim_port(LOOPBACK, next(_ports), "--port")
        except JobQueueError:
            continue
    raise AssertionError(f"none of the {_EACH} ports of this process is free")
