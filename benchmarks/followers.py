"""From a step of a job to those who follow all events: two hundred of them on one process of the API."""

from __future__ import annotations

import json
import re
import selectors
import time
from contextlib import ExitStack
from datetime import datetime

from benchmarks.draining import HOSTNAME
from benchmarks.load import Connection, request_bytes
from benchmarks.process import BenchmarkError
from benchmarks.report import Report, Row, milliseconds, percentile
from benchmarks.scale import Scale
from benchmarks.site import Site
from benchmarks.submit import AUTHORIZATION, JOB

TITLE = "From a step of a job to 200 followers of /events, one process of the API"
_FOLLOWERS = 200
#: submitted, acknowledged, started, completed
_STEPS = 4
_MOST_SECONDS = 0.1
_PAUSE = 0.1
_PATIENCE = 30.0
_TIME = re.compile(rb'"timestamp": ?"([^"]+)"')


def run(report: Report, scale: Scale) -> None:
    """One client posts a job now and then; all followers must get each of its steps."""
    jobs = max(10, scale.latencies // 4)
    with Site.open() as site, site.agent(HOSTNAME), site.api(workers=1) as url, ExitStack() as stack:
        followers = _Followers()
        stack.callback(followers.close)
        for _ in range(_FOLLOWERS):
            followers.add(url)
        poster = stack.enter_context(Connection(url))
        seconds: list[float] = []
        for number in range(jobs + 1):
            json.loads(poster.ask(request_bytes(url, "POST", "/job", JOB, AUTHORIZATION), 201))
            found = followers.read(_FOLLOWERS * _STEPS)
            if number:  # the first one warms up
                seconds += found
            time.sleep(_PAUSE)
    middle = percentile(seconds, 50)
    report.add(
        Row(
            "p50 : 100 ms",
            milliseconds(middle),
            milliseconds(_MOST_SECONDS),
            middle / _MOST_SECONDS,
            most=1,
            values={"events": len(seconds), "seconds": [percentile(seconds, percent) for percent in (50, 95, 99, 100)]},
        )
    )
    for percent in (95, 99, 100):
        report.add(Row(f"p{percent}", milliseconds(percentile(seconds, percent))))


class _Followers:
    """Open streams, read by one thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._rest: dict[int, bytes] = {}
        self._connections: list[Connection] = []

    def add(self, url: str) -> None:
        """One more; it follows when this returns."""
        connection = Connection(url)
        self._connections.append(connection)
        connection.send(request_bytes(url, "GET", "/events", headers={**AUTHORIZATION, "Accept": "text/event-stream"}))
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.socket.recv(1 << 16)
        if not head.startswith(b"HTTP/1.1 200"):
            raise BenchmarkError(f"A follower was refused: {head[:200]!r}")
        connection.socket.setblocking(False)
        self._selector.register(connection.socket, selectors.EVENT_READ)

    def read(self, count: int) -> list[float]:
        """Seconds that each of the next ``count`` events took, by the time that they carry (milliseconds)."""
        found: list[float] = []
        until = time.monotonic() + _PATIENCE
        while len(found) < count:
            if time.monotonic() > until:
                raise BenchmarkError(f"{len(found)} of {count} events came within {_PATIENCE:g} s")
            for key, _ in self._selector.select(0.5):
                now = time.time()
                data = self._rest.pop(key.fd, b"") + key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                whole, _, rest = data.rpartition(b"\n")
                self._rest[key.fd] = rest
                found += [now - _seconds(text) for text in _TIME.findall(whole)]
        return found

    def close(self) -> None:
        self._selector.close()
        for connection in self._connections:
            connection.close()


def _seconds(text: bytes) -> float:
    return datetime.fromisoformat(text.decode()).timestamp()
