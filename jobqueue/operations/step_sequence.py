"""Runs the steps of a job one after another on one host."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobqueue.errors import (
    JobQueueError,
    OperationCancelled,
    OperationFailed,
    OperationNotNeeded,
    OperationNotSupported,
)
from jobqueue.model.output import AGENT
from jobqueue.operations.change import ChangeSchema
from jobqueue.operations.context import Context
from jobqueue.operations.parts import PermittedPart
from jobqueue.operations.result import checked, encoded_size
from jobqueue.operations.step import ALWAYS, FAILURE, Step, StepRun, StepState
from jobqueue.operations.step_condition import StepCondition
from jobqueue.operations.step_values import StepValues, used_steps
from jobqueue.operations.text import brief

#: Bytes that a report of a run may have as JSON.
_LARGEST_REPORT = 16 * 1024
#: Bytes of an answer besides its steps and its diff.
_FRAME_BYTES = 4096
#: Each step keeps at least as many bytes of the output of its processes.
_LEAST_OUTPUT_BYTES = 4096
_LARGEST_FAILURE = 16 * 1024
_LONGEST_ERROR = 500


@dataclass(frozen=True)
class EndedSequence:
    """All steps as they ended. ``error``: why the run failed, None if it did not; ``message``: a note for a person."""

    steps: tuple[StepRun, ...]
    error: str | None
    message: str

    def bounded(self, most_bytes: int, diff: str) -> list[dict[str, Any]]:
        """The entries of the answer, within its size: the largest results are left out if there is no room."""
        room = most_bytes - _FRAME_BYTES - encoded_size(diff)
        sizes = {number: encoded_size(run.result) for number, run in enumerate(self.steps) if run.result is not None}
        documents = [run.document() for run in self.steps]
        left = encoded_size(documents) - room
        for number in sorted(sizes, key=sizes.__getitem__, reverse=True):
            if left <= 0:
                break
            run = self.steps[number]
            run.result, run.failure = None, None
            run.truncated = f"The result of {sizes[number]} bytes was left out: the results of all steps share one."
            before, documents[number] = encoded_size(documents[number]), run.document()
            left -= before - encoded_size(documents[number])
        return documents


class StepSequence:
    """The steps of one run. A failure that counts ends the sequence, except for steps for the case of failure."""

    def __init__(self, steps: Sequence[Step], context: Context, *, check: bool, diff: bool) -> None:
        if len(context.parts) != len(steps):
            raise OperationFailed("Steps are run by an agent only, which checks each against the policy of its host.")
        self._context = context
        self._check = check
        self._diff = diff
        self._runs = tuple(map(StepRun, steps))
        self._by_name = {run.step.name: run for run in self._runs}
        #: The steps whose failure makes the run fail, in order.
        self._failed: list[StepRun] = []
        self._output_bytes = max(_LEAST_OUTPUT_BYTES, context.max_output_bytes // len(steps))
        self._values = StepValues(self._runs)
        #: Steps that were not checked: those without a check mode, and those that use values of others.
        self._unchecked = self._unknown = 0

    def run(self) -> EndedSequence:
        """Run to the end. Raises ``OperationCancelled``; the last report then shows how far the steps came."""
        for number, (run, part) in enumerate(zip(self._runs, self._context.parts, strict=True)):
            try:
                reason = self._reason_to_skip(run.step, part)
            except JobQueueError as error:
                run.state, run.error = StepState.FAILED, error.message
                self._ended(run)
                continue
            if reason:
                run.state, run.error = StepState.SKIPPED, reason
                continue
            self._run_step(number, run, part)
        self._report({})
        return EndedSequence(self._runs, self._error(), self._message())

    def _reason_to_skip(self, step: Step, part: PermittedPart) -> str:
        """Why a step is not run; empty if it is. Raises ``OperationFailed`` for a condition that cannot be decided."""
        if self._context.remaining() == 0:
            return "the time of the job was over"
        if step.handles is not None:
            return "" if self._by_name[step.handles].has_failed else f"{step.handles} has not failed"
        if step.when == FAILURE and not self._failed:
            return "no step has failed"
        if step.when not in (FAILURE, ALWAYS) and self._failed:
            return f"{self._failed[0].step.name} has failed"
        condition = None if step.condition is None else StepCondition(step.condition, self._by_name)
        if self._check and (reason := self._reason_not_to_check(step, part, condition)):
            return reason
        if condition is not None and not condition.holds(self._context, self._values):
            return f"its condition does not hold here: {condition.text}"
        return ""

    def _reason_not_to_check(self, step: Step, part: PermittedPart, condition: StepCondition | None) -> str:
        if not _has_check(part):
            self._unchecked += 1
            return f"{step.operation} has no check mode, so it was not run"
        used = used_steps(step.data, self._by_name) or (() if condition is None else condition.steps)
        if used:
            self._unknown += 1
            return f"it uses values of {_listed(used)}, which a check does not have, so it was not checked"
        return ""

    def _run_step(self, number: int, run: StepRun, part: PermittedPart) -> None:
        step = run.step
        run.state, run.started = StepState.RUNNING, time.time_ns() // 1000
        begun = time.monotonic()
        self._report({})
        self._say(f"step {number + 1} of {len(self._runs)}: {step.name} ({step.operation})")
        try:
            outcome = part.run(self._data(step, part), self._step_context(step))
            run.result, run.changed, run.error = outcome.data, bool(outcome.changed), outcome.error or ""
            run.state = StepState.COMPLETED if outcome.error is None else StepState.FAILED
        except OperationCancelled:
            run.state, run.seconds = StepState.CANCELLED, time.monotonic() - begun
            self._report({})
            raise
        except OperationNotNeeded as error:
            run.state, run.changed, run.error = StepState.SKIPPED, False, error.message
        except JobQueueError as error:
            run.state, run.failure = StepState.FAILED, _bounded(error.details)
            is_lacking = isinstance(error, OperationNotSupported)
            run.error = f"not supported: {error.message}" if is_lacking else error.message
        run.seconds = time.monotonic() - begun
        self._ended(run)

    def _ended(self, run: StepRun) -> None:
        """What the end of a step means for those after it."""
        step = run.step
        run.error = brief(run.error, _LONGEST_ERROR)
        if run.has_failed and not step.ignores_failure:
            self._failed.append(run)
        elif step.recovers and run.state is StepState.COMPLETED:
            self._failed = [failed for failed in self._failed if failed.step.name != step.handles]
        if run.error:
            self._say(f"step {step.name} {run.state.value}: {run.error}")

    def _data(self, step: Step, part: PermittedPart) -> dict[str, Any]:
        """The data of a step, with ``check`` and ``diff`` of the whole if it knows them (unless it has a ``diff``)."""
        if not _has_check(part):
            return dict(step.data)
        diff = {"diff": True} if self._diff else {}
        return {**diff, **step.data, **({"check": True} if self._check else {})}

    def _step_context(self, step: Step) -> Context:
        context = self._context
        deadline, seconds = context.deadline, context.timeout_seconds
        if step.timeout_seconds is not None:
            own = context.clock() + step.timeout_seconds
            if deadline is None or own < deadline:
                deadline, seconds = own, step.timeout_seconds
        return replace(
            context,
            deadline=deadline,
            timeout_seconds=seconds,
            # what an operation reports would replace the states of the steps
            report=lambda info: self._report({"progress": dict(info)}),
            sender=None,
            parts=(),
            steps=self._values.value,
            max_output_bytes=self._output_bytes,
        )

    def _report(self, more: Mapping[str, Any]) -> None:
        """Show the states of all steps with the job, and what the running one reports, if there is room."""
        about: dict[str, Any] = {"phase": "running", "steps": [run.brief() for run in self._runs]}
        for report in ({**about, **more}, about):
            if _size(report) <= _LARGEST_REPORT:
                self._context.report(report)
                return

    def _say(self, text: str) -> None:
        line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
        self._context.output(AGENT, f"==> {line}\n".encode("utf-8", "replace"))

    def _error(self) -> str | None:
        if not self._failed:
            return None
        first, *others = self._failed
        more = f" (also failed: {_listed(run.step.name for run in others)})" if others else ""
        return f"step {first.step.name} failed: {first.error}{more}"

    def _message(self) -> str:
        reasons = (
            (self._unchecked, "have no check mode and were not run"),
            (self._unknown, "use values of others and were not checked"),
        )
        return " ".join(f"{count} of {len(self._runs)} steps {reason}." for count, reason in reasons if count)


def _has_check(part: PermittedPart) -> bool:
    return issubclass(part.operation.schema, ChangeSchema)


def _size(report: Mapping[str, Any]) -> int:
    try:
        return encoded_size(report)
    except (TypeError, ValueError):  # what an operation reports need not be JSON
        return _LARGEST_REPORT + 1


def _bounded(details: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The report of a failed step, if it is JSON and not too large."""
    try:
        bounded: Mapping[str, Any] | None = checked(dict(details), _LARGEST_FAILURE) if details else None
    except OperationFailed:
        return None
    return bounded


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
