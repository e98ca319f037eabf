"""Runs of configurations: started here, or reported by drivers elsewhere. Each is a job of the ledger."""

from __future__ import annotations

import hashlib
import itertools
import secrets
import string
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from jobqueue.errors import (
    Conflict,
    ExclusiveHeld,
    IllegalTransition,
    InvalidInput,
    JobFinal,
    JobNotFound,
    LedgerUnavailable,
    RecordAltered,
    UnknownOperation,
)
from jobqueue.ledger.configurations import exclusive_name
from jobqueue.ledger.external_runs import ReportOutcome
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.configuration import Configuration
from jobqueue.model.external_run import CONFIG, END, RESULT, START, ExternalRunReport
from jobqueue.model.filter import MAX_LIMIT, JobFilter
from jobqueue.model.job import Job
from jobqueue.model.principal import Principal
from jobqueue.model.run_state import EXECUTION_STATES, RunState, reachable, reporters, run_state
from jobqueue.model.states import JobStatus
from jobqueue.model.submission import Submission
from jobqueue.model.timeline import API_HOST
from jobqueue.model.timestamps import from_iso, to_iso
from jobqueue.operations.registry import Registry
from jobqueue.services.job_types import AGGREGATION_OPERATION, Moments, Task, operations_of, task_of
from jobqueue.services.renewal import Renewal
from jobqueue.services.submission import SUBMIT, USE_SECRETS, JobSubmitter
from jobqueue.trust.secrets.reference import has_secret

ORIGIN = "fusion"
#: Groups, which only this service puts jobs on: all runs, and those that were started here.
ALL_RUNS = "fusion.run"
STARTED_RUNS = "fusion.started"
#: Tags by which people find runs with GET /job. Anybody may give any job the same tags, so nothing here reads them.
RUN_TAG = ("fusion", "run")
REPORTED_TAG = ("fusion", "reported")
CONFIGURATION_TAG = "fusion.id"
TYPE_TAG = "fusion.type"
#: What a driver elsewhere calls its run.
NAME_TAG = "fusion.reported"

_ALPHABET = string.ascii_lowercase + string.digits
_ID_LENGTH = 12
_LONGEST_TAG = 256
#: Reported runs of one name that are looked at: the newest, and whether another owner has one.
_FEW = 10
#: Statuses of a run that is active. Asked twice for the submitted ones' sake: an agent may take a run up between.
_LOOKS = (JobStatus.PROCESSING, JobStatus.SUBMITTED, JobStatus.PROCESSING)
_OWNER_LENGTH = 32
#: Shortest and longest time between two looks at a run that is waited for, in seconds.
_FIRST_LOOK = 0.05
_LONGEST_LOOK = 0.5
#: Seconds for which the ledger may be away while somebody waits.
_LONGEST_OUTAGE = 60.0


@dataclass(frozen=True)
class Started:
    """A run that was accepted. ``is_over``: nothing could be run, and the run has ended in ``error``."""

    run_id: str
    job_id: str
    configuration: Configuration
    is_over: bool = False
    operation: str = ""
    target: str = ""


@dataclass(frozen=True)
class Series:
    """Runs that belong together: at most one of them is active, and each goes on where the one before ended.

    Those of a stored configuration are one, whoever starts them. Configurations that callers bring are apart from it,
    and from those of other callers: their id is the caller's choice, and proves nothing.
    """

    group: str
    exclusive: str

    @classmethod
    def stored(cls, config_id: str) -> Series:
        """The runs of a stored configuration."""
        return cls(f"fusion.config:{config_id}", exclusive_name(config_id))

    @classmethod
    def inline(cls, config_id: str, principal: Principal) -> Series:
        """The runs that ``principal`` starts with configurations of this id."""
        owner = owner_of(principal)
        return cls(f"fusion.inline:{owner}:{config_id}", f"fusion-inline:{owner}:{config_id}")

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups of each run in it."""
        return (ALL_RUNS, STARTED_RUNS, self.group)


@dataclass(frozen=True)
class Status:
    """What a driver tells of a run. None: nothing new about it.

    ``more``: START and END as ISO 8601 with milliseconds and ``Z``, and the duration in ms.
    """

    run_id: str
    state: RunState
    config: Mapping[str, Any] | None = None
    hostname: str = ""
    result: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


class Runs:
    """The runs of one ledger."""

    def __init__(self, ledger: Ledger, submit: JobSubmitter, registry: Registry) -> None:
        self._jobs = ledger.jobs
        self._configurations = ledger.configurations
        self._outside = ledger.outside
        self._time = ledger.time
        self._submit = submit
        self._registry = registry

    # --- configurations -----------------------------------------------------------------------------------------------
    def create(self, configuration: Configuration, principal: Principal) -> None:
        """Store a new configuration. Raises ``PermissionDenied``, ``ConfigurationExists``.

        Others start it with their own permissions: so who writes one must be allowed to run it himself.
        """
        self._require(configuration, principal)
        self._configurations.create(configuration, principal.name)

    def replace(self, configuration: Configuration, principal: Principal) -> None:
        """Store it in place of the one with its id. Raises ``PermissionDenied``, ``ConfigurationNotFound``."""
        self._require(configuration, principal)
        self._require_stored(configuration.id, principal)
        self._configurations.replace(configuration, principal.name)

    def delete(self, config_id: str, principal: Principal) -> None:
        """Remove one. Raises ``PermissionDenied``, ``ConfigurationNotFound``, ``JobNotFinal``."""
        self._require_stored(config_id, principal)
        self._configurations.delete(config_id)

    def _require_stored(self, config_id: str, principal: Principal) -> None:
        try:
            found = self._configurations.some([config_id])
        except RecordAltered:  # nothing runs of it, whoever wrote it
            return
        for configuration in found:
            self._require(configuration, principal)

    def _require(self, configuration: Configuration, principal: Principal) -> None:
        """Raise ``PermissionDenied`` unless ``principal`` may run what a run of ``configuration`` would."""
        principal.require(SUBMIT)
        for operation in operations_of(configuration):
            permission = self._registry.permission(operation)
            if permission:
                principal.require(permission)
        if has_secret(configuration.fields):
            principal.require(USE_SECRETS)

    # --- starting -----------------------------------------------------------------------------------------------------
    def start(self, config_id: str, principal: Principal) -> Started:
        """Start a run of a stored configuration. Raises ``ConfigurationNotFound``, and as ``start_inline`` does."""
        return self._start(self._configurations.get(config_id), Series.stored(config_id), principal)

    def start_inline(self, configuration: Configuration, principal: Principal) -> Started:
        """Start a run of a configuration that the caller brings. It is no run of a stored one, whatever its id.

        A type that nothing stands behind gives a run that ends in ``error``. Raises ``ExclusiveHeld`` while a run of
        this configuration has not ended, ``InvalidInput`` for fields that do not fit the type, and what else refuses a
        submission (``NoLiveAgent``, ``AgentAway``, ``UnknownTarget``).
        """
        return self._start(configuration, Series.inline(configuration.id, principal), principal)

    def _start(self, configuration: Configuration, series: Series, principal: Principal) -> Started:
        run_id = new_run_id()
        try:
            task = task_of(configuration, self._registry, run_id, lambda: self._moments(configuration, series))
        except UnknownOperation as error:
            return self._record_error(configuration, series, run_id, error.message, principal)
        try:
            accepted = self._submit.one(_submission(configuration, series, task, run_id, principal))
        except ExclusiveHeld as error:
            raise self._held(configuration.id, error) from error
        return Started(run_id, accepted.job_id, configuration, operation=task.operation, target=task.target)

    def again(self, job: Job, run_id: str, principal: Principal) -> Renewal:
        """What changes when ``principal`` runs ``job`` again as ``run_id``.

        An aggregation of a configuration reads what is there now and was not read yet, as a new start does: the same
        window again would count twice what another run has read since. A run of a stored configuration is one again,
        which takes the permission to run that configuration as it is now; any other is the principal's own. Raises
        ``PermissionDenied``.
        """
        if job.origin != ORIGIN or job.request is None:
            return Renewal(job.data, job.exclusive, job.groups)
        configuration = Configuration.parse(job.request)
        series = self._series_again(job, configuration.id, principal)
        if job.operation != AGGREGATION_OPERATION:
            return Renewal(job.data, series.exclusive, series.groups)
        data = task_of(configuration, self._registry, run_id, lambda: self._moments(configuration, series)).data
        return Renewal(data, series.exclusive, series.groups)

    def _series_again(self, job: Job, config_id: str, principal: Principal) -> Series:
        stored = Series.stored(config_id)
        if stored.group in job.groups:
            for configuration in self._configurations.some([config_id]):
                self._require(configuration, principal)
                return stored
        return Series.inline(config_id, principal)

    def wait(self, job_id: str, give_up: Callable[[], bool]) -> Job | None:
        """The job once it is final, or None once ``give_up`` says so.

        Bears a ledger that is away for a while: who waits has started the run, and should not start it again. Raises
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
    def find(self, run_id: str) -> Job:
        """One run that was started here, by its id. Raises ``JobNotFound``."""
        job = self._jobs.named(run_id)
        if job.origin != ORIGIN:
            raise JobNotFound(f"Job {run_id} is no run of a configuration; `jobqueue job get {job.id}` shows it.")
        return job

    def status(self, name: str, principal: Principal) -> Job | Configuration:
        """The newest run of the stored configuration ``name``, or the configuration itself if it never ran.

        Without such a configuration, the first of these that exists: a run by its id, the newest run of a configuration
        that was stored, of one that ``principal`` brought, the run that a driver reports by this name (the principal's
        own, or the only one). Raises ``JobNotFound``, ``Conflict`` (several report a run of this name).
        """
        for configuration in self._configurations.some([name]):
            return self._newest(Series.stored(name), configuration) or configuration
        found = (
            self._named(name)
            or self._newest(Series.stored(name))
            or self._newest(Series.inline(name, principal))
            or self._reported(name, principal)
        )
        if found is None:
            raise JobNotFound(f"There is no run {name!r}, and no configuration of this name.")
        return found

    def recent(self, limit: int, offset: int = 0, group: str = ALL_RUNS) -> Iterator[Job]:
        """Runs, the newest first: at most ``limit`` of them, behind the first ``offset``.

        ``group``: ``STARTED_RUNS`` leaves out those that drivers elsewhere report.
        """
        cursor: int | None = None
        while limit > 0:
            step = min(limit, MAX_LIMIT)
            page = self._jobs.page(JobFilter(group=group, limit=step, offset=offset, cursor=cursor))
            # an index may hold what somebody wrote into Redis; the job's own record says where it belongs
            yield from (job for job in page.items if group in job.groups)
            if page.next_cursor is None:
                return
            cursor, offset, limit = page.next_cursor, 0, limit - step

    def history(self, config_id: str, limit: int) -> list[Job]:
        """The newest ``limit`` runs of a stored configuration, the newest first. Raises ``ConfigurationNotFound``."""
        created = self._configurations.get(config_id).created
        found = self._members(Series.stored(config_id), None, created)
        return list(itertools.islice(found, limit))

    # --- steering -----------------------------------------------------------------------------------------------------
    def cancel(self, name: str, principal: Principal) -> Job:
        """Cancel every active run of the configuration ``name``, or a run by its id; returns the newest as it is now.

        What ``name`` means is as in ``status``. Raises ``JobNotFound``, ``Conflict`` (it has ended, or nothing runs).
        """
        if self._configurations.some([name]):
            active = self._active(Series.stored(name))
        else:
            found = self._named(name)
            active = [found] if found else self._active(Series.stored(name), Series.inline(name, principal))
        if not active:
            reported = self.status(name, principal)
            if isinstance(reported, Configuration) or not _is_reported(reported):
                raise Conflict(f"No run of the configuration {name!r} is active; there is nothing to cancel.")
            active = [reported]
        return self._cancel(active, f"by {principal}")

    def _cancel(self, active: list[Job], who: str) -> Job:
        """Cancel all of these; returns the newest one that had not ended."""
        cancelled: list[Job] = []
        for job in active:
            try:
                self._jobs.cancel(job.id, who)
                cancelled.append(job)
            except JobFinal:  # it has ended meanwhile
                continue
        if not cancelled:
            newest = self._jobs.get(active[0].id)
            raise Conflict(f"Run {run_id_of(newest)} has ended as {run_state(newest)}; there is nothing to cancel.")
        return self._jobs.get(cancelled[0].id)

    def tell(self, status: Status, principal: Principal) -> Job:
        """A driver elsewhere tells how a run of its own stands: it is created or moved. Returns the run.

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
            told=_told(status),
            note=_note(status),
            tags={**_tags(status.config or {}, REPORTED_TAG), NAME_TAG: status.run_id},
            submitted_by=principal.name,
            origin=ORIGIN,
            owner=owner_of(principal),
            groups=(ALL_RUNS, _reported_group(status.run_id)),
        )
        hearing = self._outside.tell(report, is_cancelling=status.state is RunState.CANCELLING)
        job = self._jobs.get(hearing.job_id)
        if hearing.heard is ReportOutcome.ILLEGAL:
            before = RunState(hearing.word)
            raise _illegal(f"Run {status.run_id} is {before} and cannot become {status.state}", before, _next(before))
        if hearing.heard is ReportOutcome.FINAL:
            raise _illegal(f"Run {status.run_id} has ended as {run_state(job)}, and that stays so", run_state(job))
        if hearing.heard is ReportOutcome.NOT_OUTSIDE:
            sentence = f"{status.run_id} names a job that was started here; only its agent reports how it stands"
            raise _illegal(sentence, run_state(job))
        return job

    # --- parts --------------------------------------------------------------------------------------------------------
    def _moments(self, configuration: Configuration, series: Series) -> Moments:
        """Up to where this run reads, and behind where: up to there the last completed one has read."""
        wanted = JobFilter(
            status=JobStatus.COMPLETED,
            group=series.group,
            # what an earlier configuration of this name has read is not read for this one
            created_after=configuration.created or self._created(configuration.id),
            limit=MAX_LIMIT,
        )
        # not the newest one's: a reference time that is given may lie anywhere, and what was read stays read
        ends = [
            _reference(job)
            for job in self._jobs.page(wanted).items
            if series.group in job.groups and job.operation == AGGREGATION_OPERATION
        ]
        reached = self._configurations.reached(series.exclusive)
        if _is_time(reached):
            ends.append(reached)
        return Moments(reference=to_iso(self._time()), last_run=max(ends, key=from_iso, default=None))

    def _created(self, config_id: str) -> int | None:
        return next((stored.created for stored in self._configurations.some([config_id])), None)

    def _named(self, run_id: str) -> Job | None:
        try:
            return self.find(run_id)
        except JobNotFound:
            return None

    def _reported(self, name: str, principal: Principal) -> Job | None:
        """The run that a driver reports as ``name``: the principal's own, or else the only one."""
        own = self._jobs.reported(owner_of(principal), name)
        if own is not None:
            return own
        group = _reported_group(name)
        page = self._jobs.page(JobFilter(group=group, limit=_FEW))
        found = [job for job in page.items if group in job.groups]
        if len(found) > 1:
            ids = ", ".join(job.id for job in found)
            raise Conflict(
                f"Drivers of several callers report a run {name!r}; name the one you mean by the id of its job: {ids}.",
                {"jobs": [{"job_id": job.id, "submitted_by": job.submitted_by} for job in found]},
            )
        return found[0] if found else None

    def _newest(self, series: Series, configuration: Configuration | None = None) -> Job | None:
        """The newest run; of the configuration as it is stored now, not of an earlier one under its id."""
        created = configuration.created if configuration is not None else None
        return next(self._members(series, None, created), None)

    def _active(self, *series: Series) -> list[Job]:
        """All runs that have not ended, the newest first."""
        found = {job.id: job for each in series for status in _LOOKS for job in self._members(each, status, None)}
        return sorted(found.values(), key=lambda job: job.created, reverse=True)

    def _members(self, series: Series, status: JobStatus | None, created_after: int | None) -> Iterator[Job]:
        cursor: int | None = None
        while True:
            page = self._jobs.page(
                JobFilter(
                    status=status, group=series.group, created_after=created_after, limit=MAX_LIMIT, cursor=cursor
                )
            )
            yield from (job for job in page.items if series.group in job.groups)
            if page.next_cursor is None:
                return
            cursor = page.next_cursor

    def _check_times(self, status: Status, principal: Principal) -> None:
        """Hold a time that came alone against the other one, which was told before."""
        if (START in status.more) == (END in status.more):
            return
        job = self._jobs.reported(owner_of(principal), status.run_id)
        if job is None or job.outside is None:
            return
        times = {**job.outside.told, **status.more}
        if START in times and END in times and times[END] < times[START]:
            name = END if END in status.more else START
            sentence = f"The run would end at {times[END]}, before its start at {times[START]}."
            raise InvalidInput(f"{name}: {sentence}", {name: [sentence]})

    def _record_error(
        self, configuration: Configuration, series: Series, run_id: str, error: str, principal: Principal
    ) -> Started:
        """A run that ended before it began: it is in the ledger all the same, and says why."""
        result = {"jobConfigId": configuration.id, "jobRunId": run_id, "error": error}
        report = ExternalRunReport(
            name=run_id,
            word=RunState.ERROR.value,
            after=frozenset(),
            state=JobStatus.FAILED.value,
            hostname=API_HOST,
            told={CONFIG: configuration.document(), RESULT: result},
            note=error,
            tags=_tags(configuration.fields),
            submitted_by=principal.name,
            origin=ORIGIN,
            groups=series.groups,
        )
        return Started(run_id, self._outside.tell(report).job_id, configuration, is_over=True)

    def _held(self, config_id: str, error: ExclusiveHeld) -> ExclusiveHeld:
        job = self._jobs.get(error.details["job_id"]) if error.details else None
        run_id = run_id_of(job) if job else "?"
        return ExclusiveHeld(
            f"A run of {config_id!r} has not ended: {run_id}. Wait for its end, or cancel it "
            f"(DELETE /api/spark/jobs/{run_id}).",
            {"jobConfigId": config_id, "jobRunId": run_id},
        )

    def _refused_unknown(self, run_id: str, principal: Principal) -> IllegalTransition:
        sentence = "A run cannot become unknown: report what its driver knows of it"
        job = self._jobs.reported(owner_of(principal), run_id) or self._named(run_id)
        if job is None:
            return _illegal(sentence, None, frozenset(RunState) - {RunState.UNKNOWN})
        if job.outside is None or job.status.is_final:
            return _illegal(sentence, run_state(job))
        return _illegal(sentence, run_state(job), _next(RunState(job.outside.word)))


def new_run_id() -> str:
    """A new run's id: letters and digits at random."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))


def run_id_of(job: Job) -> str:
    """The id of the run that ``job`` is; one that was submitted again by POST /job/{id}/retry goes by the job's own.

    What a driver elsewhere calls its run is an id among the runs of its owner only.
    """
    return (job.outside.name if job.outside is not None else "") or job.alias or job.id


def owner_of(principal: Principal) -> str:
    """Tells the names that ``principal`` gives its runs from those of others. A digest, so that it fits into keys."""
    return hashlib.sha256(principal.identity.encode()).hexdigest()[:_OWNER_LENGTH]


def _is_reported(job: Job) -> bool:
    return job.outside is not None and bool(job.outside.name)


def _reported_group(name: str) -> str:
    return f"fusion.reported:{name}"


def _submission(
    configuration: Configuration, series: Series, task: Task, run_id: str, principal: Principal
) -> Submission:
    return Submission(
        operation=task.operation,
        data=task.data,
        target=task.target,
        tags=_tags(configuration.fields),
        origin=ORIGIN,
        principal=principal,
        alias=run_id,
        exclusive=series.exclusive,
        groups=series.groups,
        request=configuration.document(),
    )


def _tags(config: Mapping[str, Any], kind: tuple[str, str] = RUN_TAG) -> dict[str, str]:
    """What fits into tags: a driver elsewhere may have any id and type."""
    found = dict([kind])
    for tag, name in ((CONFIGURATION_TAG, "id"), (TYPE_TAG, "type")):
        value = config.get(name)
        if isinstance(value, str) and len(value) <= _LONGEST_TAG and value.isprintable():
            found[tag] = value
    return found


def _told(status: Status) -> dict[str, Any]:
    told = dict(status.more)
    if status.config is not None:
        told[CONFIG] = dict(status.config)
    if status.result is not None:
        told[RESULT] = dict(status.result)
    return told


def _note(status: Status) -> str:
    """Why it ended so, where the driver's result says it."""
    result = status.result or {}
    said = next((result[name] for name in ("error", "message") if isinstance(result.get(name), str)), "")
    if status.state is RunState.ERROR:
        return said or "the driver reported an error"
    return said if status.state in (RunState.CANCELLED, RunState.SKIPPED) else ""


def _reference(job: Job) -> str:
    given = job.data.get("referenceTime")
    return given if _is_time(given) else to_iso(job.executions[0].started)


def _is_time(value: Any) -> TypeGuard[str]:
    try:
        return isinstance(value, str) and from_iso(value) is not None
    except (ValueError, OverflowError):
        return False


def _next(state: RunState) -> frozenset[RunState]:
    """What a driver may report after ``state``: that it goes on, or what comes later."""
    return reachable(state) | {state}


def _illegal(sentence: str, state: RunState | None, allowed: frozenset[RunState] = frozenset()) -> IllegalTransition:
    names = [str(member) for member in RunState if member in allowed]
    possible = f"; possible: {', '.join(names)}" if names else ""
    return IllegalTransition(f"{sentence}{possible}.", {"state": str(state) if state else None, "allowed": names})
