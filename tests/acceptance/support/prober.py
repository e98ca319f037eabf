"""Another client of a server that is under attack: how long its requests take, on the idle server and meanwhile."""

from __future__ import annotations

import itertools
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Waits:
    """Seconds that each request took, ascending."""

    seconds: Sequence[float]

    @property
    def longest(self) -> float:
        return self.seconds[-1]

    def __str__(self) -> str:
        p99 = self.seconds[math.ceil(len(self.seconds) * 0.99) - 1]
        return f"{len(self.seconds)} requests, p99 {p99 * 1000:.0f} ms, longest {self.longest * 1000:.0f} ms"


class Prober:
    """Sends one request after the other. ``request`` raises where the answer is not the expected one."""

    def __init__(self, request: Callable[[], None]) -> None:
        self._request = request
        self._idle = self._waits(itertools.repeat(None, 20))

    @contextmanager
    def meanwhile(self) -> Iterator[Callable[[], Waits]]:
        """Send requests from a thread until the block ends. The function that it gives returns their waits after that.

        Both figures are logged: `--log-cli-level=INFO` shows them.
        """
        over = threading.Event()

        with ThreadPoolExecutor(1) as threads:
            probed = threads.submit(self._waits, iter(over.is_set, True))
            try:
                yield probed.result
            finally:
                over.set()
        logger.info("waits of another client: idle server: %s; meanwhile: %s", self._idle, probed.result())

    def _waits(self, turns: Iterable[object]) -> Waits:
        seconds = []
        for _ in turns:
            begin = time.monotonic()
            self._request()
            seconds.append(time.monotonic() - begin)
        return Waits(sorted(seconds))
