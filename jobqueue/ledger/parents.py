"""Parents in the ledger: jobs that span cells. Their records are sealed, for the front sends what they hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from jobqueue.errors import JobNotFound, RecordAltered, RecordChanged
from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.scripts import Clock, redis_clock, time_of
from jobqueue.ledger.sealed_records import SealedRecords, SealedStorage
from jobqueue.model.parent import Parent

#: Seconds for which an idempotency key returns its first parent.
KEY_SECONDS = 86_400


class Parents:
    """The parents of one ledger. Thread-safe. Raises ``LedgerUnavailable`` when Redis is down.

    One that has ended is kept for ``keep_seconds``, like a finished job.
    """

    def __init__(self, storage: SealedStorage, *, keep_seconds: int, now: Clock = redis_clock) -> None:
        self._client = storage.client
        self._keys = storage.keys
        self._scripts = storage.scripts
        self._audit = storage.audit
        self._seal = storage.seal
        self._keep_ms = keep_seconds * 1000
        self._now = now
        remedy = "It is not used; the parts that its cells have run are listed there."
        self._sealed = SealedRecords(storage, "parent", "parent job", remedy, "job_id")

    def find(self, parent_id: str) -> tuple[Parent | None, str]:
        """A parent, and its record for ``store``; None and '' without one. Raises ``RecordAltered``."""
        with translated_errors():
            text = self._client.get(self._keys.parent(parent_id))
        return (None, "") if text is None else (self._opened(parent_id, str(text)), str(text))

    def add(self, parent: Parent, due_seconds: float) -> Parent:
        """Store a new parent together with its audit entry. Returns it, or the earlier one of its idempotency key.

        Raises ``RecordAltered``: the record of the key is not one that the API stored.
        ``RecordChanged``: the earlier one was deleted at this moment.
        """
        answer = self._change(parent, "", parent.document(), due_seconds, parent.key)
        if answer[0] != "replayed":
            return parent
        first = self._of_key(str(answer[1]), parent.key)
        if first is None:  # it has been deleted since
            raise RecordChanged
        return first

    def of_key(self, key: str) -> Parent | None:
        """The parent of an idempotency key, if there is one. Raises ``RecordAltered``."""
        with translated_errors():
            parent_id = self._client.get(self._keys.kind("parent_key") + _digest(key))
        return None if parent_id is None else self._of_key(str(parent_id), key)

    def store(self, parent: Parent, before: str, due_seconds: float) -> None:
        """Store a parent in place of the record ``before``; one with open parts is due again after ``due_seconds``.

        Raises ``RecordChanged`` if another caller changed it meanwhile.
        """
        self._change(parent, before, parent.document(), due_seconds, "")

    def remove(self, parent: Parent, before: str, *, frees_key: bool = False) -> None:
        """Remove a parent. ``frees_key``: its idempotency key may be used again. Raises ``RecordChanged``."""
        self._change(parent, before, None, 0, parent.key if frees_key else "")

    def postpone(self, parent_id: str, due_seconds: float) -> None:
        """Examine an unchanged parent again after ``due_seconds``."""
        at = self.time() + round(due_seconds * 1_000_000)
        self._scripts.command("ZADD", self._keys.kind("parents_due"), "XX", at, parent_id)

    def forget(self, parent_id: str) -> None:
        """Examine this id no more: it has no record that can be used."""
        self._scripts.command("ZREM", self._keys.kind("parents_due"), parent_id)

    def due(self, limit: int) -> list[str]:
        """Up to ``limit`` ids of parents that are to be examined now, those that have waited longest first."""
        key = self._keys.kind("parents_due")
        return [str(name) for name in self._scripts.command("ZRANGEBYSCORE", key, 0, self.time(), "LIMIT", 0, limit)]

    def pending(self, cells: Sequence[str], limit: int) -> dict[str, tuple[list[str], int]]:
        """For each of ``cells``, up to ``limit`` ids of parents whose part it has not confirmed, and their number."""
        key = self._keys.kind("parts_pending")
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            for cell in cells:
                low, high = f"[{cell}|", f"({cell}}}"  # the character behind |
                pipe.zrangebylex(key, low, high, 0, limit)
                pipe.zlexcount(key, low, high)
            answers: list[Any] = pipe.execute()
        return {
            cell: ([str(name).partition("|")[2] for name in names], int(count))
            for cell, names, count in zip(cells, answers[::2], answers[1::2], strict=True)
        }

    def get(self, parent_id: str) -> Parent:
        """One parent. Raises ``JobNotFound``, ``RecordAltered``."""
        parent, _ = self.find(parent_id)
        if parent is None:
            raise JobNotFound.of(parent_id)
        return parent

    def mark(self, parent_id: str, cell: str) -> str:
        """What distinguishes the part of a cell from other jobs there: no caller of the cell can know it beforehand."""
        return self._seal.mark("part", f"{cell}|{parent_id}")

    def time(self) -> int:
        """The ledger's clock, in microseconds."""
        return time_of(self._now, self._scripts)

    def _of_key(self, parent_id: str, key: str) -> Parent | None:
        first, _ = self.find(parent_id)
        if first is not None and first.key != key:
            raise RecordAltered("The record of this idempotency key was altered in Redis; submit with a new key.")
        return first

    def _change(
        self, parent: Parent, before: str, document: dict[str, Any] | None, due_seconds: float, key: str
    ) -> list[Any]:
        sealed = "" if document is None else self._sealed.close(parent.id, json.dumps(document))
        pending = parent.pending
        others = [part.cell for part in parent.parts if part.cell not in pending]
        due = round(due_seconds * 1_000_000) if parent.is_open else ""
        arguments = (
            *(self._now(), parent.id, before, sealed, due, "" if parent.is_open else self._keep_ms),
            *(_digest(key), KEY_SECONDS * 1000, "\n".join(pending), "\n".join(others)),
        )
        answers: list[list[Any]] = []

        def call(entry: tuple[int, str, str]) -> list[Any]:
            answers.append(self._scripts.call("store_parent", *arguments, *entry))
            return [str(answers[-1][0])] if answers[-1][0] == "replayed" else answers[-1]

        self._audit.change(call, job=parent.id)
        if answers[-1][0] == "changed":
            raise RecordChanged
        return answers[-1]

    def _opened(self, parent_id: str, sealed: str) -> Parent:
        parent = Parent.of(json.loads(self._sealed.open(parent_id, sealed)))
        if parent.id != parent_id:
            raise RecordAltered(f"The record of the parent job {parent_id} was altered in Redis.")
        return parent


def _digest(key: str) -> str:
    """What names an idempotency key in Redis: callers choose its text."""
    return hashlib.sha256(key.encode()).hexdigest() if key else ""
