"""The client's answers as objects. ``raw`` of each is the API's JSON, with every field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from jobqueue.model.answer_diff import answer_lines, compare
from jobqueue.model.states import FAILURES, FINAL_STATUSES, JobStatus
from jobqueue.model.timestamps import parse_iso

_OK = frozenset({JobStatus.COMPLETED.value, JobStatus.SKIPPED.value})
_FINAL = frozenset(status.value for status in FINAL_STATUSES)
_FAILURES = frozenset(state.value for state in FAILURES)
#: ``45ms``, ``1.5s``, ``1m0s``, ``2h5m0s``, as the API writes durations.
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:(\d+)ms)?")


@dataclass(frozen=True)
class Result:
    """The result of a job on one host.

    ``status``       completed, failed, skipped, cancelled, expired or lost
    ``data``         what the operation returned; for a command ``{"stdout", "stderr", "exit_code", ...}``
    ``changed``      whether it changed the host; None if that is not known
    ``error``        why it failed; None if it did not
    ``duration``     seconds of the last run; None if it did not run
    """

    hostname: str
    status: str
    data: Any = None
    changed: bool | None = None
    error: str | None = None
    duration: float | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, hostname: str, response: Mapping[str, Any], state: Mapping[str, Any]) -> Result:
        """From a job's ``responses`` and ``agent_states``."""
        return cls(
            hostname,
            str(response.get("status", "")),
            response.get("data"),
            response.get("changed"),
            response.get("error"),
            _seconds(state.get("duration")),
            response,
        )

    @property
    def ok(self) -> bool:
        """Whether this counts as a success: completed or skipped."""
        return self.status in _OK

    @property
    def is_failure(self) -> bool:
        """Whether this counts as a failure: failed, expired or lost."""
        return self.status in _FAILURES

    def diff(self, other: Result) -> list[str]:
        """What differs in the answer of another host: lines that begin with ``-`` (only here), ``+`` (only there) or a
        blank (both), without fields that differ in every run; empty if the answers are equal.
        """
        lines = (answer_lines(result.status, result.error, result.data) for result in (self, other))
        return [f"{line.mark}{line.text}" for line in compare(*lines).lines]

    @property
    def exit_code(self) -> int | None:
        """A command's exit code; None for other operations, or if it did not run to its end."""
        code = self._field("exit_code")
        return code if isinstance(code, int) else None

    @property
    def stdout(self) -> str:
        """A command's standard output; empty for other operations."""
        return str(self._field("stdout") or "")

    @property
    def stderr(self) -> str:
        """A command's standard error; empty for other operations."""
        return str(self._field("stderr") or "")

    def _field(self, name: str) -> Any:
        """Failed operations give their output in ``details``."""
        for source in (self.data, self.raw.get("details")):
            if isinstance(source, Mapping) and source.get(name) is not None:
                return source[name]
        return None


@dataclass(frozen=True)
class JobInfo:
    """A job, as it was when the API answered.

    ``status``       submitted, processing, completed, failed, partial_failure, cancelled or skipped
    ``target``       the agents that the job is for, as it was submitted
    ``hosts``        hostnames of the agents that are expected to answer; empty until they are known
    """

    id: str
    status: str
    operation: str
    data: Any
    target: str
    title: str | None
    error: str | None
    created: datetime | None
    updated: datetime | None
    hosts: tuple[str, ...]
    tags: Mapping[str, str] = field(compare=False)
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def is_final(self) -> bool:
        """Whether the job has ended on every host."""
        return self.status in _FINAL

    @property
    def ok(self) -> bool:
        """Whether the job has ended well: completed or skipped."""
        return self.status in _OK

    def answers(self) -> tuple[Result, ...]:
        """The results in this snapshot; ``results`` waits for those to come."""
        return results_of(self.raw)

    @property
    def failures(self) -> tuple[Result, ...]:
        """The ``answers`` that count as failures."""
        return tuple(result for result in self.answers() if result.is_failure)


@dataclass(frozen=True)
class Agent:
    """The agent of a host. ``is_live``: its last heartbeat is recent. ``state``: Ready, Draining, Cordoned, ..."""

    hostname: str
    is_live: bool
    state: str
    labels: Mapping[str, str] = field(compare=False)
    facts: Mapping[str, Any] = field(repr=False, compare=False)
    operations: tuple[str, ...] = field(repr=False)
    running: int
    queue_length: int
    version: str
    last_heartbeat: datetime | None
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Agent:
        """From an agent of the API."""
        return cls(
            hostname=str(document["hostname"]),
            is_live=document.get("status") == "live",
            state=str(document.get("state") or ""),
            labels=dict(document.get("labels") or {}),
            facts=dict(document.get("facts") or {}),
            operations=tuple(document.get("operations") or ()),
            running=int(document.get("running") or 0),
            queue_length=int(document.get("queue_length") or 0),
            version=str(document.get("version") or ""),
            last_heartbeat=moment(document.get("last_heartbeat")),
            raw=document,
        )


def job_values(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``JobInfo``, from a job of the API."""
    operation = document.get("operation") or {}
    return {
        "id": str(document["id"]),
        "status": str(document.get("status") or ""),
        "operation": str(operation.get("type") or ""),
        "data": operation.get("data"),
        "target": str(document.get("target_hostname") or ""),
        "title": document.get("title"),
        "error": document.get("error"),
        "created": moment(document.get("created")),
        "updated": moment(document.get("updated_at")),
        "hosts": tuple(document.get("expected_agents") or ()),
        "tags": dict(document.get("tags") or {}),
        "raw": document,
    }


def results_of(document: Mapping[str, Any]) -> tuple[Result, ...]:
    """The results in a job of the API."""
    states = document.get("agent_states") or {}
    responses = document.get("responses") or {}
    return tuple(Result.of(host, response, states.get(host) or {}) for host, response in responses.items())


def moment(text: Any) -> datetime | None:
    """A time of the API; None if there is none."""
    return parse_iso(text) if isinstance(text, str) and text else None


def _seconds(text: Any) -> float | None:
    match = _DURATION.fullmatch(text) if isinstance(text, str) and text else None
    if match is None:
        return None
    hours, minutes, seconds, millis = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + millis / 1000
