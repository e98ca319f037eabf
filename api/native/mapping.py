"""From the model to the JSON of the native API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from api.native import links
from api.native.fields import show_cursor
from api.native.rollout_mapping import planned_batches, rollout
from jobqueue.model.agent import Agent
from jobqueue.model.alert import Alert
from jobqueue.model.execution_page import who
from jobqueue.model.failure import FailureGroup, RecentFailures
from jobqueue.model.filter import JobPage
from jobqueue.model.fleet import FleetSummary
from jobqueue.model.job import Execution, Job
from jobqueue.model.job_fields import SHOWN, JobField, Kind
from jobqueue.model.states import JobStatus
from jobqueue.model.submission import Accepted
from jobqueue.model.timeline import Event
from jobqueue.model.timestamps import duration_text, to_iso
from jobqueue.services.result_verifier import SIGNED
from jobqueue.trust.signing.certificate import fingerprint_of

if TYPE_CHECKING:
    from jobqueue.operations.info import OperationInfo
    from jobqueue.services.planner import Plan

Document = dict[str, Any]
#: What a caller should know of a job that the ledger has not confirmed.
NOT_CONFIRMED = (
    "The ledger (Redis) did not confirm the job in time. It may be stored, or may still be: submit it again only with "
    "the same idempotency_key, or after GET /job/{job_id} has answered 404 for a minute."
)
#: Fields of an agent that a summary leaves out.
AGENT_DETAILS = frozenset({"facts", "operations", "memory", "timeline"})


def accepted(answer: Accepted) -> Document:
    """The answer to a submission."""
    document = {
        "job_id": answer.job_id,
        "status": answer.status,
        "revision": answer.revision,
        "timestamp": to_iso(answer.created),
    }
    if not answer.is_confirmed:
        document |= {"accepted": "not confirmed", "message": NOT_CONFIRMED}
    return document


def plan(made: Plan) -> Document:
    """A plan."""
    preview = made.preview
    return {
        "operation": made.operation,
        "target_hostname": preview.target.text,
        "executions": made.executions,
        "hosts": [agent.hostname for agent in preview.takes],
        "skips": list(preview.unable),
        "left_out": [{"hostname": hostname, "reason": reason} for hostname, reason in preview.left_out.items()],
        "notes": list(made.notes),
        "permissions": [{"permission": name, "granted": granted} for name, granted in made.permissions],
        "permitted": all(granted for _, granted in made.permissions),
        "awaits_approval": made.awaits_approval or None,
        "batches": planned_batches(made),
        "plan_hash": made.hash,
    }


def job(found: Job, *, summary: bool = False) -> Document:
    """A job; ``summary`` leaves out responses, agent_states and timeline."""
    document: Document = {
        "id": found.id,
        "status": found.status.value,
        "created": to_iso(found.created),
        "updated_at": to_iso(found.updated),
        "operation": {"type": found.operation, "data": found.data},
        "result": found.result,
        "changed": found.changed,
        "error": found.error,
        "hostname": found.hostname,
        "attempts": found.attempts,
        "expected_agents": list(found.expected_agents),
        "retried_as": list(found.retried_as),
        "cancel_requested": found.cancel_requested,
        "rollout": rollout(found),
        **{field.shown_as: _shown(field, getattr(found, field.name)) for field in SHOWN},
        "execution_counts": state_counts(found),
        "executions_left_out": found.left_out,
        "executions_url": links.path(f"/job/{found.id}/executions"),
    }
    if not summary:
        document["responses"] = {who(x): response(x) for x in found.executions if x.state.is_final}
        document["agent_states"] = {who(x): agent_state(x) for x in found.executions}
        document["timeline"] = [event(each) for each in found.timeline]
    return document


def page(found: JobPage, *, summary: bool) -> Document:
    """One page of jobs."""
    return {
        "total_items": found.total,
        "is_least": found.is_least,
        "status_counts": status_counts(found.status_counts),
        "items": [job(item, summary=summary) for item in found.items],
        "next_cursor": show_cursor(found.next_cursor),
    }


def state_counts(found: Job) -> dict[str, int]:
    """The states in which executions of the job are, with their number."""
    return {state.value: count for state, count in found.counts.items() if count}


def status_counts(counts: Mapping[JobStatus, int]) -> dict[str, int]:
    """Every status with its count, zero included."""
    return {status.value: counts.get(status, 0) for status in JobStatus}


def agent(found: Agent) -> Document:
    """An agent."""
    return {
        "hostname": found.hostname,
        "status": found.status,
        "state": found.state.value,
        "labels": dict(found.labels),
        "facts": dict(found.facts),
        "load": list(found.load),
        "memory": dict(found.memory),
        "running": found.running,
        "queue_length": found.queue_length,
        "concurrency": found.concurrency,
        "last_heartbeat": _time(found.last_heartbeat),
        "started_at": _time(found.started_at),
        "version": found.version,
        "operations": list(found.operations),
        "conditions": list(found.conditions),
        "fingerprint": fingerprint_of(found.public_key),
        "timeline": [{"timestamp": to_iso(step.at), "state": step.state.value} for step in found.timeline],
    }


def agent_summary(found: Agent) -> Document:
    """An agent without what is long."""
    return {name: value for name, value in agent(found).items() if name not in AGENT_DETAILS}


def agent_counts(summary: FleetSummary, now: int) -> Document:
    """Agents, counted; ``now`` is the ledger's time in microseconds."""
    return {
        "total": summary.total,
        "live": summary.live,
        "offline": summary.total - summary.live,
        "running": summary.running,
        "conditions": dict(summary.conditions),
        "age_seconds": round(max(0.0, (now - summary.at) / 1e6), 3),
    }


def alert(found: Alert) -> Document:
    """An alert as JSON."""
    return {
        "timestamp": to_iso(found.at),
        "kind": found.kind,
        "job_id": found.job_id,
        "hostname": found.hostname,
        "message": found.message,
    }


def failures(found: RecentFailures) -> Document:
    """Groups of recent failures as JSON."""
    return {"items": [_failure_group(group) for group in found.groups], "complete": found.is_complete}


def _failure_group(group: FailureGroup) -> Document:
    return {
        "operation": group.operation,
        "title": group.title or None,
        "error": group.error,
        "executions": group.executions,
        "host_count": group.host_count,
        "hosts": list(group.hosts),
        "job_count": group.job_count,
        "job_ids": list(group.job_ids),
        "first": to_iso(group.first),
        "last": to_iso(group.last),
    }


def operation(info: OperationInfo) -> Document:
    """An operation of the catalogue."""
    return {
        "type": info.type,
        "summary": info.summary,
        "schema": dict(info.schema),
        "changes": info.changes,
        "idempotent": info.idempotent,
        "permission": info.permission,
        "plugin": info.plugin,
        "positional": info.positional,
    }


def _shown(field: JobField, value: Any) -> Any:
    return _time(value) if field.kind is Kind.TIME else field.document_value(value)


def _time(micros: int | None) -> str | None:
    return to_iso(micros) if micros else None


def response(execution: Execution) -> Document:
    """What one agent answered."""
    document: Document = {
        "status": execution.state.value,
        "data": execution.data,
        "changed": execution.changed,
        "error": execution.error,
        "hostname": execution.hostname,
    }
    if execution.authenticity not in (None, SIGNED):
        document["authenticity"] = execution.authenticity
    if execution.failure is not None:
        document["details"] = dict(execution.failure)
    return document


def agent_state(execution: Execution) -> Document:
    """How far one agent is."""
    duration = execution.duration
    document: Document = {
        "status": execution.state.value,
        "error": execution.error,
        "duration": None if duration is None else duration_text(duration),
    }
    if execution.info:
        document["info"] = dict(execution.info)
    if execution.held_by:
        document["held_by"] = execution.held_by
    return document


def event(found: Event) -> Document:
    """A step of a timeline."""
    return {
        "timestamp": to_iso(found.at),
        "event": found.event,
        "hostname": found.hostname,
        "message": found.message,
        "error": found.error,
    }
