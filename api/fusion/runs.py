"""Runs of configurations that agents run: starting, finding and cancelling them. Each is a job of the ledger."""

from __future__ import annotations

import itertools
import secrets
import string
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from api.fusion import configuration_json
from api.fusion.job_types import Task, task_of
from api.fusion.renewal import moments
from api.fusion.run_state import RunState, run_state
from api.fusion.series import ALL_RUNS, ORIGIN, Series, members, named, owner_of, reported_group, run_id_of, tags
from api.fusion.stored import StoredConfigurations
from jobqueue.errors import (
    Conflict,
    ExclusiveHeld,
    JobFinal,
    JobNotFound,
    LedgerUnavailable,
    UnknownOperation,
)
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.configuration import Configuration
from jobqueue.model.external_run import CONFIG, RESULT, ExternalRunReport
from jobqueue.model.filter import MAX_LIMIT, JobFilter
from jobqueue.model.job import Job
from jobqueue.model.principal import Principal
from jobqueue.model.states import JobStatus
from jobqueue.model.submission import Submission
from jobqueue.model.timeline import API_HOST
from jobqueue.operations.registry import Registry
from jobqueue.services.submission import JobSubmitter

_ALPHABET = string.ascii_lowercase + string.digits
_ID_LENGTH = 12
#: Reported runs of one name that are looked at: the newest, and whether another owner has one.
_FEW = 10
#: Statuses of a run that is active. Asked twice for the submitted ones' sake: an agent may take a run up between.
_LOOKS = (JobStatus.PROCESSING, JobStatus.SUBMITTED, JobStatus.PROCESSING)
#: Shortest and longest time between two looks at a run that is waited for, in seconds.
_FIRST_LOOK = 0.05
_LONGEST_LOOK = 0.5
#: Seconds for which the ledger may be unavailable during a wait.
_LONGEST_OUTAGE = 60.0


@dataclass(frozen=True)
class Started:
    """A run that was accepted. ``is_over``: nothing could be run, and the run has ended in ``error``.

    Not ``is_confirmed``: the ledger has not answered in time, so the run may be stored, or may still be.
    """

    run_id: str
    job_id: str
    configuration: Configuration
    is_over: bool = False
    operation: str = ""
    target: str = ""
    is_confirmed: bool = True


class Runs:
    """The runs of one ledger."""

    def __init__(self, ledger: Ledger, submitter: JobSubmitter, registry: Registry) -> None:
        self._ledger = ledger
        self._jobs = ledger.jobs
        self._stored = StoredConfigurations(ledger.configurations, registry)
        self._submitter = submitter
        self._registry = registry

    # --- starting -----------------------------------------------------------------------------------------------------
    def start(self, config_id: str, principal: Principal) -> Started:
        """Start a run of a stored configuration. Raises ``ConfigurationNotFound``, and as ``start_inline`` does."""
        return self._start(self._stored.get(config_id), Series.stored(config_id), principal)

    def submission(self, config_id: str, principal: Principal) -> Submission:
        """The submission of a run of a stored configuration, as a start would make it.

        Raises ``ConfigurationNotFound``, ``RecordAltered``, ``InvalidInput`` (also ``UnknownOperation``).
        """
        configuration, series, run_id = self._stored.get(config_id), Series.stored(config_id), new_run_id()
        task = task_of(configuration, self._registry, run_id, lambda: moments(self._ledger, configuration, series))
        return _submission(configuration, series, task, run_id, principal)

    def start_inline(self, configuration: Configuration, principal: Principal) -> Started:
        """Start a run of a configuration in the request. It is never a run of a stored one, whatever its id.

        An unknown type gives a run that ends in ``error``. Raises ``ExclusiveHeld`` while a run of
        this configuration has not ended, ``InvalidInput`` for fields that do not fit the type, and what else refuses a
        submission (``NoLiveAgent``, ``AgentAway``, ``UnknownTarget``).
        """
        return self._start(configuration, Series.inline(configuration.id, principal), principal)

    def _start(self, configuration: Configuration, series: Series, principal: Principal) -> Started:
        run_id = new_run_id()
        try:
            task = task_of(configuration, self._registry, run_id, lambda: moments(self._ledger, configuration, series))
        except UnknownOperation as error:
            return self._record_error(configuration, series, run_id, error.message, principal)
        try:
            accepted = self._submitter.submit(_submission(configuration, series, task, run_id, principal))
        except ExclusiveHeld as error:
            raise self._held(configuration.id, error) from error
        return Started(
            run_id,
            accepted.job_id,
            configuration,
            operation=task.operation,
            target=task.target,
            is_confirmed=accepted.is_confirmed,
        )

    def wait(self, job_id: str, give_up: Callable[[], bool]) -> Job | None:
        """The job once it is final, or None once ``give_up`` says so.

        Tolerates a ledger that is unavailable for a while, because the caller should not start the run again. Raises
        ``JobNotFound`` if the job is deleted, ``LedgerUnavailable`` if that while was too long.
        """
        patience, answered = _FIRST_LOOK, time.monotonic()
        while not give_up():
            try:
                job = self._jobs.get(job_id)
                answered = time.monotonic()
                if job.status.is_final:
                    return job
            except LedgerUnavailable:
                if time.monotonic() - answered > _LONGEST_OUTAGE:
                    raise
            time.sleep(patience)
            patience = min(1.5 * patience, _LONGEST_LOOK)
        return None

    # --- looking ------------------------------------------------------------------------------------------------------
    def status(self, name: str, principal: Principal) -> Job | Configuration:
        """The newest run of the stored configuration ``name``, or the configuration itself if it never ran.

        Without such a configuration, the first of these that exists: a run by its id, the newest run of a configuration
        that was stored, of one that ``principal`` brought, the run that a driver reports by this name (the principal's
        own, or the only one). Raises ``JobNotFound``, ``Conflict`` (several report a run of this name).
        """
        configuration = self._stored.find(name)
        if configuration is not None:
            return self._newest(Series.stored(name), configuration) or configuration
        job = (
            named(self._jobs, name)
            or self._newest(Series.stored(name))
            or self._newest(Series.inline(name, principal))
            or self._reported(name, principal)
        )
        if job is None:
            raise JobNotFound(f"No run and no configuration has the name {name!r}.")
        return job

    def recent(self, limit: int, offset: int = 0, group: str = ALL_RUNS) -> Iterator[Job]:
        """Runs, the newest first: at most ``limit`` of them, behind the first ``offset``.

        ``group``: ``STARTED_RUNS`` leaves out those that external drivers report.
        """
        cursor: int | None = None
        while limit > 0:
            step = min(limit, MAX_LIMIT)
            page = self._jobs.page(JobFilter(group=group, limit=step, offset=offset, cursor=cursor))
            # groups in Redis may have been altered; the job's own record is authoritative
            yield from (job for job in page.items if group in job.groups)
            if page.next_cursor is None:
                return
            cursor, offset, limit = page.next_cursor, 0, limit - step

    def history(self, config_id: str, limit: int) -> list[Job]:
        """The newest ``limit`` runs of a stored configuration, the newest first. Raises ``ConfigurationNotFound``."""
        created = self._stored.get(config_id).created
        return list(itertools.islice(members(self._jobs, Series.stored(config_id), None, created), limit))

    # --- steering -----------------------------------------------------------------------------------------------------
    def cancel(self, name: str, principal: Principal) -> Job:
        """Cancel every active run of the configuration ``name``, or a run by its id; returns the newest as it is now.

        What ``name`` means is as in ``status``. Raises ``JobNotFound``, ``Conflict`` (it has ended, or nothing runs).
        """
        if self._stored.find(name) is not None:
            active = self._active(Series.stored(name))
        else:
            job = named(self._jobs, name)
            active = [job] if job else self._active(Series.stored(name), Series.inline(name, principal))
        if not active:
            reported = self.status(name, principal)
            if isinstance(reported, Configuration) or not _is_reported(reported):
                raise Conflict(f"No run of the configuration {name!r} is active; there is nothing to cancel.")
            active = [reported]
        return self._cancel(active, f"by {principal}")

    def _cancel(self, active: list[Job], actor: str) -> Job:
        """Cancel all of these; returns the newest one that had not ended."""
        cancelled: list[Job] = []
        for job in active:
            try:
                self._jobs.cancel(job.id, actor)
                cancelled.append(job)
            except JobFinal:  # it has ended meanwhile
                continue
        if not cancelled:
            newest = self._jobs.get(active[0].id)
            raise Conflict(f"Run {run_id_of(newest)} has ended as {run_state(newest)}; there is nothing to cancel.")
        return self._jobs.get(cancelled[0].id)

    # --- parts --------------------------------------------------------------------------------------------------------
    def _reported(self, name: str, principal: Principal) -> Job | None:
        """The run that a driver reports as ``name``: the principal's own, or else the only one."""
        own = self._jobs.reported(owner_of(principal), name)
        if own is not None:
            return own
        group = reported_group(name)
        page = self._jobs.page(JobFilter(group=group, limit=_FEW))
        jobs = [job for job in page.items if group in job.groups]
        if len(jobs) > 1:
            ids = ", ".join(job.id for job in jobs)
            raise Conflict(
                f"Drivers of several callers report a run {name!r}; name the one you mean by the id of its job: {ids}.",
                {"jobs": [{"job_id": job.id, "submitted_by": job.submitted_by} for job in jobs]},
            )
        return jobs[0] if jobs else None

    def _newest(self, series: Series, configuration: Configuration | None = None) -> Job | None:
        """The newest run; of the configuration as it is stored now, not of an earlier one under its id."""
        created = configuration.created if configuration is not None else None
        return next(members(self._jobs, series, None, created), None)

    def _active(self, *series: Series) -> list[Job]:
        """All runs that have not ended, the newest first."""
        jobs_by_id = {
            job.id: job for each in series for status in _LOOKS for job in members(self._jobs, each, status, None)
        }
        return sorted(jobs_by_id.values(), key=lambda job: job.created, reverse=True)

    def _record_error(
        self, configuration: Configuration, series: Series, run_id: str, error: str, principal: Principal
    ) -> Started:
        """Record a run that ended before it began, with the reason."""
        result = {"jobConfigId": configuration.id, "jobRunId": run_id, "error": error}
        report = ExternalRunReport(
            name=run_id,
            word=RunState.ERROR.value,
            after=frozenset(),
            state=JobStatus.FAILED.value,
            hostname=API_HOST,
            reported={CONFIG: configuration_json.document(configuration), RESULT: result},
            note=error,
            tags=tags(configuration.fields),
            submitted_by=principal.name,
            origin=ORIGIN,
            groups=series.groups,
        )
        return Started(run_id, self._ledger.external_runs.report(report).job_id, configuration, is_over=True)

    def _held(self, config_id: str, error: ExclusiveHeld) -> ExclusiveHeld:
        job = self._jobs.get(error.details["job_id"]) if error.details else None
        run_id = run_id_of(job) if job else "?"
        return ExclusiveHeld(
            f"A run of {config_id!r} has not ended: {run_id}. Wait for its end, or cancel it "
            f"(DELETE /api/spark/jobs/{run_id}).",
            {"jobConfigId": config_id, "jobRunId": run_id},
        )


def new_run_id() -> str:
    """A new run's id: letters and digits at random."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def _is_reported(job: Job) -> bool:
    return job.external_run is not None and bool(job.external_run.name)


def _submission(
    configuration: Configuration, series: Series, task: Task, run_id: str, principal: Principal
) -> Submission:
    return Submission(
        operation=task.operation,
        data=task.data,
        target=task.target,
        tags=tags(configuration.fields),
        origin=ORIGIN,
        principal=principal,
        alias=run_id,
        exclusive=series.exclusive,
        groups=series.groups,
        request=configuration_json.document(configuration),
    )
