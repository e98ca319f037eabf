"""Executions in the ledger: claimed by agents under a lease, finished once, recovered by maintenance."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from jobqueue.errors import IllegalTransition, JobNotFound
from jobqueue.ledger import decoding
from jobqueue.ledger.due import Due, due_of
from jobqueue.ledger.scripts import Argument, Clock, Scripts, redis_clock
from jobqueue.model.alert import RECORDS_ALTERED, Alert
from jobqueue.model.states import ExecutionState


@dataclass(frozen=True)
class Claim:
    """A successful claim. ``token`` fences: without it no result is accepted; ``document`` is the job as JSON.

    ``expires``: when the lease does if it is not renewed, in seconds of ``time.monotonic()``. Repeating a claim renews
    the lease.
    """

    job_id: str
    hostname: str
    token: str
    attempt: int
    document: str
    expires: float = field(default=math.inf, compare=False)


#: Why a claim by a draining agent that still reads its queues is refused.
AWAY = "away"


@dataclass(frozen=True)
class Refusal:
    """A refused claim: the execution is not due, runs elsewhere, or has ended. ``state`` says which."""

    state: str


@dataclass(frozen=True)
class Report:
    """How an execution ended.

    ``out`` is a JSON object with ``data`` and ``changed``, or ``failure``, and ``info``; without it, the last
    report is kept. ``note`` is the error or reason. ``retry_in`` is the number of seconds until the next attempt,
    if any (ignored once the job is cancelled: ``state`` then applies). ``signature`` is the agent's.
    """

    claim: Claim
    state: ExecutionState
    out: str = ""
    note: str = ""
    retry_in: float | None = None
    retry_note: str = ""
    signature: str = ""


class Finished(Enum):
    """The outcome of reporting a result."""

    FINISHED = "finished"
    RETRIED = "retried"
    REPEATED = "repeated"
    STALE = "stale"
    UNKNOWN = "unknown"


class Renewal(Enum):
    """The outcome of renewing the lease of one running execution."""

    OK = "ok"
    CANCEL = "cancel"
    STALE = "stale"


#: Maximum length of an alert's message.
_LONGEST_ALERT = 500


class Executions:
    """The executions of one ledger."""

    def __init__(self, scripts: Scripts, *, lease_seconds: float, now: Clock = redis_clock) -> None:
        self._scripts = scripts
        self._lease = int(lease_seconds * 1_000_000)
        self._now = now

    def peek(self, job_id: str, slot: str) -> tuple[str, ExecutionState]:
        """The current slot (of an ``_any`` execution: it moves) and state; raises ``JobNotFound``."""
        answer = self._scripts.call("peek_execution", job_id, slot)
        if not answer:
            raise JobNotFound.of(job_id)
        return answer[0], ExecutionState(answer[1])

    def exists(self, job_id: str, slot: str) -> bool:
        """Whether the job has a record of an execution in this slot."""
        return bool(self._scripts.call("peek_execution", job_id, slot))

    def claim(self, job_id: str, slot: str, hostname: str, token: str) -> Claim | Refusal:
        """Claim an execution: at most one claim of an attempt succeeds. Repeating it with the same token is safe."""
        (answer,) = self.claim_each(hostname, [(job_id, slot, token)])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def claim_each(
        self, hostname: str, wanted: Sequence[tuple[str, str, str]], *, gives_back: bool = False
    ) -> list[Claim | Refusal | Exception]:
        """Make a few claims in one round trip, each by itself; ``wanted``: job id, slot and token of each.

        A claim that meets a damaged record has its error as its answer. ``gives_back``: refuse all of them, as for an
        agent that drains, so that they are due again.
        """
        common = (self._now(), hostname, self._lease, "1" if gives_back else "")
        expires = self._expires()
        return [
            answer if isinstance(answer, Exception) else _claimed(answer, job_id, hostname, token, expires)
            for answer, (job_id, _, token) in zip(self._scripts.call_each("claim", common, wanted), wanted, strict=True)
        ]

    def _expires(self) -> float:
        """When a lease that is requested now expires."""
        return time.monotonic() + self._lease / 1_000_000

    def finish(
        self,
        claim: Claim,
        state: ExecutionState,
        *,
        out: str = "",
        note: str = "",
        retry_in: float | None = None,
        retry_note: str = "",
        signature: str = "",
    ) -> Finished:
        """Report how an execution ended; the arguments are those of ``Report``.

        Raises ``IllegalTransition`` for a state that is not final or in which a run cannot end.
        """
        return self.report(Report(claim, state, out, note, retry_in, retry_note, signature))

    def report(self, report: Report) -> Finished:
        """The same with its arguments in one object."""
        (answer,) = self.report_each([report])
        if isinstance(answer, Exception):
            raise answer
        return answer

    def report_each(self, reports: Sequence[Report]) -> list[Finished | Exception]:
        """Report how a few executions ended in one round trip, each by itself.

        A report that meets a damaged record, or that ``finish`` would raise an error for, has the error as its answer.
        """
        answers = self._scripts.call_each("finish", (self._now(),), [_finish_arguments(report) for report in reports])
        finished: list[Finished | Exception] = []
        for answer, report in zip(answers, reports, strict=True):
            try:
                finished.append(answer if isinstance(answer, Exception) else _finished(answer, report))
            except IllegalTransition as error:
                finished.append(error)
        return finished

    def report_progress(self, claim: Claim, out: str, *, is_idle: bool = False) -> bool:
        """Publish the progress of a running execution: ``out`` is a JSON object with ``info``.

        ``is_idle``: no work has started yet, so the execution may go to another agent if this one dies. Returns False
        if the claim is stale.
        """
        attempt_key = (claim.job_id, claim.hostname, claim.token)
        return bool(self._scripts.call("report_progress", *attempt_key, out, "1" if is_idle else "") == 1)

    def alert(self, kind: str, job_id: str, hostname: str, message: str, count: int = 1) -> None:
        """Count a safety event (``count`` times), and keep it among the newest alerts.

        For the API and maintenance; agents call ``note_alert``.
        """
        self._scripts.call("alert", self._now(), kind, job_id, hostname, message[:_LONGEST_ALERT], count)

    def note_alert(self, kind: str, job_id: str, hostname: str, message: str, count: int = 1) -> None:
        """Record an alert of the agent ``hostname``: maintenance moves it to the alerts, which no agent may write."""
        alert = {"kind": kind, "job_id": job_id, "message": message[:_LONGEST_ALERT], "count": count}
        self._scripts.call("note_alert", self._now(), hostname, json.dumps(alert))

    def alerts(self) -> list[Alert]:
        """The newest alerts, newest first."""
        return [_alert(line) for line in self._scripts.call("alert", self._now(), "", "", "", "")]

    def renew(self, hostname: str, claims: list[Claim]) -> list[Renewal]:
        """Renew the leases of all executions of an agent; returns for each whether to continue."""
        pairs = [text for claim in claims for text in (claim.job_id, claim.token)]
        return [Renewal(answer) for answer in self._scripts.call("renew", self._now(), hostname, self._lease, *pairs)]

    def promote(self, limit: int, template: str) -> tuple[int, list[Due]]:
        """Publish executions that are due. Looks at ``limit``; returns at how many, and those to send."""
        looked_at, flat = self._scripts.call("promote", self._now(), limit, template)
        return int(looked_at), due_of(flat)

    def return_parked(self, limit: int, template: str) -> tuple[int, list[Due]]:
        """Return executions that are held back no more to the front of their queues, the newest first.

        Looks at ``limit``; returns at how many, and those to send.
        """
        looked_at, flat = self._scripts.call("return_parked", self._now(), limit, template)
        return int(looked_at), due_of(flat)

    def advance_lines(self, limit: int) -> tuple[int, list[tuple[str, str]]]:
        """Give concurrency keys that have a free place to the next in their lines.

        Looks at ``limit`` keys; returns at how many, and pairs: a job to cancel, and the job that replaces it.
        """
        looked_at, flat = self._scripts.call("advance_lines", self._now(), limit)
        return int(looked_at), list(zip(flat[::2], flat[1::2], strict=True))

    def stale_holders(self, key: str, *, repairs: bool) -> list[str]:
        """Holders of a concurrency key that have ended; with ``repairs`` they are removed."""
        return list(self._scripts.call("stale_holders", self._now(), key, "1" if repairs else ""))

    def place(self, job_id: str, not_before: int | None, hostnames: Sequence[str], template: str) -> list[Due]:
        """Place a job that waits for an agent on the least busy of these; returns its message, [] if none can."""
        due = "" if not_before is None else not_before
        return due_of(self._scripts.call("place", self._now(), job_id, due, template, *hostnames))

    def reconcile(self, slots: list[str], older_than_seconds: float, limit: int, template: str) -> list[Due]:
        """Publish waiting executions of these slots whose message is gone again, at most ``limit`` of each."""
        micros = int(older_than_seconds * 1_000_000)
        calls: list[tuple[Argument, ...]] = [(self._now(), slot, micros, limit, template) for slot in slots]
        return [due for answer in self._scripts.call_many("reconcile", calls) for due in due_of(answer)]

    def stale_queues(self, older_than_seconds: float, limit: int) -> tuple[list[str], bool]:
        """Slots in which executions have waited for so long, among at most ``limit``; whether more are to be examined.

        Each is returned once per such time span.
        """
        micros = int(older_than_seconds * 1_000_000)
        slots, looked_at = self._scripts.call("list_stale_queues", self._now(), micros, limit)
        return slots, looked_at == limit

    def watch_queues(self, slots: Sequence[str]) -> None:
        """Have ``stale_queues`` examine these slots again: after an upgrade, or a loss of keys."""
        self._scripts.call_many(
            "watch_queues", [tuple(slots[first : first + 1000]) for first in range(0, len(slots), 1000)]
        )

    def reap(self, limit: int, by: int | None = None) -> tuple[int, int]:
        """Handle expired leases; with ``by``, only those that had expired by that time (microseconds).

        Returns how many executions were (retried, lost).
        """
        retried, lost, cancelled = self._scripts.call("reap", self._now(), limit, "" if by is None else by)
        return retried, lost + cancelled

    def expire(self, limit: int) -> int:
        """Look at ``limit`` executions of jobs whose deadline has passed; returns how many of them expired."""
        return self.expire_slice(limit)[0]

    def expire_slice(self, limit: int) -> tuple[int, bool]:
        """Look at ``limit`` executions of jobs whose deadline has passed, and expire those that have not started.

        Returns how many expired, and whether there may be more to examine.
        """
        expired, more = self._scripts.call("expire", self._now(), limit)
        return int(expired), bool(more)


def _finish_arguments(report: Report) -> tuple[Argument, ...]:
    return (
        report.claim.job_id,
        report.claim.hostname,
        report.claim.token,
        str(report.state),
        report.out,
        report.note,
        "" if report.retry_in is None else int(report.retry_in * 1_000_000),
        report.retry_note,
        report.signature,
    )


def _claimed(answer: Any, job_id: str, hostname: str, token: str, expires: float) -> Claim | Refusal:
    code, *rest = answer
    if code == "granted":
        document = rest[1] if len(rest) > 1 and rest[1] else ""
        return Claim(job_id, hostname, token, int(rest[0]), document, expires)
    return Refusal(rest[0] if rest else code)


def _finished(answer: Any, report: Report) -> Finished:
    if answer == "illegal":
        raise IllegalTransition(f"An execution cannot end as {str(report.state)!r}.")
    return Finished(answer)


def _alert(line: str) -> Alert:
    """One alert; a placeholder if its record was altered."""
    at, _, text = line.partition("|")
    try:
        fields = decoding.pairs_of_texts(decoding.parsed(text))
        return Alert(decoding.integer(at), **fields)
    except decoding.FAULTS:
        shown = repr(line[: _LONGEST_ALERT // 4])
        return Alert(0, RECORDS_ALTERED, "", "", f"Unreadable alert, altered in Redis: {shown}")
