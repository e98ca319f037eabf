"""Jobs in the ledger: accepting, decoding, listing, cancelling and deleting them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from jobqueue.errors import (
    AgentAway,
    AliasTaken,
    ConcurrencyKeyHeld,
    ExclusiveHeld,
    IdempotencyConflict,
    InvalidInput,
    JobFinal,
    JobNotFinal,
    JobNotFound,
    JobQueueError,
    LedgerUnavailable,
    NoLiveAgent,
    PlanChanged,
    RecordAltered,
    RecordChanged,
    UnknownTarget,
)
from jobqueue.ledger import decoding, records
from jobqueue.ledger.audit import Audit, unavailable
from jobqueue.ledger.job_index import JobIndex
from jobqueue.ledger.rate_limits import Charge
from jobqueue.ledger.rollouts import Rollouts
from jobqueue.ledger.scripts import Argument, Clock, Scripts, redis_clock
from jobqueue.ledger.seal import Seal
from jobqueue.ledger.settling import settled
from jobqueue.ledger.staging import Staging
from jobqueue.ledger.tamper_alarm import TamperAlarm
from jobqueue.model.agent import AgentState
from jobqueue.model.audit import AuditEntry
from jobqueue.model.filter import JobFilter, JobPage
from jobqueue.model.job import Execution, Job
from jobqueue.model.job_fields import ARGUMENTS
from jobqueue.model.job_summary import JobSummary, JobSummaryPage
from jobqueue.model.rollout_batches import misfit, needs_several_hosts
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.submission import Accepted, Submission
from jobqueue.model.target import UNPLACED, Target, TargetKind

logger = logging.getLogger(__name__)

#: Jobs that one call stores; keeps Redis responsive (about 2 ms).
_CREATE_STEP = 50
#: Executions that a list reads of each job, and one request for a single job.
LISTED_EXECUTIONS = 50
SHOWN_EXECUTIONS = 1000
#: Executions that one call reads, and that one round trip of a list does; keeps Redis responsive (about 3 ms).
_READ_STEP = 250
#: Slots that one call looks at (about 1 ms); ten thousand executions are searched in twenty calls.
_LOOK_STEP = 500
#: After this many bytes of answers, a call reads no further execution: of one job of a list, of a single job.
_LISTED_BYTES = 256 * 1024
_READ_BYTES = 2 * 1024 * 1024
#: Executions of a broadcast that one call cancels or removes; keeps Redis responsive (about 3 ms).
SLICE = 250
#: Slices that the deletion of one job takes itself; maintenance takes those of a larger one.
_MOST_SLICES = 100
#: Stored instead of the kind of target for a job that no agent can run yet.
UNPLACED_KIND = "unplaced"
#: Stored instead of the kind of target for a job whose hosts are listed already.
_STAGED = "staged"
#: The answer for a job with more hosts than one call opens.
_LARGE = "large"
#: The most hosts that an error names.
_NAMED_HOSTS = 20


@dataclass(frozen=True)
class NewJob:
    """A job ready to be stored: its ``document`` (JSON, immutable) and the fields that the ledger itself uses.

    ``target`` is that of the submission, parsed. ``digest`` (hex) distinguishes requests under one idempotency key;
    each ``submitter`` (the principal's identity) has its own keys. ``only`` restricts the job to some of the agents
    that its target matches. ``audit_entry`` is written to the audit trail, with the job's id, in the same step as the
    job: neither is stored without the other. ``unmatched`` is the error if no agent matches the target. ``is_staged``:
    its hosts are listed already. ``waits_for_offline``: a job that is opened in steps also goes to hosts that are
    offline (None: if it has a deadline). ``fire``: the time of a schedule that the job is made for; the schedule
    proceeds in the same step, and the job is refused if it has done so already. ``charges``: what was counted for it
    against hourly limits. ``key_scope``: the jobs among which a concurrency key counts; empty: all
    (``services/concurrency_scope.py``).
    """

    id: str
    document: str
    submission: Submission
    target: Target
    is_idempotent: bool
    digest: str = ""
    only: tuple[str, ...] = ()
    audit_entry: AuditEntry | None = None
    submitter: str = ""
    unmatched: JobQueueError | None = None
    is_staged: bool = False
    waits_for_offline: bool | None = None
    fire: str = ""
    key_scope: str = ""
    charges: tuple[Charge, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of target, as ``create_jobs.lua`` names it."""
        if self.is_staged:
            return _STAGED
        return self.target.kind.value if self.submission.needs is None else UNPLACED_KIND

    @property
    def scoped_key(self) -> str:
        """The idempotency key as stored, prefixed with the identity of its submitter, which contains no space."""
        key = self.submission.idempotency_key
        return f"{self.submitter} {key}" if key else ""


@dataclass(frozen=True)
class Stored:
    """The ledger's answer to a new job. ``unsent`` are the slots whose messages the caller must send."""

    accepted: Accepted
    unsent: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExecutionPart:
    """Some executions of a broadcast, each with its place (from 1).

    ``looked_at`` is the number of the last execution examined, ``total`` that of the last one.
    """

    executions: tuple[Execution, ...]
    places: tuple[int, ...]
    looked_at: int
    total: int


class Jobs:
    """The jobs of one ledger."""

    def __init__(
        self,
        scripts: Scripts,
        seal: Seal,
        alarm: TamperAlarm,
        audit: Audit,
        staging: Staging,
        *,
        idempotency_window_seconds: float,
        now: Clock = redis_clock,
    ) -> None:
        self._scripts = scripts
        self._index = JobIndex(scripts)
        self._staging = staging
        self._rollouts = Rollouts(scripts, audit, now)
        self._seal = seal
        self._alarm = alarm
        self._audit = audit
        self._window_ms = int(idempotency_window_seconds * 1000)
        self._now = now

    def create(self, job: NewJob, template: str) -> Stored:
        """Store one job and publish its executions, atomically; raises the reason if the job is refused.

        ``template`` is the message to publish (``dispatch/envelope.py``), empty if the caller sends it.
        """
        (outcome,) = self.create_many([job], template)
        if isinstance(outcome, JobQueueError):
            raise outcome
        return outcome

    def create_many(self, jobs: list[NewJob], template: str) -> list[Stored | JobQueueError]:
        """Store many jobs, some in each call; each is accepted or refused on its own. Answers come in order.

        Jobs with more than 500 hosts and rollouts take further calls, one for every few hundred hosts.
        """
        if self._audit.strict:
            self._audit.check()  # also for a job whose entry the caller writes
        outcomes: dict[str, Stored | JobQueueError] = {}
        small = [job for job in jobs if job.submission.rollout is None]
        submitting: list[NewJob] = []  # in the call whose answer is awaited
        try:
            for submitting in _steps(small):
                outcomes |= self._create_small(submitting, template)
            for job in jobs:
                if job.id not in outcomes:
                    submitting = [job]
                    outcomes[job.id] = self._create_staged(job, template)
        except LedgerUnavailable as error:
            if not outcomes and not error.may_have_run:
                raise
            # earlier jobs are stored: the caller must learn which
            missing = LedgerUnavailable("The ledger (Redis) cannot be reached; this job was not submitted.")
            outcomes |= {job.id: error for job in submitting if job.id not in outcomes}
            outcomes |= {job.id: missing for job in jobs if job.id not in outcomes}
        return [outcomes[job.id] for job in jobs]

    def _create_small(self, jobs: list[NewJob], template: str) -> dict[str, Stored | JobQueueError]:
        """Store jobs in one call: their outcomes by id, but for those that have too many hosts for it."""
        arguments = self._create_arguments(jobs, template)
        answers = settled(lambda: self._scripts.call("create_jobs", *arguments))
        return {
            job.id: self._outcome(job, answer) for job, answer in zip(jobs, answers, strict=True) if answer[0] != _LARGE
        }

    def _create_staged(self, job: NewJob, template: str) -> Stored | JobQueueError:
        """Store a job whose hosts are listed first, in slices, and then opened, in slices."""
        rollout = job.submission.rollout
        if rollout is not None and not job.target.is_broadcast:
            return needs_several_hosts(job.target.text)
        hosts = self._staging.hosts(job.target, job.only)
        if rollout is not None and rollout.spread is not None:
            hosts = self._staging.spread(hosts, rollout.spread)
        is_patient = job.submission.expires_at is not None if job.waits_for_offline is None else job.waits_for_offline
        left_out = self._staging.stage(job.id, hosts, patient=is_patient)
        if job.target.kind is TargetKind.PLANNED and left_out:
            return PlanChanged.of([], left_out[:_NAMED_HOSTS])
        arguments = self._create_arguments([replace(job, only=(), is_staged=True)], template)
        (answer,) = settled(lambda: self._scripts.call("create_jobs", *arguments))
        if answer[0] == "no_live_agent":
            answer = [*answer, *hosts[:_NAMED_HOSTS]] if hosts else ["unknown_target"]
        outcome = self._outcome(job, answer)
        if isinstance(outcome, Stored) and outcome.accepted.job_id == job.id:
            outcome = replace(outcome, unsent=tuple(self._rollouts.open_all(job.id, template)))
        return outcome

    def _create_arguments(self, jobs: list[NewJob], template: str) -> tuple[Argument, ...]:
        fields = (value for job in jobs for value in self._fields(job))
        strict = "1" if self._audit.strict else ""
        return (self._now(), self._window_ms, template, self._audit.keep, strict, *fields)

    def _fields(self, job: NewJob) -> tuple[Argument, ...]:
        """The arguments of one job, in the order of ``CREATE_ARGUMENTS``."""
        request = job.submission
        if job.key_scope and request.concurrency is not None:
            # no key that a caller chooses has a blank
            scoped = f"{job.key_scope} {request.concurrency.key}"
            request = replace(request, concurrency=replace(request.concurrency, key=scoped))
        mark = self._seal.mark(*_key_record(job, job.id)) if request.idempotency_key else ""
        entry_mark, entry = self._audit.sealed(job.audit_entry, job=job.id) if job.audit_entry else ("", "")
        return (
            job.id,
            job.document,
            job.kind,
            "1" if job.is_idempotent else "",
            job.scoped_key,
            job.digest,
            "\n".join(job.only),
            mark,
            entry,
            entry_mark,
            job.fire,
            *(field.argument_value(getattr(request, field.name)) for field in ARGUMENTS),
        )

    def _outcome(self, job: NewJob, answer: list[Any]) -> Stored | JobQueueError:
        """The create script's answer, or the corresponding error."""
        if answer[0] == "created":
            return self._created(job, *answer[1:])
        if answer[0] == "unscheduled":
            return RecordChanged("The schedule was changed, or this time was already processed.")
        if answer[0] != "replayed" or answer[1] == job.id:
            return _outcome(job, answer)
        # another job answers under this idempotency key: only if its seal shows that the API stored it
        _, job_id, created, mark = answer
        key_record, text = _key_record(job, job_id)
        # an older record does not name the submitter; the digest includes it
        if self._seal.holds(mark, key_record, text) or self._seal.holds(
            mark, f"idempotency|{job.submission.idempotency_key}", text
        ):
            return Stored(Accepted(job_id, int(created), replayed=True))
        sentence = (
            f"The record of the idempotency key {job.submission.idempotency_key!r} was not stored by this API: it "
            "was changed in Redis, or JOBQUEUE_API_SECRET has changed. Nothing was submitted; use a new key."
        )
        self._alarm(key_record, sentence)
        return RecordAltered(sentence)

    def _created(self, job: NewJob, created: str, unsent: list[str], number: str = "", link: str = "") -> Stored:
        if number:
            self._audit.saw(int(number), link)
        return Stored(Accepted(job.id, int(created), is_audited=bool(number)), tuple(unsent))

    def get(self, job_id: str, most: int | None = None) -> Job:
        """The job with at most ``most`` of its executions, by default all; raises ``JobNotFound``.

        The first ``_READ_STEP`` executions are as of one moment. More are read in further calls, so that none of them
        grows with the number of agents; an execution may have moved meanwhile.
        """
        most = sys.maxsize if most is None else most
        answer = self._scripts.call("read_job", job_id, min(most, _READ_STEP), min(most, SHOWN_EXECUTIONS), _READ_BYTES)
        if not answer:
            raise JobNotFound.of(job_id)
        try:
            job = records.job(job_id, answer)
        except decoding.FAULTS as error:
            raise RecordAltered(self._unreadable(job_id), {"job_id": job_id}) from error
        if not job.left_out or len(job.executions) >= most:
            return job
        executions = list(job.executions)
        for part in self.parts(job):
            executions += part[: most - len(executions)]
            if len(executions) >= most:
                break
        names = tuple(execution.slot for execution in executions)
        return replace(job, executions=tuple(executions), expected_agents=max(job.expected_agents, names, key=len))

    def parts(self, job: Job) -> Iterator[tuple[Execution, ...]]:
        """The executions that were not read with the job, in parts. Raises ``JobNotFound``, ``RecordAltered``."""
        position = len(job.executions)
        while position < job.total:
            part = self.executions(job.id, position, _READ_STEP, ())
            if part.looked_at == position:
                return
            yield part.executions
            position = part.looked_at

    def executions(self, job_id: str, first: int, most: int, states: tuple[ExecutionState, ...]) -> ExecutionPart:
        """At most ``most`` of a broadcast's executions after the ``first`` ones, of all or of those in ``states``.

        One short call; it may find fewer than there are.

        Raises ``JobNotFound``, ``RecordAltered``.
        """
        most = min(most, _READ_STEP)
        looks = _LOOK_STEP if states else most
        answer = self._scripts.call("read_executions", job_id, first, looks, most, _READ_BYTES, *map(str, states))
        if not answer:
            raise JobNotFound.of(job_id)
        looked_at, total, raw, numbers, held = answer
        try:
            executions = records.executions(raw, {"fanout": "1"} | decoding.pairs(held))
        except decoding.FAULTS as error:
            raise RecordAltered(self._unreadable(job_id), {"job_id": job_id}) from error
        return ExecutionPart(executions, tuple(numbers), looked_at, total)

    def find(self, name: str) -> str:
        """The id of the job with this alias, or with this id; raises ``JobNotFound``."""
        job_id = self._scripts.call("resolve_alias", name, "")
        if not job_id:
            raise JobNotFound.of(name)
        return str(job_id)

    def named(self, name: str, most: int | None = None) -> Job:
        """The job with this alias, or this id, as ``get``. Raises ``JobNotFound``, ``RecordAltered``."""
        job = self.get(self.find(name), most)
        if name in (job.alias, job.id):
            return job
        sentence = (
            f"The name {name!r} refers to job {job.id}, which has another name: it was altered in Redis. "
            "Use the job's id."
        )
        self._alarm(f"alias|{name}", sentence)
        raise RecordAltered(sentence, {"job_id": job.id})

    def reported(self, owner: str, name: str) -> Job | None:
        """The run that a driver of ``owner`` reports as ``name``, or None. Raises ``RecordAltered``."""
        job_id = self._scripts.call("resolve_alias", name, owner)
        if not job_id:
            return None
        job = self.get(str(job_id))
        return job if job.external_run is not None and job.external_run.name == name else None

    def get_many(self, job_ids: Iterable[str], most: int = LISTED_EXECUTIONS) -> list[Job]:
        """The jobs that (still) exist, in order, each with at most ``most`` executions.

        One script call each, and few in a round trip: Redis serves no other client while it answers one.
        """
        ids, step = list(job_ids), max(1, _READ_STEP // max(most, 1))
        arguments: tuple[Argument, ...] = (most, LISTED_EXECUTIONS, _LISTED_BYTES)
        answers = [
            answer
            for first in range(0, len(ids), step)
            for answer in self._scripts.call_many(
                "read_job", [(job_id, *arguments) for job_id in ids[first : first + step]], are_apart=True
            )
        ]
        return [self._listed(job_id, answer) for job_id, answer in zip(ids, answers, strict=True) if answer]

    def _listed(self, job_id: str, answer: Any) -> Job:
        """A job of a list: an altered record must not hide the other jobs."""
        try:
            return records.job(job_id, answer)
        except decoding.FAULTS:
            flat = answer[1] if isinstance(answer, list) else []
            head = dict(zip(flat[::2], flat[1::2], strict=False))
            return records.unreadable(job_id, head, self._unreadable(job_id))

    def _summarized(self, job_id: str, row: list[Any]) -> JobSummary:
        try:
            return records.job_summary(job_id, row)
        except decoding.FAULTS:
            self._unreadable(job_id)
            return records.unreadable_summary(job_id, row)

    def _unreadable(self, job_id: str) -> str:
        """Raise the alarm over an altered record; returns the message."""
        sentence = f"The record of job {job_id[:64]} cannot be read: it was altered in Redis."
        self._alarm(f"job|{job_id}", sentence)
        return sentence

    def cancel(self, job_id: str, actor: str) -> bool:
        """Cancel a job; returns whether all of its executions have stopped. Raises ``JobNotFound``, ``JobFinal``."""
        answer = self._cancel_slice(job_id, actor)
        try:
            while answer == "more":
                answer = self._cancel_slice(job_id, actor)
        except LedgerUnavailable as error:
            # no further execution of it starts, and maintenance ends the others
            logger.warning("Job %s is cancelled, and maintenance ends its executions: %s", job_id, error)
            return False
        if answer == "unknown":
            raise JobNotFound.of(job_id)
        if answer == "final":
            raise JobFinal(f"Job {job_id} has already ended; it cannot be cancelled.")
        return bool(answer == "cancelled")

    def _cancel_slice(self, job_id: str, actor: str, *, goes_on: bool = False) -> str:
        most = "1" if goes_on else ""
        return str(self._scripts.call("cancel_job", self._now(), job_id, actor, SLICE, most))

    def finish_slices(self, limit: int) -> int:
        """Take up to ``limit`` slices of cancels and removals of broadcasts that are not complete; returns how many.

        Those who began them may have died.
        """
        cancels, removals = self._scripts.call("list_unfinished", limit)
        finished = 0
        for job_id in cancels:
            answer = "more"
            while answer == "more" and finished < limit:
                answer = self._cancel_slice(job_id, "", goes_on=True)
                finished += 1
        for job_id in removals:
            if finished < limit:
                finished += self._remove_executions(job_id, limit - finished)
        return finished

    def _remove_executions(self, job_id: str, limit: int) -> int:
        """Remove the records of a deleted broadcast's executions, in at most ``limit`` slices; returns how many."""
        for number in range(1, limit + 1):
            if self._scripts.call("remove_executions", job_id, SLICE) == "done":
                return number
        return limit

    def _deleted(self, job_id: str, forced: str, limit: int = _MOST_SLICES) -> tuple[str, int]:
        """The answer of ``delete_job.lua``, and the number of slices that were removed after it."""
        answer = str(self._scripts.call("delete_job", job_id, forced))
        if answer != "removing":
            return answer, 0
        try:
            return "deleted", self._remove_executions(job_id, limit)
        except LedgerUnavailable as error:
            logger.warning("Job %s is deleted, and maintenance removes its executions: %s", job_id, error)
            return "deleted", limit

    def delete(self, job_id: str) -> None:
        """Remove a final job and all of its records, or a job with a damaged record, in any state.

        Raises ``JobNotFound``, ``JobNotFinal``.
        """
        try:
            answer, _ = self._deleted(job_id, "")
            if answer == "running":
                self.get(job_id)  # an unreadable job cannot be cancelled either, and could never be removed
        except RecordAltered:
            self.remove(job_id)
            return
        if answer == "unknown":
            raise JobNotFound.of(job_id)
        if answer == "running":
            raise JobNotFinal(f"Job {job_id} has not ended; cancel it first.")

    def remove(self, job_id: str) -> None:
        """Remove all records of a job, even damaged ones. An agent that runs the job stops it."""
        self._deleted(job_id, "1")

    def examine(self, job_id: str, lease_micros: int, *, repairs: bool) -> list[str]:
        """Compare a job's records, and with ``repairs`` fix the differences; returns what differs.

        A job that cannot be repaired, since its document or all of its executions are gone, is removed, with an alert.
        """
        faults = list(self._scripts.call("examine_job", self._now(), job_id, "1" if repairs else "", lease_micros))
        if repairs and faults and faults[0] in ("record", "half"):
            self.remove(job_id)
            self._alarm(
                f"job|{job_id}|removed",
                f"Job {job_id[:64]} was stored incompletely or damaged beyond repair, and was removed.",
            )
        return faults

    def suspicious(self, job_ids: list[str]) -> list[str]:
        """The jobs that may be incompletely stored, at a fixed cost for each: for ``removed_if_half``."""
        return list(self._scripts.call("list_suspicious", *job_ids)) if job_ids else []

    def removed_if_half(self, job_id: str, lease_micros: int) -> bool:
        """Remove an incompletely stored job, with an alert; returns whether it was removed."""
        if self.examine(job_id, lease_micros, repairs=False) != ["half"]:
            return False
        return bool(self.examine(job_id, lease_micros, repairs=True))

    def announce_again(self, job_id: str) -> None:
        """Rebuild the timeline of an unreadable job; remove the job if that does not help."""
        self._scripts.call("rebuild_timeline", self._now(), job_id)
        try:
            self.get(job_id)
        except JobNotFound:
            return
        except RecordAltered:
            self.remove(job_id)

    def waiting_longest(self, after: float, limit: int) -> list[tuple[str, float]]:
        """Ids and creation times of jobs that have not started, oldest first, from ``after`` on."""
        rows = self._scripts.call("list_submitted", after, limit, "")
        return [(job_id, float(time)) for job_id, time in zip(rows[::2], rows[1::2], strict=True)]

    def unplaced(self, after: float, limit: int) -> list[tuple[str, float]]:
        """Ids and times of jobs that no agent can run yet, oldest first, from ``after`` on."""
        rows = self._scripts.call("list_submitted", after, limit, UNPLACED)
        return [(job_id, float(time)) for job_id, time in zip(rows[::2], rows[1::2], strict=True)]

    def prune(self, older_than_seconds: float, limit: int) -> int:
        """Remove at most ``limit`` of the jobs that ended longer ago than this; returns how many were examined.

        A broadcast with many executions counts as many jobs as it takes slices to remove them. An entry of a job that
        does not exist or has not ended, which an agent's user can write, is removed and counts as well.
        """
        ids = self._scripts.call("list_prunable", self._now(), int(older_than_seconds * 1_000_000), limit)
        examined = 0
        for job_id in ids:  # one call each, so that Redis is not blocked for all of them
            _, slices = self._deleted(job_id, "", max(1, limit - examined))
            examined += max(slices, 1)
            if examined >= limit:
                break
        return examined

    def ended_since(self, since: int, limit: int) -> tuple[list[str], int]:
        """Ids of the newest jobs that ended after ``since`` (microseconds), and the newest of their end times."""
        flat = self._scripts.call("list_ended", since, limit, self._now())
        # a forged time may be any number
        return flat[::2], max([since, *(int(float(time)) for time in flat[1::2])])

    def counts(self) -> dict[JobStatus, int]:
        """The number of jobs in every status, zero counts included."""
        sizes = self._index.sizes([f"all:|{status}" for status in JobStatus])
        return dict(zip(JobStatus, sizes, strict=True))

    def page(self, job_filter: JobFilter) -> JobPage:
        """One page, newest first; of each job the first executions, or with ``job_filter.summary`` none of a broadcast.

        By status and at most one other dimension, the cost does not depend on the number of stored jobs. By several
        dimensions, it is bounded (``JobIndex.find``). Raises ``InvalidInput`` for an offset beyond that bound.
        """
        page = self._index.find(job_filter, counts_all=True)
        return JobPage(
            items=tuple(self.get_many(page.ids, 0 if job_filter.summary else LISTED_EXECUTIONS)),
            total=page.total,
            status_counts=self.counts(),
            next_cursor=page.cursor,
            is_least=page.is_least,
        )

    def summaries(self, job_filter: JobFilter) -> JobSummaryPage:
        """The same page without executions: the cost does not depend on how many agents the jobs have.

        By several dimensions, not all matches are counted: ``total`` is at least the number of matches up to the end of
        the page, plus one if there are more.
        """
        page = self._index.find(job_filter, counts_all=False)
        return JobSummaryPage(
            items=self.heads(page.ids),
            total=page.total,
            status_counts=self.counts(),
            next_cursor=page.cursor,
            is_least=page.is_least,
        )

    def starting(self, prefix: str) -> tuple[list[str], bool]:
        """Ids that begin with ``prefix``, newest first, among the newest ``LOOKED_THROUGH`` jobs; whether that was all.

        No index is ordered by id. This costs ten calls of about a millisecond.
        """
        return self._index.starting(prefix)

    def heads(self, job_ids: list[str]) -> tuple[JobSummary, ...]:
        """The summaries of the jobs that (still) exist, in order."""
        rows = zip(job_ids, self._heads(job_ids), strict=True)
        return tuple(self._summarized(job_id, row) for job_id, row in rows if row[0])

    def _heads(self, ids: list[str]) -> list[list[Any]]:
        """The rows of ``summarize_jobs.lua``: one call, or one per job if a record has the wrong type."""
        if not ids:
            return []
        try:
            return list(self._scripts.call("summarize_jobs", *ids))
        except RecordAltered:
            rows = self._scripts.call_many("summarize_jobs", [(job_id,) for job_id in ids], are_apart=True)
            return [answer[0] if isinstance(answer, list) else ["?"] for answer in rows]


def _steps(jobs: list[NewJob]) -> Iterator[list[NewJob]]:
    """Jobs in order, in batches that do not block Redis: one broadcast may have thousands of executions."""
    step: list[NewJob] = []
    for job in jobs:
        if step and (job.target.is_broadcast or len(step) == _CREATE_STEP):
            yield step
            step = []
        step.append(job)
        if job.target.is_broadcast:
            yield step
            step = []
    if step:
        yield step


def _key_record(job: NewJob, job_id: str) -> tuple[str, str]:
    """Location and text of the sealed record of an idempotency key."""
    return f"idempotency|{job.scoped_key}", f"{job.digest}|{job_id}"


def _away(hostname: str, state: str) -> str:
    """Why an agent takes no work, and how to change that."""
    name = f"Agent {hostname!r}"
    if state == AgentState.PENDING:
        reason = f"{name} is pending; accept it with `jobqueue agent accept {hostname} FINGERPRINT`"
    elif state == AgentState.REVOKED:
        reason = f"{name} was revoked; `jobqueue agent accept {hostname} FINGERPRINT` accepts it again"
    else:
        state_text = "draining" if state == AgentState.DRAINING else "cordoned"
        reason = f"{name} is {state_text}: `jobqueue agent undrain {hostname}` sends it work again"
    return f"{reason}. Or choose another target."


def _unknown_target(target: Target, near: list[str]) -> UnknownTarget:
    unknown = "Unknown host" if target.kind is TargetKind.HOST else "No agent matches the target"
    hint = f" Did you mean {near[0]}?" if near else ""
    sentence = f"{unknown} {target.text!r}.{hint} `jobqueue agent list` shows all agents and labels."
    return UnknownTarget(sentence, {"target_hostname": [sentence]})


def _outcome(job: NewJob, answer: list[Any]) -> Stored | JobQueueError:
    """The result or error for a create script's answer that stored nothing new."""
    code, *rest = answer
    if code == "replayed":  # our own earlier request: its answer was lost
        return Stored(Accepted(job.id, int(rest[1])))
    if code == "key_conflict":
        return IdempotencyConflict(
            f"The idempotency key {job.submission.idempotency_key!r} belongs to job {rest[0]}, whose request differs. "
            "Use a new key for a new request.",
            {"job_id": rest[0]},
        )
    if code == "unrecorded":
        return unavailable(rest[0])
    if code in ("alias_taken", "held", "busy"):
        return _conflict_of(job, code, rest[0])
    target = job.target
    if code == "unknown_target":
        return job.unmatched or _unknown_target(target, rest)
    if code == "plan_changed":
        return PlanChanged.of([], rest)
    if code == "misfit":
        return misfit(rest[0], int(rest[1]))
    if code == "too_late":
        return InvalidInput.of("expires_at", "In the past; give a later time, or leave it out.")
    if code == "away":
        return AgentAway(_away(target.text, rest[0]))
    if code == "unsupported":
        return NoLiveAgent(
            f"No agent supports {job.submission.operation!r}; `jobqueue agent get HOSTNAME` lists an agent's."
        )
    if code == "no_live_agent":
        hosts = f" ({', '.join(rest)})" if rest else ""
        sentence = (
            f"No agent that takes work is live for the target {target.text!r}{hosts}: start or undrain one, or give "
            "expires_at to wait for agents that are offline."
        )
        return NoLiveAgent(sentence, {"target_hostname": [sentence]})
    raise AssertionError(f"create_jobs.lua answered {json.dumps(answer)}")


def _conflict_of(job: NewJob, code: str, holder: str) -> JobQueueError:
    """Another job has the name that this one wants."""
    if code == "alias_taken":
        sentence = f"The name {job.submission.alias!r} belongs to job {holder}; choose another one."
        return AliasTaken(sentence, {"job_id": holder})
    if code == "busy":
        return _busy(job, holder)
    return ExclusiveHeld(f"Job {holder} holds {job.submission.exclusive!r} and has not ended yet.", {"job_id": holder})


def _busy(job: NewJob, holder: str) -> ConcurrencyKeyHeld:
    """Other jobs hold the concurrency key of one that does not wait for it."""
    terms = job.submission.concurrency
    key = terms.key if terms else ""
    return ConcurrencyKeyHeld(
        f"Job {holder} holds the concurrency key {key!r}, or is next in its line; wait for its end, or submit with the "
        "policy wait or replace.",
        {"job_id": holder},
    )
