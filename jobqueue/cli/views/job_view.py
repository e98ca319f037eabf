"""Jobs for people: the list, and one job with all that became of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from jobqueue.cli.views.answers import answers, show_agents, show_answers
from jobqueue.cli.views.hostnames import fold
from jobqueue.cli.views.output import Column, Screen
from jobqueue.cli.views.rollout_view import show_rollout
from jobqueue.cli.views.steps_view import running_steps
from jobqueue.cli.views.text import one_line, pairs
from jobqueue.cli.views.times import ago, between
from jobqueue.cli.views.waiting import pause_text
from jobqueue.model.states import FINAL_STATUSES

#: On a terminal, without --full: a longer timeline is summed up, longer data is cut.
_EVENTS = 40
_DATA = 200
#: Hosts whose running step is shown.
_RUNNING = 20
_FINAL_STATUSES = frozenset(status.value for status in FINAL_STATUSES)

#: Lines with fewer characters leave out how long a job took, who submitted it, and a title's operation.
_WIDE = 110


def show_list(screen: Screen, page: Mapping[str, Any]) -> None:
    """The page of a listing; on a terminal with the counts below."""
    jobs = page["items"]
    is_wide = screen.width >= _WIDE
    columns: dict[Column, Callable[[Mapping[str, Any]], Any]] = {
        Column("ID", uncut=True): lambda job: screen.id(job.get("id")),
        Column("STATUS", uncut=True): lambda job: job.get("status"),
        Column("CREATED", uncut=True): lambda job: screen.when(job.get("created")),
        **({Column("TOOK", uncut=True): _took} if is_wide else {}),
        Column("TITLE", least=20): lambda job: _description(job, with_operation=is_wide),
        Column("TARGET", least=6): lambda job: job.get("target_hostname"),
        **({Column("BY", least=5): lambda job: job.get("submitted_by")} if is_wide else {}),
        Column("ERROR", least=14): lambda job: job.get("error"),
    }
    screen.table(
        list(columns),
        [[cell(job) for cell in columns.values()] for job in jobs],
        empty="No such jobs." if any((page.get("status_counts") or {}).values()) else "No jobs.",
    )
    if not screen.full:
        counts = ", ".join(f"{one_line(name)} {count}" for name, count in page["status_counts"].items() if count)
        at_least = "at least " if page.get("is_least") else ""
        screen.line(f"{len(jobs)} of {at_least}{page['total_items']} jobs. All jobs: {counts or 'none'}.", "dim")


def _description(job: Mapping[str, Any], *, with_operation: bool) -> str | None:
    """The job's title, if there is room with its operation; the operation of a job without a title."""
    operation: str | None = (job.get("operation") or {}).get("type")
    title: str | None = job.get("title")
    if not title:
        return operation
    return f"{title} ({operation})" if with_operation else title


def _took(job: Mapping[str, Any]) -> str | None:
    """The time from a job's submission to its end."""
    if job.get("status") not in _FINAL_STATUSES:
        return None
    return between(job.get("created"), job.get("updated_at"))


def show_job(screen: Screen, job: Mapping[str, Any]) -> None:
    """One job: its properties, its agents (failures first), its timeline and the answers."""
    host_answers = answers(job)
    operation = job.get("operation") or {}
    status = one_line(job.get("status"))
    cancel_note = " (cancel requested)" if job.get("cancel_requested") and status in ("submitted", "processing") else ""
    screen.fields(
        [
            ("Job", job.get("id")),
            ("Status", status + cancel_note),
            ("Title", job.get("title")),
            ("Description", job.get("description")),
            ("Operation", operation.get("type")),
            ("Data", _data(operation.get("data"), screen)),
            ("Target", job.get("target_hostname")),
            ("Changed", job.get("changed")),
            ("Error", job.get("error")),
            ("Created", _moment(job.get("created"))),
            ("Updated", _moment(job.get("updated_at"))),
            ("Not before", _moment(job.get("not_before"))),
            ("Expires at", _moment(job.get("expires_at"))),
            ("Timeout", f"{job['timeout_seconds']} s" if job.get("timeout_seconds") else None),
            ("Attempts", job.get("attempts")),
            ("Concurrency", _concurrency(job.get("concurrency"))),
            *(("Waits", pause_text(pause)) for pause in job.get("paused_by") or ()),
            ("Tags", pairs(job["tags"]) if job.get("tags") else None),
            ("Submitted by", job.get("submitted_by")),
            ("Origin", job.get("origin")),
            ("Alias", job.get("alias")),
            ("Saved job", _saved(job.get("saved"))),
            ("Approval", _approval(job.get("approval"))),
            ("Retry of", job.get("retry_of")),
            ("Retried as", ", ".join(_names(job.get("retried_as")))),
        ]
    )
    if job.get("rollout"):
        screen.heading("Rollout")
        show_rollout(screen, job["rollout"], job.get("created"))
    if job.get("executions_left_out"):
        counts = ", ".join(f"{one_line(state)} {count}" for state, count in (job.get("execution_counts") or {}).items())
        screen.heading("Executions")
        screen.line(f"{counts}. Below are the first {len(host_answers)}; --executions and --group show all.")
    if host_answers:
        screen.heading("Agents")
        show_agents(screen, host_answers)
    if job.get("timeline"):
        screen.heading("Timeline")
        _show_timeline(screen, job["timeline"], job.get("created"))
    running = running_steps(job.get("agent_states") or {})
    if running:
        screen.heading("Running steps")
        for line in running if screen.full else running[:_RUNNING]:
            screen.line(line)
        if len(running) > _RUNNING and not screen.full:
            screen.line(f"... and on {len(running) - _RUNNING} other hosts; --full shows them.", "dim")
    if any(item.data is not None for item in host_answers):
        screen.heading("Answers")
        show_answers(screen, host_answers)


def _concurrency(terms: Mapping[str, Any] | None) -> str | None:
    """The terms of a concurrency key, without defaults."""
    if not terms:
        return None
    limit = terms.get("limit", 1)
    return f"{one_line(terms.get('key'))}, {limit} at a time, {one_line(terms.get('policy', 'wait'))}"


def _show_timeline(screen: Screen, timeline: Sequence[Mapping[str, Any]], day: str | None) -> None:
    if screen.full or len(timeline) <= _EVENTS:
        columns = (Column("TIME", uncut=True), Column("EVENT", uncut=True), Column("HOSTNAME"))
        screen.table(
            (*columns, Column("MESSAGE", wrap=True, least=16), Column("ERROR", wrap=True, least=16)),
            [
                [
                    screen.clock(event.get("timestamp"), day),
                    *(event.get(name) for name in ("event", "hostname", "message", "error")),
                ]
                for event in timeline
            ],
        )
        return
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for event in timeline:
        groups.setdefault(str(event.get("event")), []).append(event)
    columns = (Column("FIRST", uncut=True), Column("LAST", uncut=True), Column("EVENT", uncut=True))
    screen.table(
        (*columns, Column("TIMES", uncut=True, right=True), Column("HOSTNAMES", wrap=True)),
        [
            (
                screen.clock(events[0].get("timestamp"), day),
                screen.clock(events[-1].get("timestamp"), day),
                name,
                len(events),
                fold(str(event.get("hostname")) for event in events),
            )
            for name, events in groups.items()
        ],
    )


def _data(data: Any, screen: Screen) -> str | None:
    if not data:
        return None
    text = json.dumps(data, ensure_ascii=False)
    return (
        text if screen.full or len(text) <= _DATA else f"{text[:_DATA]}... ({len(text)} characters; --full shows all)"
    )


def _approval(approval: Mapping[str, Any] | None) -> str | None:
    """Why the first batch waits, or waited, for an approval, and what is to be approved."""
    return f"{approval.get('because')} Its plan_hash is {approval.get('plan_hash')}." if approval else None


def _moment(iso: str | None) -> str | None:
    return f"{iso} ({ago(iso, datetime.now(timezone.utc))})" if iso else None


def _names(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [str(value)] if value else []


def _saved(saved: Any) -> str | None:
    """The saved job that a job was made from, as @name and version."""
    return f"@{saved.get('name')}, version {saved.get('version')}" if isinstance(saved, Mapping) else None
