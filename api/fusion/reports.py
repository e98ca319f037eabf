"""Reports of external drivers on their runs. Each report creates or updates a job in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api.fusion.run_state import EXECUTION_STATES, RunState, reachable, reporters, run_state
from api.fusion.series import ALL_RUNS, NAME_TAG, ORIGIN, REPORTED_TAG, named, owner_of, reported_group, tags
from jobqueue.errors import IllegalTransition, InvalidInput
from jobqueue.ledger.external_runs import ReportOutcome
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.external_run import CONFIG, END, RESULT, START, ExternalRunReport
from jobqueue.model.job import Job
from jobqueue.model.principal import Principal


@dataclass(frozen=True)
class Status:
    """A driver's report of a run. None: unchanged.

    ``more``: START and END as ISO 8601 with milliseconds and ``Z``, and the duration in ms.
    """

    run_id: str
    state: RunState
    config: Mapping[str, Any] | None = None
    hostname: str = ""
    result: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


class Reports:
    """The reports of external drivers to one ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._jobs = ledger.jobs
        self._external = ledger.external_runs

    def accept(self, status: Status, principal: Principal) -> Job:
        """Create or move the run that an external driver reports, and return it.

        Raises ``IllegalTransition``, whose details name the present ``state`` and the ``allowed`` ones, and
        ``InvalidInput`` if it ends before it starts.
        """
        if status.state is RunState.UNKNOWN:
            raise self._refused_unknown(status.run_id, principal)
        self._check_times(status, principal)
        execution = EXECUTION_STATES[status.state]
        report = ExternalRunReport(
            name=status.run_id,
            word=status.state.value,
            after=frozenset(str(state) for state in reporters(status.state)),
            state=execution.value if execution is not None else "",
            hostname=status.hostname,
            reported=_reported(status),
            note=_note(status),
            tags={**tags(status.config or {}, REPORTED_TAG), NAME_TAG: status.run_id},
            submitted_by=principal.name,
            origin=ORIGIN,
            owner=owner_of(principal),
            groups=(ALL_RUNS, reported_group(status.run_id)),
        )
        answer = self._external.report(report, is_cancelling=status.state is RunState.CANCELLING)
        job = self._jobs.get(answer.job_id)
        if answer.outcome is ReportOutcome.ILLEGAL:
            before = RunState(answer.word)
            raise _illegal(f"Run {status.run_id} is {before} and cannot become {status.state}", before, _next(before))
        if answer.outcome is ReportOutcome.FINAL:
            raise _illegal(f"Run {status.run_id} has already ended as {run_state(job)}", run_state(job))
        if answer.outcome is ReportOutcome.NOT_EXTERNAL:
            sentence = f"{status.run_id} is a job that was started here; only its agent may report its state"
            raise _illegal(sentence, run_state(job))
        return job

    def _check_times(self, status: Status, principal: Principal) -> None:
        """Compare a time that was reported alone with the other one, which was reported before."""
        if (START in status.more) == (END in status.more):
            return
        job = self._jobs.reported(owner_of(principal), status.run_id)
        if job is None or job.external_run is None:
            return
        times = {**job.external_run.reported, **status.more}
        if START in times and END in times and times[END] < times[START]:
            name = END if END in status.more else START
            sentence = f"The run would end at {times[END]}, before its start at {times[START]}."
            raise InvalidInput(f"{name}: {sentence}", {name: [sentence]})

    def _refused_unknown(self, run_id: str, principal: Principal) -> IllegalTransition:
        sentence = "A run cannot become unknown; report one of the other states"
        job = self._jobs.reported(owner_of(principal), run_id) or named(self._jobs, run_id)
        if job is None:
            return _illegal(sentence, None, frozenset(RunState) - {RunState.UNKNOWN})
        if job.external_run is None or job.status.is_final:
            return _illegal(sentence, run_state(job))
        return _illegal(sentence, run_state(job), _next(RunState(job.external_run.word)))


def _reported(status: Status) -> dict[str, Any]:
    reported = dict(status.more)
    if status.config is not None:
        reported[CONFIG] = dict(status.config)
    if status.result is not None:
        reported[RESULT] = dict(status.result)
    return reported


def _note(status: Status) -> str:
    """The reason for its end, if the driver's result has one."""
    result = status.result or {}
    message = next((result[name] for name in ("error", "message") if isinstance(result.get(name), str)), "")
    if status.state is RunState.ERROR:
        return message or "the driver reported an error"
    return message if status.state in (RunState.CANCELLED, RunState.SKIPPED) else ""


def _next(state: RunState) -> frozenset[RunState]:
    """The states that a driver may report after ``state``: the same, or a later one."""
    return reachable(state) | {state}


def _illegal(sentence: str, state: RunState | None, allowed: frozenset[RunState] = frozenset()) -> IllegalTransition:
    names = [str(member) for member in RunState if member in allowed]
    possible = f"; possible: {', '.join(names)}" if names else ""
    return IllegalTransition(f"{sentence}{possible}.", {"state": str(state) if state else None, "allowed": names})
