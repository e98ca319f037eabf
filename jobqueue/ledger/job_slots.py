"""The slots of a broadcast: their names, and the executions in some of them."""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence

from jobqueue.errors import JobNotFound, RecordAltered
from jobqueue.ledger import decoding, records
from jobqueue.ledger.scripts import Scripts
from jobqueue.model.job import Execution
from jobqueue.model.states import ExecutionState

#: Slots that one call names, whose states it reads, and whose executions it reads (each about 1 to 3 ms).
NAMED, LOOKED_AT, READ = 1000, 500, 250
#: After this many bytes of answers, a call reads no further execution.
_READ_BYTES = 2 * 1024 * 1024
#: Names that are kept; those of the jobs that were asked for last.
_MOST_KEPT = 300_000


class JobSlots:
    """Reads slots in short calls. The names are kept: they do not change once a job is stored. Thread-safe."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[str, ...]] = OrderedDict()
        self._size = 0

    def names(self, job_id: str, total: int) -> tuple[str, ...]:
        """The slots of a broadcast with ``total`` executions, in their order."""
        with self._lock:
            cached = self._kept.get(job_id)
            if cached is not None and len(cached) == total:
                self._kept.move_to_end(job_id)
                return cached
        slots: list[str] = []
        for first in range(0, total, NAMED):
            part = self._scripts.call("list_slots", job_id, first, NAMED)
            slots += (sys.intern(str(slot)) for slot in part)
            if len(part) < NAMED:
                break
        names = tuple(slots)
        if len(names) == total:
            self._keep(job_id, names)
        return names

    def knows(self, job_id: str) -> bool:
        """Whether the names are kept."""
        return job_id in self._kept

    def executions(self, job_id: str, slots: Sequence[str]) -> tuple[Execution, ...]:
        """The executions in the first of these slots: at most ``READ``, and fewer if their answers are long.

        Raises ``JobNotFound``, ``RecordAltered``.
        """
        if not slots:
            return ()
        answer = self._scripts.call("read_slots", job_id, _READ_BYTES, *slots[:READ])
        if not answer:
            raise JobNotFound.of(job_id)
        raw, holder = answer
        try:
            return records.executions(raw, {"fanout": "1"} | dict(zip(holder[::2], holder[1::2], strict=True)))
        except decoding.FAULTS as error:
            sentence = f"The record of job {job_id[:64]} cannot be read: it was altered in Redis."
            raise RecordAltered(sentence, {"job_id": job_id}) from error

    def states(self, job_id: str, slots: Sequence[str]) -> list[ExecutionState]:
        """The states of the executions in these slots. Raises ``JobNotFound``, ``RecordAltered``."""
        states: list[ExecutionState] = []
        for first in range(0, len(slots), LOOKED_AT):
            answer = self._scripts.call("list_states", job_id, *slots[first : first + LOOKED_AT])
            if not answer:
                raise JobNotFound.of(job_id)
            try:
                states += map(ExecutionState, answer)
            except ValueError as error:
                sentence = f"The record of job {job_id[:64]} cannot be read: it was altered in Redis."
                raise RecordAltered(sentence, {"job_id": job_id}) from error
        return states

    def _keep(self, job_id: str, names: tuple[str, ...]) -> None:
        with self._lock:
            former = self._kept.pop(job_id, ())
            self._kept[job_id] = names
            self._size += len(names) - len(former)
            while self._size > _MOST_KEPT and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._size -= len(dropped)
