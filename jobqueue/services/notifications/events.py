"""From entries of the ledger's streams to events as rules filter and messages show them."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jobqueue.errors import JobNotFound, RecordAltered
from jobqueue.model.job import Job
from jobqueue.model.notification import (
    AGENTS_BACK,
    AGENTS_LOST,
    ALERT_RAISED,
    APPROVAL_WAITING,
    EVENTS,
    ROLLOUT_STOPPED,
    EventFilter,
    Notice,
    NotificationRule,
)
from jobqueue.model.timestamps import to_iso
from jobqueue.services.notifications.target_filter import TargetFilter
from jobqueue.wildcard import matches

_LONGEST_TEXT = 500
_MOST_JOBS = 500

#: Reads a job and one of its executions. Raises ``JobNotFound``, ``RecordAltered``, ``LedgerUnavailable``.
ReadJob = Callable[[str], Job]
#: Whether a broadcast has an execution on a host: id, hostname. Raises ``LedgerUnavailable``.
RanOn = Callable[[str, str], bool]


@dataclass(frozen=True)
class Event:
    """An event that a rule covers. ``document`` is it as messages show it, ``summary`` a sentence."""

    notice: Notice
    name: str
    summary: str
    document: Mapping[str, Any]


class EventReader:
    """Reads what entries of the streams are about. What agents may write there is compared with the records of jobs."""

    def __init__(self, read_job: ReadJob, ran_on: RanOn, targets: TargetFilter) -> None:
        self._targets = targets
        self._read_job = read_job
        self._ran_on = ran_on
        self._ended: OrderedDict[str, Job] = OrderedDict()

    def event(self, notice: Notice, rule: NotificationRule) -> Event | None:
        """The event of an entry; None if the rule does not cover it, or if it did not happen."""
        name = _name_of(notice)
        if name not in EVENTS or not rule.covers(name):
            return None
        if notice.is_of_job:
            return self._of_job(notice, name, rule.filter)
        return _other(notice, name, rule.filter, self._targets)

    def _of_job(self, notice: Notice, name: str, event_filter: EventFilter) -> Event | None:
        job = self._job(notice.subject)
        if job is None or not _happened(job, notice) or not self._matches(job, event_filter):
            return None
        detail = notice.detail if name == ROLLOUT_STOPPED else ""
        summary = _job_summary(job, name, detail)
        return _event(notice, name, summary, job=_job_document(job), **({"reason": detail} if detail else {}))

    def _job(self, job_id: str) -> Job | None:
        if job_id in self._ended:
            return self._ended[job_id]
        try:
            job = self._read_job(job_id)
        except (JobNotFound, RecordAltered):  # deleted since; an alert reports an altered record
            return None
        if job.status.is_final:
            self._ended[job_id] = job
            while len(self._ended) > _MOST_JOBS:
                self._ended.popitem(last=False)
        return job

    def _matches(self, job: Job, event_filter: EventFilter) -> bool:
        saved = str((job.saved or {}).get("name", ""))
        if not (
            any(_is_listed(operation, event_filter.operations) for operation in (job.operation, *job.inner_operations))
            and _is_listed(saved, event_filter.saved)
            and _is_listed(job.submitted_by, event_filter.submitters)
        ):
            return False
        if not all(key in job.tags and matches(pattern, job.tags[key]) for key, pattern in event_filter.tags.items()):
            return False
        return self._ran_on_hosts(job, event_filter) and self._targets.names_host_of(event_filter.target, job)

    def _ran_on_hosts(self, job: Job, event_filter: EventFilter) -> bool:
        if not event_filter.hosts:
            return True
        if not job.is_broadcast:
            return bool({job.hostname, job.executions[0].slot} & set(event_filter.hosts))
        return any(self._ran_on(job.id, hostname) for hostname in event_filter.hosts)


def _name_of(notice: Notice) -> str:
    """The name of an entry's event; a name that does not exist for an entry that the ledger did not write."""
    if notice.is_of_job:
        names = {"ended": f"job.{notice.detail}", "stopped": ROLLOUT_STOPPED, "awaiting": APPROVAL_WAITING}
        return names.get(notice.kind, "")
    if notice.kind == "schedule":
        return f"schedule.{notice.detail.partition('|')[0]}"
    if notice.kind == "workflow":
        return f"workflow.{notice.detail.partition('|')[0]}"
    if notice.kind == "outage":
        return {"raised": AGENTS_LOST, "ended": AGENTS_BACK}.get(notice.subject, "")
    return ALERT_RAISED if notice.kind == "alert" else ""


def _happened(job: Job, notice: Notice) -> bool:
    """Whether the job's record says the same as the entry, which an agent may have written."""
    progress = job.rollout_progress
    if notice.kind == "ended":
        return str(job.status) == notice.detail
    if progress is None:
        return False
    return bool(progress.stopped) if notice.kind == "stopped" else bool(progress.awaits)


def _is_listed(text: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(matches(pattern, text) for pattern in patterns)


def _other(notice: Notice, name: str, event_filter: EventFilter, targets: TargetFilter) -> Event | None:
    if notice.kind == "schedule":
        if not _is_listed(notice.subject, event_filter.schedules):
            return None
        _, times, _, reason = (*notice.detail.split("|", 3), "", "", "")[:4]
        word = name.partition(".")[2]
        number = int(times) if times.isdecimal() else 1
        often = "" if number == 1 else f" {number} times"
        summary = (
            f"Schedule {notice.subject} {word}{often}: {reason}" if reason else f"Schedule {notice.subject} {word}"
        )
        return _event(notice, name, summary, schedule=notice.subject, times=number, reason=reason)
    if notice.kind == "workflow":
        if not _is_listed(notice.subject, event_filter.workflows):
            return None
        word, _, run_id = notice.detail.partition("|")
        summary = f"Workflow {notice.subject} {_WORDS[f'job.{word}']}: run {run_id}"
        return _event(notice, name, summary, workflow=notice.subject, run=run_id, status=word)
    if notice.kind == "outage":
        return _event(notice, name, notice.detail)
    try:
        alert = json.loads(notice.detail)
        job_id, hostname, text = (str(alert[field]) for field in ("job_id", "hostname", "message"))
    except (ValueError, TypeError, KeyError):
        return None
    if not _is_listed(notice.subject, event_filter.alerts):
        return None
    if hostname and (
        (event_filter.hosts and hostname not in event_filter.hosts) or not targets.names(event_filter.target, hostname)
    ):
        return None
    alert = {"kind": notice.subject, "hostname": hostname, "job_id": job_id, "message": text[:_LONGEST_TEXT]}
    return _event(notice, name, f"Alert {notice.subject}: {text}", alert=alert)


def _event(notice: Notice, name: str, summary: str, **about: Any) -> Event:
    summary = " ".join(summary.split())[:_LONGEST_TEXT]
    return Event(notice, name, summary, {"event": name, "time": to_iso(notice.at), "summary": summary, **about})


_WORDS = {
    "job.cancelled": "was cancelled",
    "job.completed": "completed",
    "job.failed": "failed",
    "job.partial_failure": "failed on some hosts",
    "job.skipped": "was skipped",
    ROLLOUT_STOPPED: "stopped its rollout",
    APPROVAL_WAITING: "waits for an approval",
}


def _job_summary(job: Job, name: str, detail: str) -> str:
    failed = sum(count for state, count in job.counts.items() if state in ("failed", "expired", "lost"))
    hosts = f" ({failed} of {job.total} hosts)" if job.is_broadcast and failed else ""
    error = "" if job.is_broadcast or not job.error else f": {job.error}"
    because = f": {detail}" if detail else error
    return f"{job.title or job.operation} on {job.target} {_WORDS[name]}{hosts}{because}"


def _job_document(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "status": str(job.status),
        "operation": job.operation,
        "title": job.title,
        "target": job.target,
        "submitted_by": job.submitted_by,
        "saved": job.saved["name"] if job.saved else None,
        "tags": dict(job.tags),
        "agents": job.total,
        "counts": {str(state): count for state, count in job.counts.items() if count},
        "error": None if job.is_broadcast or not job.error else job.error[:_LONGEST_TEXT],
        "created": to_iso(job.created),
        "updated": to_iso(job.updated),
    }
