"""Jobs as objects with methods."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from jobqueue.client.errors import ConnectionFailed, JobFailed, Unavailable
from jobqueue.client.objects import JobInfo, Result, job_values, results_of
from jobqueue.client.polling import Pacer

Document: TypeAlias = dict[str, Any]


class SavedRuns(Protocol):
    """Runs saved jobs: ``Client.saved``."""

    @property
    def run(self) -> Callable[..., Document]: ...


class Calls(Protocol):
    """The calls that objects make: those of ``Client`` that return the API's JSON."""

    @property
    def submit(self) -> Callable[..., Document]: ...
    @property
    def saved(self) -> SavedRuns: ...
    @property
    def job(self) -> Callable[[str], Document]: ...
    @property
    def iter_jobs(self) -> Callable[..., Iterator[Document]]: ...
    @property
    def cancel(self) -> Callable[[str], Document]: ...
    @property
    def retry(self) -> Callable[..., Document]: ...
    @property
    def delete(self) -> Callable[[str], None]: ...
    @property
    def iter_logs(self) -> Callable[..., Iterator[Document]]: ...
    @property
    def follow_logs(self) -> Callable[..., Iterator[Document]]: ...
    @property
    def agents(self) -> Callable[[], Document]: ...
    @property
    def iter_agents(self) -> Callable[[], Iterator[Document]]: ...
    @property
    def agent(self) -> Callable[[str], Document]: ...


@dataclass(frozen=True)
class Job(JobInfo):
    """A job, as it was when the API answered: the fields do not change. ``wait`` and ``refresh`` return a newer one.

    ::

        job = client.run("df -h", on="group:web")
        for result in job.results():
            print(result.hostname, result.stdout)
        job.wait(check=True)
    """

    calls: Calls = field(repr=False, compare=False)

    @classmethod
    def of(cls, document: Mapping[str, Any], calls: Calls) -> Job:
        """From a job of the API."""
        return cls(**job_values(document), calls=calls)

    def refresh(self) -> Job:
        """The job as it is now."""
        return Job.of(self.calls.job(self.id), self.calls)

    def wait(self, *, check: bool = False, timeout: float | None = None) -> Job:
        """The job once it has ended on every host.

        ``check``: raise ``JobFailed``, which names the hosts, unless it ended well. Raises ``WaitTimeout`` after
        ``timeout`` seconds, if set; the job continues.
        """
        document: Document = {}
        for document in self._documents(timeout):  # noqa: B007 (the last one counts)
            pass
        job = Job.of(document, self.calls)
        if check:
            job.check()
        return job

    def results(self, *, timeout: float | None = None) -> Iterator[Result]:
        """The result of each host as it comes, until the job has ended on every host.

        Raises ``WaitTimeout`` after ``timeout`` seconds, if set.
        """
        seen: set[str] = set()
        for document in self._documents(timeout):
            for result in results_of(document):
                if result.hostname not in seen:
                    seen.add(result.hostname)
                    yield result

    def output(self, hostname: str | None = None, *, follow: bool = False) -> Iterator[str]:
        """The text that the job printed on a host so far; with ``follow``, as it comes until it has ended there.

        Without ``hostname``: on all hosts, one after the other, or with ``follow`` as it comes (at most 50 hosts).
        """
        pages = self.calls.follow_logs if follow else self.calls.iter_logs
        for page in pages(self.id, hostname):
            for chunk in page["chunks"]:
                yield chunk["text"]

    def check(self) -> None:
        """Raise ``JobFailed`` if this snapshot is final and did not end well."""
        raise_for([self])

    def cancel(self) -> Job:
        """Cancel the job on every host; raises ``Conflict`` if it has ended."""
        return Job.of(self.calls.cancel(self.id), self.calls)

    def retry(self, *, only: Sequence[str] | None = None) -> Job:
        """A new job with the same target and options. ``only`` (failed, expired, lost) picks the hosts."""
        return Job.of(self.calls.job(self.calls.retry(self.id, only=only)["job_id"]), self.calls)

    def delete(self) -> None:
        """Delete the job, which must have ended."""
        self.calls.delete(self.id)

    def _documents(self, timeout: float | None) -> Iterator[Document]:
        """The job again and again, up to the document in which it is final."""
        pacer = Pacer(self.id, timeout)
        pacer.answered(self.raw)
        while True:
            pacer.ask()
            try:
                document = self.calls.job(self.id)
            except (ConnectionFailed, Unavailable) as error:
                pacer.unreachable(error)
            else:
                pacer.answered(document)
                yield document
                if JobInfo(**job_values(document)).is_final:
                    return
            time.sleep(pacer.pause())


def raise_for(jobs: Iterable[JobInfo]) -> None:
    """Raise ``JobFailed`` if any of these jobs has ended and not well."""
    failed = [job for job in jobs if job.is_final and not job.ok]
    if failed:
        raise JobFailed(job=failed[0], others=failed[1:])
