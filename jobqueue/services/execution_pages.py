"""Reads the executions of a job page by page, with a bound on what one request reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from jobqueue.ledger.jobs import ExecutionPart, Jobs
from jobqueue.model.answers import rank
from jobqueue.model.execution_page import (
    AnswerGroup,
    AnswerGroups,
    ExecutionFilter,
    ExecutionPage,
    answering_agent,
    content_key,
)
from jobqueue.model.job import Execution, Job

#: Executions that are examined for one page, and those that are read and verified for one page of groups.
LOOKED_AT = 10_000
GROUPED = 1_000
#: A page ends once its answers have this many bytes; one execution always fits.
PAGE_BYTES = 4 * 1024 * 1024


class ExecutionReader:
    """Pages of executions, verified. Neither a call to Redis nor a page grows with the number of agents."""

    def __init__(self, jobs: Jobs, verify: Callable[[Job], Job]) -> None:
        self._jobs = jobs
        self._verify = verify

    def page(self, job_id: str, execution_filter: ExecutionFilter) -> ExecutionPage:
        """One page, by hostname. Raises ``JobNotFound``, ``RecordAltered``."""
        job = self._jobs.get(job_id, 0)
        items: list[Execution] = []
        position, size = execution_filter.first, 0
        for part in self._parts(job, execution_filter, execution_filter.limit):
            items += part.executions
            position = part.looked_at
            size += sum(len(execution.out) for execution in part.executions)
            if size >= PAGE_BYTES:
                break
        verified = self._verified(job, tuple(items))
        return ExecutionPage(
            job, verified, position - execution_filter.first, position if position < job.total else None
        )

    def groups(self, job_id: str, execution_filter: ExecutionFilter) -> AnswerGroups:
        """Equal answers together, of at most ``GROUPED`` executions and in at most ``wanted.limit`` groups.

        Raises ``JobNotFound``, ``RecordAltered``.
        """
        job = self._jobs.get(job_id, 0)
        groups = _Groups(execution_filter.limit)
        position = execution_filter.first
        for part in self._parts(job, execution_filter, GROUPED):
            added = groups.add(self._verified(job, part.executions))
            if added < len(part.executions):
                # the next page begins with the answer that fits no more
                position = part.places[added] - 1
                break
            position = part.looked_at
        following = position if position < job.total else None
        is_least = bool(execution_filter.first or following is not None)
        return AnswerGroups(job, groups.ordered(), position - execution_filter.first, is_least, following)

    def _verified(self, job: Job, executions: tuple[Execution, ...]) -> tuple[Execution, ...]:
        return self._verify(replace(job, executions=executions)).executions if executions else ()

    def _parts(self, job: Job, execution_filter: ExecutionFilter, most: int) -> Iterator[ExecutionPart]:
        """Parts with at most ``most`` executions together."""
        if not job.is_broadcast:
            if not execution_filter.first:
                matching = tuple(
                    execution
                    for execution in job.executions
                    if not execution_filter.states or execution.state in execution_filter.states
                )
                yield ExecutionPart(matching, (1,) * len(matching), 1, 1)
            return
        position = execution_filter.first
        while most > 0 and position < min(job.total, execution_filter.first + LOOKED_AT):
            part = self._jobs.executions(job.id, position, most, execution_filter.states)
            if part.looked_at == position:
                return
            yield part
            position = part.looked_at
            most -= len(part.executions)


class _Groups:
    """Executions by content, up to a number of groups and of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._answers: dict[str, Execution] = {}
        self._hostnames: dict[str, list[str]] = {}
        self._bytes = 0

    def add(self, executions: tuple[Execution, ...]) -> int:
        """Add them in order until one fits no more; returns how many were added."""
        for number, execution in enumerate(executions):
            key = content_key(execution)
            if key not in self._answers:
                size = self._bytes + len(execution.out)
                if self._answers and (len(self._answers) >= self._limit or size > PAGE_BYTES):
                    return number
                self._answers[key], self._bytes = execution, size
            self._hostnames.setdefault(key, []).append(answering_agent(execution))
        return len(executions)

    def ordered(self) -> tuple[AnswerGroup, ...]:
        """Failures first, then large groups, then by hostname."""
        groups = [AnswerGroup(key, answer, tuple(self._hostnames[key])) for key, answer in self._answers.items()]
        groups.sort(key=lambda group: (rank(group.answer.state.value), -len(group.hostnames), group.hostnames[0]))
        return tuple(groups)
