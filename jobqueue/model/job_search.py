"""Searching jobs by text: conditions that no index holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobqueue.model.job import Job


@dataclass(frozen=True)
class JobSearch:
    """All conditions must hold.

    ``text`` is in the job's title, operation, target, hostnames, tags (``key:value``), submitter, error or alias, or
    its id begins with it; ``error`` is in its error. Both ignore case. ``submitted_by`` is the submitter's whole name.
    """

    text: str | None = None
    submitted_by: str | None = None
    error: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether every job matches."""
        return self.text is None and self.submitted_by is None and self.error is None

    def matches(self, job: Job) -> bool:
        if self.submitted_by is not None and job.submitted_by != self.submitted_by:
            return False
        if self.error is not None and self.error.casefold() not in (job.error or "").casefold():
            return False
        if self.text is None:
            return True
        text = self.text.casefold()
        return job.id.startswith(text) or any(text in part.casefold() for part in _texts(job))


def _texts(job: Job) -> Iterator[str]:
    yield from (job.title or "", job.operation, job.target, job.submitted_by, job.error or "", job.alias or "")
    yield from (execution.hostname for execution in job.executions)
    yield from (f"{key}:{value}" for key, value in job.tags.items())
