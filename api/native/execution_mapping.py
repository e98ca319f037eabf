"""Pages of executions as the JSON of the native API."""

from __future__ import annotations

from typing import Any

from api.native import mapping
from jobqueue.model.execution_page import AnswerGroup, AnswerGroups, ExecutionPage, answering_agent
from jobqueue.model.job import Execution, Job
from jobqueue.model.states import ExecutionState
from jobqueue.model.timestamps import to_iso

Document = dict[str, Any]
#: Hostnames that a group names.
NAMED = 100


def page(page: ExecutionPage, states: tuple[ExecutionState, ...]) -> Document:
    """One page; ``next_cursor`` is the place where the next one begins."""
    return {
        **_head(page.job, states),
        "items": [execution(item) for item in page.items],
        "next_cursor": None if page.next_first is None else str(page.next_first),
    }


def groups(grouped: AnswerGroups, states: tuple[ExecutionState, ...]) -> Document:
    """One page of groups; ``next_cursor`` as for ``page``."""
    return {
        **_head(grouped.job, states),
        "groups": [_group(group) for group in grouped.groups],
        "is_least": grouped.is_least,
        "next_cursor": None if grouped.next_first is None else str(grouped.next_first),
    }


def execution(execution: Execution) -> Document:
    """One execution: how far it is, and its answer."""
    return {
        "hostname": answering_agent(execution),
        **mapping.agent_state(execution),
        "attempt": execution.attempt,
        "started_at": _time(execution.started),
        "finished_at": _time(execution.finished),
        **_answer(execution),
    }


def _head(job: Job, states: tuple[ExecutionState, ...]) -> Document:
    return {
        "job_id": job.id,
        "status": job.status.value,
        "execution_counts": mapping.state_counts(job),
        "total": sum(job.counts.get(state, 0) for state in states) if states else job.total,
    }


def _group(group: AnswerGroup) -> Document:
    return {
        "key": group.key,
        "status": group.answer.state.value,
        "count": len(group.hostnames),
        "hostnames": list(group.hostnames[:NAMED]),
        "hostnames_left_out": max(0, len(group.hostnames) - NAMED),
        **_answer(group.answer),
    }


def _answer(execution: Execution) -> Document:
    return {name: value for name, value in mapping.response(execution).items() if name not in ("status", "hostname")}


def _time(micros: int) -> str | None:
    return to_iso(micros) if micros else None
