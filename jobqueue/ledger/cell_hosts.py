"""The agents of each cell as it last listed them: the hosts that are affected while it does not answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import redis

from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Scripts

#: Hostnames that one call writes or removes.
STEP = 1000


class CellHosts:
    """Hostnames by cell. Not sealed: a job that is sent to the wrong cell finds no agent there."""

    def __init__(self, client: redis.Redis, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts

    def leads_survey(self, process: str, seconds: float) -> bool:
        """Whether this process surveys the cells, for as long as it asks again within ``seconds``: one does for all."""
        return bool(self._scripts.call("lead_survey", process, int(seconds * 1000)) == 1)

    def end_survey(self, process: str) -> None:
        """Leave the surveys to another process, at once."""
        self._scripts.call("lead_survey", process, 0)

    def note(self, cell: str, hostnames: Sequence[str], at: int) -> None:
        """Record that a cell has named these agents at a time; at most ``STEP`` in one call."""
        for first in range(0, len(hostnames), STEP):
            names: Mapping[str, int] = dict.fromkeys(hostnames[first : first + STEP], at)
            with translated_errors():
                # gt: a slower process must not make a host look older than another process has noted it
                self._client.zadd(self._keys.cell_hosts(cell), names, gt=True)

    def drop_before(self, cell: str, at: int) -> None:
        """Forget agents that the cell has not named since a time, in steps."""
        key = self._keys.cell_hosts(cell)
        while True:
            with translated_errors():
                names = self._client.zrangebyscore(key, "-inf", f"({at}", start=0, num=STEP)
                if not names:
                    return
                self._client.zrem(key, *names)

    def page(self, cell: str, first: int, limit: int) -> tuple[list[str], int]:
        """Up to ``limit`` hostnames from position ``first`` on, and the number of all."""
        key = self._keys.cell_hosts(cell)
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            pipe.zrange(key, first, first + limit - 1)
            pipe.zcard(key)
            names, count = pipe.execute()
        return [str(name) for name in names], int(count)

    def counts(self, cells: Sequence[str]) -> dict[str, int]:
        """The number of hostnames of each of ``cells``."""
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            for cell in cells:
                pipe.zcard(self._keys.cell_hosts(cell))
            return dict(zip(cells, map(int, pipe.execute()), strict=True))

    def cells_of(self, hostname: str, cells: Sequence[str]) -> list[str]:
        """Those of ``cells`` that have named this agent."""
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            for cell in cells:
                pipe.zscore(self._keys.cell_hosts(cell), hostname)
            scores = pipe.execute()
        return [cell for cell, score in zip(cells, scores, strict=True) if score is not None]
