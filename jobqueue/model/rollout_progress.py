"""The progress of a rollout: its batches, and why it waits or stopped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from jobqueue.model.rollout_batches import bounds
from jobqueue.model.states import FAILURES, ExecutionState

#: The counts that the ledger keeps of an ended batch, in its order.
COUNTED = tuple(state for state in ExecutionState if state.is_final)


class BatchState(str, Enum):
    """State of one batch."""

    HELD = "held"
    WAITING = "waiting"
    AWAITING_APPROVAL = "awaiting_approval"
    RUNNING = "running"
    ENDED = "ended"
    CANCELLED = "cancelled"

    def __str__(self) -> str:
        return self.value


class RolloutState(str, Enum):
    """State of a whole rollout."""

    RUNNING = "running"
    WAITING = "waiting"
    AWAITING_APPROVAL = "awaiting_approval"
    PAUSED = "paused"
    STOPPED = "stopped"
    ENDED = "ended"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Batch:
    """One batch: ``hosts`` hosts, of which the first is number ``first`` in the job's order of hosts.

    ``opened`` and ``ended`` are microseconds, 0 if that has not happened.
    """

    number: int
    first: int
    hosts: int
    state: BatchState
    opened: int = 0
    ended: int = 0
    counts: Mapping[ExecutionState, int] = field(default_factory=dict)

    @property
    def failures(self) -> int:
        """How many of its hosts failed, expired or were lost."""
        return sum(self.counts.get(state, 0) for state in FAILURES)


@dataclass(frozen=True)
class RolloutProgress:
    """``paused``, and ``awaits`` an approval since; the next batch ``opens``; times are microseconds, 0 if not so."""

    state: RolloutState
    batches: tuple[Batch, ...]
    max_failures: int
    paused: int = 0
    awaits: int = 0
    opens: int = 0
    stopped: int = 0
    stopped_because: str = ""


@dataclass(frozen=True)
class OpeningRecord:
    """The ledger's fields of a rollout. ``opened`` of ``hosts`` have been opened; ``gate``: up to how many may be.

    ``ends``: of each batch that was opened, when it was opened, when it ended (0: it has not), and the counts of the
    job then, in the order of ``COUNTED``. ``rest``: the state in which the others ended, if they have.
    """

    hosts: int
    canary: int
    batch: int
    max_failures: int
    opened: int
    gate: int
    opens: int
    ends: tuple[tuple[int, int, tuple[int, ...]], ...]
    counts: Mapping[ExecutionState, int]
    now_running: bool
    rest: ExecutionState | None = None
    paused: int = 0
    awaits: int = 0
    stopped: int = 0
    stopped_because: str = ""

    def progress(self) -> RolloutProgress:
        """The same as batches."""
        batches = tuple(
            self._batch(number, *bounds) for number, bounds in enumerate(bounds(self.canary, self.batch, self.hosts), 1)
        )
        return RolloutProgress(
            state=self._state(batches),
            batches=batches,
            max_failures=self.max_failures,
            paused=self.paused,
            awaits=self.awaits,
            opens=self.opens,
            stopped=self.stopped,
            stopped_because=self.stopped_because,
        )

    def _batch(self, number: int, first: int, end: int) -> Batch:
        if number > len(self.ends):
            return Batch(number, first, end - first, self._held(first), counts=self._held_counts(end - first))
        opened, ended, _ = self.ends[number - 1]
        state = BatchState.ENDED if ended else BatchState.RUNNING
        return Batch(number, first, end - first, state, opened, ended, self._counts(number, first, end))

    def _held(self, first: int) -> BatchState:
        if self.rest is not None:
            return BatchState.CANCELLED
        if first >= self.gate:
            is_next = first == self.gate and self.awaits
            return BatchState.AWAITING_APPROVAL if is_next else BatchState.HELD
        return BatchState.WAITING

    def _held_counts(self, hosts: int) -> dict[ExecutionState, int]:
        return {self.rest or ExecutionState.SUBMITTED: hosts}

    def _counts(self, number: int, first: int, end: int) -> dict[ExecutionState, int]:
        """The counts of an opened batch: what the job counted at its end, less what it counted at the previous one."""
        none = (0,) * len(COUNTED)
        before = (self.ends[number - 2][2] or none) if number > 1 else none
        _, ended, at_end = self.ends[number - 1]
        missing = max(0, end - max(first, self.opened))
        if ended:
            counts = dict(zip(COUNTED, (now - then for now, then in zip(at_end, before, strict=True)), strict=True))
        else:
            counts = dict(self.counts)
            shared = self.rest or ExecutionState.SUBMITTED
            counts[shared] = counts.get(shared, 0) - max(0, self.hosts - self.opened)
            for state, then in zip(COUNTED, before, strict=True):
                counts[state] = counts.get(state, 0) - then
        if missing:
            shared = self.rest or ExecutionState.SUBMITTED
            counts[shared] = counts.get(shared, 0) + missing
        return {state: count for state, count in counts.items() if count > 0}

    def _state(self, batches: tuple[Batch, ...]) -> RolloutState:
        if not self.now_running:
            return RolloutState.STOPPED if self.stopped else RolloutState.ENDED
        if self.stopped:
            return RolloutState.STOPPED
        if self.paused:
            return RolloutState.PAUSED
        if self.awaits:
            return RolloutState.AWAITING_APPROVAL
        if any(batch.state is BatchState.RUNNING for batch in batches):
            return RolloutState.RUNNING
        return RolloutState.WAITING
