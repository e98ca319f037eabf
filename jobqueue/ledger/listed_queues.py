"""Queues and lines that executions wait in, and the lists by which maintenance finds them. For the doctor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.executions import Executions
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.listed_names import Fault
from jobqueue.model.target import UNPLACED


class ListedQueues:
    """Compares what waits with the lists that maintenance goes through; with ``repairs`` the lists are repaired.

    ``scan`` yields the keys of a kind. Raises ``LedgerUnavailable``, and ``RecordAltered`` for a list of another type.
    """

    def __init__(
        self, client: Any, keys: Keys, scan: Callable[[str], Iterator[str]], executions: Executions, *, repairs: bool
    ) -> None:
        self._client = client
        self._keys = keys
        self._scan = scan
        self._executions = executions
        self._repairs = repairs

    def queues(self) -> Iterator[Fault]:
        """Queues that maintenance would not examine."""
        queues, start = self._keys.kind("queues"), self._keys.kind("waiting")
        for key in self._scan("waiting"):
            slot = key.removeprefix(start)
            with translated_errors():
                if slot == UNPLACED or self._client.zscore(queues, slot) is not None or not self._client.exists(key):
                    continue
                if self._repairs:
                    self._client.zadd(queues, {slot: 0}, nx=True)
            yield "queue", queues, f"executions wait for {slot[:253]!r}, which the reconciler does not examine"

    def parked(self) -> Iterator[Fault]:
        """Executions that are held back for a reason that does not exist."""
        returning, pauses = self._keys.kind("returning"), self._keys.kind("pauses")
        for key in self._scan("parked"):
            reason = key.removeprefix(self._keys.kind("parked"))
            with translated_errors():
                is_held = self._client.hexists(pauses, reason.removeprefix("pause:")) or self._is_in_line(reason)
                if is_held or self._client.zscore(returning, reason) is not None or not self._client.exists(key):
                    continue
                if self._repairs:
                    self._client.zadd(returning, {reason: 0})
            yield "parked", key, "executions are held back by a pause or a line that does not exist"

    def _is_in_line(self, reason: str) -> bool:
        """Whether executions that are parked for this reason wait for a concurrency key."""
        kind, _, name = reason.partition(":")
        if kind == "each":
            return bool(self._client.exists(self._keys.kind("line") + name))
        terms = self._client.hget(self._keys.job(name), "conc") if kind == "key" else None
        key = str(terms or "").split("|", 2)[-1]
        return bool(terms) and self._client.zscore(self._keys.kind("line") + key, name) is not None

    def lines(self) -> Iterator[Fault]:
        """Waiting lines that maintenance would skip, and concurrency keys whose holders have ended."""
        lines = self._keys.kind("lines")
        for key in self._scan("line"):
            name = key.removeprefix(self._keys.kind("line"))
            with translated_errors():
                if self._client.zscore(lines, name) is not None or not self._client.exists(key):
                    continue
                if self._repairs:
                    self._client.zadd(lines, {name: 0})
            yield "line", key, "waits for a concurrency key, and maintenance would skip it"
        for key in self._scan("holders"):
            name = key.removeprefix(self._keys.kind("holders"))
            for member in self._executions.stale_holders(name, repairs=self._repairs):
                yield "holder", key, f"{member[:300]!r} does not exist, has ended, or is not of this key"
