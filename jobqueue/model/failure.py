"""Recent failures, grouped for a person: what failed, with which error, on which hosts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

#: The most hostnames and job ids that a group names.
MOST_NAMED = 20
#: Characters of an error that are compared and shown.
_ERROR_LENGTH = 300
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Failure:
    """One failed execution. ``at`` is when its job ended, in microseconds; ``title`` may be empty."""

    job_id: str
    hostname: str
    operation: str
    title: str
    error: str
    at: int


@dataclass(frozen=True)
class FailureGroup:
    """Failed executions of one operation and title with the same error, apart from numbers and hostnames in it.

    ``error`` is that of the newest; ``first`` and ``last`` are microseconds. ``hosts`` and ``job_ids`` name at most
    ``MOST_NAMED``, the newest first; the counts count all.
    """

    operation: str
    title: str
    error: str
    executions: int
    host_count: int
    job_count: int
    first: int
    last: int
    hosts: tuple[str, ...] = ()
    job_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecentFailures:
    """The groups, the largest first. Unless ``is_complete`` there were more failures than were examined."""

    groups: tuple[FailureGroup, ...]
    is_complete: bool


@dataclass
class _Draft:
    failures: list[Failure] = field(default_factory=list)

    def group(self) -> FailureGroup:
        newest = self.failures[0]
        hosts = tuple(dict.fromkeys(failure.hostname for failure in self.failures))
        jobs = tuple(dict.fromkeys(failure.job_id for failure in self.failures))
        return FailureGroup(
            operation=newest.operation,
            title=newest.title,
            error=newest.error,
            executions=len(self.failures),
            host_count=len(hosts),
            job_count=len(jobs),
            first=min(failure.at for failure in self.failures),
            last=max(failure.at for failure in self.failures),
            hosts=hosts[:MOST_NAMED],
            job_ids=jobs[:MOST_NAMED],
        )


def group_failures(failures: Iterable[Failure]) -> tuple[FailureGroup, ...]:
    """Groups of ``failures`` (the newest first), the largest first, and the newer of two that are equally large."""
    drafts: dict[tuple[str, str, str], _Draft] = {}
    for failure in failures:
        key = failure.operation, failure.title, masked(failure.error, failure.hostname)
        drafts.setdefault(key, _Draft()).failures.append(failure)
    groups = [draft.group() for draft in drafts.values()]
    return tuple(sorted(groups, key=lambda group: (-group.executions, -group.last, group.operation, group.error)))


def masked(error: str, hostname: str = "") -> str:
    """An error without what differs from host to host and run to run: the hostname, ids and numbers."""
    text = error[:_ERROR_LENGTH]
    if hostname:
        text = re.sub(rf"(?<![\w-]){re.escape(hostname)}(?![\w-])", "HOST", text)
    return _NUMBER.sub("N", _UUID.sub("ID", text))
