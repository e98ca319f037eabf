"""Follows one job over several cells: a parent by the events of its parts."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jobqueue.cells.feed_items import Entry
from jobqueue.cells.feeds import Feeds, Signal, Turn
from jobqueue.cells.job_merge import AT
from jobqueue.errors import CellUnavailable
from jobqueue.ledger.parents import Parents
from jobqueue.model.parent import Parent, PartState
from jobqueue.model.states import ExecutionState, JobStatus, derive_status
from jobqueue.services.cells.jobs import CellJobs
from jobqueue.services.cells.parts import PartRunner

Document = dict[str, Any]
#: Seconds between two looks at the record of a parent that is followed.
_LOOK_SECONDS = 2.0
_S = ExecutionState
#: What the status of a part counts as, while only its events are known.
_COUNTED_AS: Mapping[JobStatus, tuple[ExecutionState, ...]] = {
    JobStatus.SUBMITTED: (_S.SUBMITTED,),
    JobStatus.PROCESSING: (_S.STARTED,),
    JobStatus.COMPLETED: (_S.COMPLETED,),
    JobStatus.FAILED: (_S.FAILED,),
    JobStatus.PARTIAL_FAILURE: (_S.COMPLETED, _S.FAILED),
    JobStatus.CANCELLED: (_S.CANCELLED,),
    JobStatus.SKIPPED: (_S.SKIPPED,),
}


@dataclass(frozen=True)
class JobTurn:
    """Steps of a job, how the events of its cells continue, and the id from which a follower resumes behind them.

    ``end``: the job's status, if it has ended.
    """

    steps: tuple[Document, ...] = ()
    signals: tuple[Signal, ...] = ()
    id: str = ""
    end: str = ""


class CellJobEvents:
    """The events of jobs that are parents, and of jobs of one cell."""

    def __init__(self, parents: Parents, feeds: Feeds, jobs: CellJobs, runner: PartRunner) -> None:
        self._parents = parents
        self._feeds = feeds
        self._jobs = jobs
        self._runner = runner
        self._advancing = threading.Lock()

    def follow(self, job_id: str, after: str | None = None) -> Iterator[JobTurn]:
        """The events of a job until it has ended; without ``after``, its past ones first.

        Raises ``JobNotFound``, ``InvalidInput``; ``CellUnavailable`` if only a cell that does not answer may know.
        """
        parent, _ = self._parents.find(job_id)
        cells = [part.cell for part in parent.parts] if parent else [self._jobs.locate(job_id)[0]]
        turns = self._feeds.follow(after, cells)  # before the job is read: an event in between may come twice
        document = self._jobs.get(job_id)
        if parent is None:
            return self._of_one(document, turns, is_new=not after)
        return self._of_parent(self._parents.get(job_id), document, turns, is_new=not after)

    def _of_one(self, job: Document, turns: Iterator[Turn], *, is_new: bool) -> Iterator[JobTurn]:
        marks = {_mark(step) for step in job.get("timeline") or ()} if is_new else set()
        if is_new:
            yield JobTurn(tuple(_past(job)))
        # of a job that a resumed follower may not have seen to its end, the steps come first
        status, has_ended = job["status"], is_new and JobStatus(job["status"]).is_final
        for turn, is_idle in _with_idleness(turns):
            steps = [step for step in _steps(turn, {job["cell"]: job["id"]}) if _mark(step) not in marks]
            signals = _signals(turn)
            yield JobTurn(tuple(steps), signals, turn.id)
            if steps:
                status = steps[-1]["status"]
                has_ended = JobStatus(status).is_final
            if any(signal.kind == "reset" for signal in signals):
                with suppress(CellUnavailable):  # then its next signal says so
                    status = self._jobs.get(job["id"])["status"]
            if has_ended or (is_idle and JobStatus(status).is_final):
                yield JobTurn(end=status)
                return

    def _of_parent(
        self, parent: Parent, document: Document, turns: Iterator[Turn], *, is_new: bool
    ) -> Iterator[JobTurn]:
        followed = _Parts(parent, document, is_new=is_new)
        if is_new:
            yield JobTurn(tuple(_past(document)))
        look, is_stale = 0.0, False
        for turn, is_idle in _with_idleness(turns):
            steps, signals = followed.steps(turn), _signals(turn)
            is_stale = is_stale or any(signal.kind == "reset" for signal in signals)
            if time.monotonic() >= look or (steps and followed.may_have_ended):
                parent = self._looked_at(parent.id, is_due=followed.may_have_ended or is_stale)
                signals += followed.update(parent)
                # steps that were missed may have been the last ones
                is_stale = any(signal.kind == "reset" for signal in signals)
                look = time.monotonic() + _LOOK_SECONDS
            yield JobTurn(tuple(steps), signals, turn.id)
            # its last steps may still be on their way
            if not parent.is_open and (followed.may_have_ended or is_idle):
                yield JobTurn(end=parent.status.value)
                return

    def _looked_at(self, parent_id: str, *, is_due: bool) -> Parent:
        """The parent as it is now; ``is_due``: its cells are asked, unless another follower has done so."""
        parent = self._parents.get(parent_id)
        if not (is_due and parent.is_open):
            return parent
        with self._advancing:
            parent = self._parents.get(parent_id)
            return (self._runner.advance(parent_id) or parent) if parent.is_open else parent


class _Parts:
    """What the events of its parts say of a parent."""

    def __init__(self, parent: Parent, document: Document, *, is_new: bool) -> None:
        """``is_new``: the follower sees what the document says; else only what events say."""
        self._id = parent.id
        self._parent = parent
        self._jobs = _jobs_of(parent)
        self._statuses: dict[str, JobStatus] = {}
        self._marks: set[tuple[Any, ...]] = set()
        if is_new:
            sections = document["cells"]
            self._statuses = {part["cell"]: JobStatus(part["status"]) for part in sections if part["status"]}
            self._marks = {_mark(step) for step in document["timeline"]}
        #: Hosts that the document names with their cell, as another cell has the same hostname.
        self._renamed = frozenset(name for name in document["agent_states"] if AT in name)

    @property
    def may_have_ended(self) -> bool:
        """Whether each part has ended, as far as is known."""
        return not self._parent.pending and all(
            cell in self._statuses and self._statuses[cell].is_final for cell in self._jobs
        )

    def steps(self, turn: Turn) -> list[Document]:
        """The new steps of a turn, as those of the parent."""
        return [self._of_parent(step) for step in _steps(turn, self._jobs) if _mark(step) not in self._marks]

    def update(self, parent: Parent) -> tuple[Signal, ...]:
        """Take in the record of the parent: a reset for each part that a cell has got meanwhile."""
        new = _jobs_of(parent)
        cells = sorted(new.keys() - self._jobs.keys())
        self._parent, self._jobs = parent, new
        return tuple(Signal("reset", cell, f"Cell {cell} has got its part of the job.") for cell in cells)

    def _of_parent(self, step: Document) -> Document:
        cell = step["cell"]
        self._statuses[cell] = JobStatus(step["status"])
        name = f"{step['hostname']}{AT}{cell}"
        hostname = name if name in self._renamed else step["hostname"]
        return {**step, "job_id": self._id, "status": self._status(), "hostname": hostname}

    def _status(self) -> str:
        counts: Counter[ExecutionState] = Counter()
        for part in self._parent.parts:
            status = self._statuses.get(part.cell) if part.cell in self._jobs else None
            counts.update(part.counted if status is None else dict.fromkeys(_COUNTED_AS[status], 1))
        return derive_status(counts).value


def _with_idleness(turns: Iterator[Turn]) -> Iterator[tuple[Turn, bool]]:
    """Each turn, and whether nothing has happened: the first one only says where the events begin."""
    is_first = True
    for turn in turns:
        yield turn, not (is_first or turn.items)
        is_first = False


def _signals(turn: Turn) -> tuple[Signal, ...]:
    return tuple(item for item in turn.items if isinstance(item, Signal))


def _jobs_of(parent: Parent) -> dict[str, str]:
    return {part.cell: part.job_id for part in parent.parts if part.job_id and part.state is PartState.CREATED}


def _steps(turn: Turn, jobs: Mapping[str, str]) -> Iterator[Document]:
    """The steps of these jobs, by cell, with their cells."""
    for entry in turn.items:
        if isinstance(entry, Entry):
            for step in entry.steps:
                if step["job_id"] == jobs.get(entry.cell):
                    yield {**step, "cell": entry.cell}


def _past(job: Document) -> Iterator[Document]:
    for step in job.get("timeline") or ():
        yield {"job_id": job["id"], "status": job["status"], **step}


def _mark(step: Mapping[str, Any]) -> tuple[Any, ...]:
    return step.get("timestamp"), step.get("event"), step.get("hostname")
