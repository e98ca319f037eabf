"""Pages of a job's executions, one by one or with equal answers together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jobqueue.model.answers import without_incidental
from jobqueue.model.job import Execution, Job
from jobqueue.model.states import ExecutionState

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
#: Groups of equal answers on one page.
DEFAULT_GROUPS = 20
MAX_GROUPS = 100


@dataclass(frozen=True)
class ExecutionFilter:
    """Which executions: those in one of ``states`` (none: all), after the ``first`` ones of the job."""

    states: tuple[ExecutionState, ...] = ()
    first: int = 0
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True)
class ExecutionPage:
    """One page, by hostname. ``job`` is without the executions of a broadcast; ``next_first`` is None at the end.

    ``looked_at`` is the number of executions, matching or not, that were read for the page. A page may be short, even
    empty, and not the last one.
    """

    job: Job
    items: tuple[Execution, ...]
    looked_at: int
    next_first: int | None = None


@dataclass(frozen=True)
class AnswerGroup:
    """Executions in one state with equal answers; ``answer`` is the first of them. ``key`` identifies the content: the
    same answers on another page have the same key.
    """

    key: str
    answer: Execution
    hostnames: tuple[str, ...]


@dataclass(frozen=True)
class AnswerGroups:
    """The groups of one page of executions: failures first, then large groups. ``is_least``: there are executions that
    this page does not cover, so the groups may be larger.
    """

    job: Job
    groups: tuple[AnswerGroup, ...]
    looked_at: int
    is_least: bool
    next_first: int | None = None


def answering_agent(execution: Execution) -> str:
    """The agent's hostname; ``_any`` until an agent has claimed the execution."""
    return execution.hostname or execution.slot


def note_of(execution: Execution) -> str:
    """Why an execution was skipped or cancelled."""
    if execution.state in (ExecutionState.SKIPPED, ExecutionState.CANCELLED) and execution.events:
        return execution.events[-1].note
    return ""


def content_of(execution: Execution) -> tuple[Any, ...]:
    """The values (JSON) that distinguish an answer from others."""
    failure: Mapping[str, Any] | None = execution.failure
    return (
        execution.changed,
        execution.error,
        without_incidental(execution.data),
        failure,
        note_of(execution),
        execution.authenticity,
    )


def content_key(execution: Execution) -> str:
    """A short digest of the state and the content."""
    text = json.dumps([execution.state.value, *content_of(execution)], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
