"""How many jobs were submitted and ended over time, counted from the indexes; deleted jobs are not counted."""

from __future__ import annotations

import redis

from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.keys import Keys
from jobqueue.model.history import History, Span
from jobqueue.model.states import JobStatus

_MICROS = 1_000_000


class Counting:
    """Counts the jobs of one ledger. The cost depends on the number of spans, not on the number of jobs."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def history(self, now: int, seconds: int, spans: int) -> History:
        """The last ``spans`` of ``seconds`` each, up to ``now`` (microseconds). Raises ``LedgerUnavailable``."""
        length = seconds * _MICROS
        last = now - now % length
        starts = [last - length * number for number in range(spans - 1, -1, -1)]
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            for start in starts:
                end = start + length - 1
                for status in JobStatus:
                    pipe.zcount(self._keys.index("all", "", status.value), start, end)
                pipe.zcount(self._keys.kind("finished"), start, end)
            counts = pipe.execute()
        width = len(JobStatus) + 1
        counted = []
        for number, start in enumerate(starts):
            *by_status, ended = counts[number * width : (number + 1) * width]
            submitted = {status: int(count) for status, count in zip(JobStatus, by_status, strict=True) if count}
            counted.append(Span(start, submitted, int(ended)))
        return History(seconds, tuple(counted))
