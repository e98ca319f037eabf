"""From the model to the JSON of the native API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from api.native import links
from api.native.fields import show_cursor
from api.native.rollout_mapping import planned_batches, rollout
from jobqueue.model.agent import Agent
from jobqueue.model.alert import Alert
from jobqueue.model.execution_page import answering_agent
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


def plan(job_plan: Plan) -> Document:
    """A plan."""
    preview = job_plan.preview
    return {
        "operation": job_plan.operation,
        "target_hostname": preview.target.text,
        "executions": job_plan.executions,
        "hosts": [agent.hostname for agent in preview.takes],
        "skips": list(preview.unable),
        "left_out": [{"hostname": hostname, "reason": reason} for hostname, reason in preview.left_out.items()],
        "notes": list(job_plan.notes),
        "permissions": [{"permission": name, "granted": granted} for name, granted in job_plan.permissions],
        "permitted": all(granted for _, granted in job_plan.permissions),
        "awaits_approval": job_plan.awaits_approval or None,
        "batches": planned_batches(job_plan),
        "plan_hash": job_plan.hash,
    }


def job(job: Job, *, summary: bool = False) -> Document:
    """A job; ``summary`` leaves out responses, agent_states and timeline."""
    document: Document = {
        "id": job.id,
        "status": job.status.value,
        "created": to_iso(job.created),
        "updated_at": to_iso(job.updated),
        "operation": {"type": job.operation, "data": job.data},
        "result": job.result,
        "changed": job.changed,
        "error": job.error,
        "hostname": job.hostname,
        "attempts": job.attempts,
        "expected_agents": list(job.expected_agents),
        "retried_as": list(job.retried_as),
        "cancel_requested": job.cancel_requested,
        "rollout": rollout(job),
        **{field.shown_as: _shown(field, getattr(job, field.name)) for field in SHOWN},
        "execution_counts": state_counts(job),
        "executions_left_out": job.left_out,
        "executions_url": links.path(f"/job/{job.id}/executions"),
    }
    if not summary:
        document["responses"] = {
            answering_agent(execution): response(execution) for execution in job.executions if execution.state.is_final
        }
        document["agent_states"] = {answering_agent(execution): agent_state(execution) for execution in job.executions}
        document["timeline"] = [event(each) for each in job.timeline]
    return document


def page(page: JobPage, *, summary: bool, cursors: bool = False) -> Document:
    """One page of jobs; ``cursors`` adds for each job the cursor that continues behind it."""
    cursors_of_items = {"cursors": [show_cursor(item.created) for item in page.items]} if cursors else {}
    return {
        "total_items": page.total,
        "is_least": page.is_least,
        "status_counts": status_counts(page.status_counts),
        "items": [job(item, summary=summary) for item in page.items],
        "next_cursor": show_cursor(page.next_cursor),
        **cursors_of_items,
    }


def state_counts(job: Job) -> dict[str, int]:
    """The states in which executions of the job are, with their number."""
    return {state.value: count for state, count in job.counts.items() if count}


def status_counts(counts: Mapping[JobStatus, int]) -> dict[str, int]:
    """Every status with its count, zero included."""
    return {status.value: counts.get(status, 0) for status in JobStatus}


def agent(agent: Agent) -> Document:
    """An agent."""
    return {
        "hostname": agent.hostname,
        "status": agent.status,
        "state": agent.state.value,
        "labels": dict(agent.labels),
        "facts": dict(agent.facts),
        "load": list(agent.load),
        "memory": dict(agent.memory),
        "running": agent.running,
        "queue_length": agent.queue_length,
        "concurrency": agent.concurrency,
        "last_heartbeat": _time(agent.last_heartbeat),
        "started_at": _time(agent.started_at),
        "version": agent.version,
        "operations": list(agent.operations),
        "conditions": list(agent.conditions),
        "fingerprint": fingerprint_of(agent.public_key),
        "timeline": [{"timestamp": to_iso(step.at), "state": step.state.value} for step in agent.timeline],
        **({"drain_reason": agent.drain_reason} if agent.drain_reason else {}),
    }


def agent_summary(reported: Agent) -> Document:
    """An agent without what is long."""
    return {name: value for name, value in agent(reported).items() if name not in AGENT_DETAILS}


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


def alert(alert: Alert, is_acknowledged: bool) -> Document:
    """An alert as JSON."""
    return {
        "timestamp": to_iso(alert.at),
        "kind": alert.kind,
        "job_id": alert.job_id,
        "hostname": alert.hostname,
        "message": alert.message,
        "acknowledged": is_acknowledged,
    }


def failures(failures: RecentFailures) -> Document:
    """Groups of recent failures as JSON."""
    return {"items": [_failure_group(group) for group in failures.groups], "complete": failures.is_complete}


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
    """The answer of one agent."""
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
    """The progress of one agent."""
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


def event(event: Event) -> Document:
    """A step of a timeline."""
    return {
        "timestamp": to_iso(event.at),
        "event": event.event,
        "hostname": event.hostname,
        "message": event.message,
        "error": event.error,
    }
