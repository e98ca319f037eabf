"""New jobs: storing them in the ledger, or the reason why one is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from jobqueue.errors import (
    AgentAway,
    AliasTaken,
    ConcurrencyKeyHeld,
    ExclusiveHeld,
    IdempotencyConflict,
    InvalidInput,
    JobQueueError,
    LedgerUnavailable,
    NoLiveAgent,
    PlanChanged,
    RecordAltered,
    RecordChanged,
    UnknownTarget,
)
from jobqueue.ledger.audit import Audit, unavailable
from jobqueue.ledger.rate_limits import Charge
from jobqueue.ledger.rollouts import Rollouts
from jobqueue.ledger.scripts import Argument, Clock, Scripts, redis_clock
from jobqueue.ledger.seal import Seal
from jobqueue.ledger.settling import settled
from jobqueue.ledger.staging import Staging
from jobqueue.ledger.tamper_alarm import TamperAlarm
from jobqueue.model.agent import AgentState
from jobqueue.model.audit import AuditEntry
from jobqueue.model.job_fields import arguments_of
from jobqueue.model.rollout_batches import misfit, needs_several_hosts
from jobqueue.model.submission import Accepted, Submission
from jobqueue.model.target import Target, TargetKind

#: Milliseconds for which an idempotency key returns its first job.
_IDEMPOTENCY_WINDOW_MS = 86_400_000
#: Jobs that one call stores; keeps Redis responsive (about 2 ms).
_CREATE_STEP = 50
#: Stored instead of the kind of target for a job that no agent can run yet.
_UNPLACED = "unplaced"
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
        return self.target.kind.value if self.submission.needs is None else _UNPLACED

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


class NewJobs:
    """Accepts the jobs of one ledger."""

    def __init__(
        self,
        scripts: Scripts,
        seal: Seal,
        alarm: TamperAlarm,
        audit: Audit,
        staging: Staging,
        rollouts: Rollouts,
        *,
        now: Clock = redis_clock,
    ) -> None:
        self._scripts = scripts
        self._seal = seal
        self._alarm = alarm
        self._audit = audit
        self._staging = staging
        self._rollouts = rollouts
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
        strict = "1" if self._audit.strict else ""
        arguments: list[Argument] = [self._now(), _IDEMPOTENCY_WINDOW_MS, template, self._audit.keep, strict]
        for job in jobs:
            arguments += self._fields(job)
        return tuple(arguments)

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
            *arguments_of(request),
        )

    def _outcome(self, job: NewJob, answer: list[Any]) -> Stored | JobQueueError:
        """The create script's answer, or the corresponding error."""
        if answer[0] == "created":
            return self._created(job, *answer[1:])
        if answer[0] == "unscheduled":
            return RecordChanged("The schedule was changed, or this time was already processed.")
        if answer[0] != "replayed" or answer[1] == job.id:
            return _outcome_without_job(job, answer)
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


def _outcome_without_job(job: NewJob, answer: list[Any]) -> Stored | JobQueueError:
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
        return NoLiveAgent(f"No agent supports {rest[0]!r}; `jobqueue agent show HOSTNAME` lists an agent's.")
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
