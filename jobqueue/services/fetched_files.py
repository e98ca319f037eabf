"""Files that hosts have sent for a job, each verified: the agent signed its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass

from jobqueue.errors import Conflict, JobQueueError, LedgerUnavailable
from jobqueue.ledger.fetched import FetchedFiles, SentContent
from jobqueue.model.execution_page import ExecutionFilter, ExecutionPage
from jobqueue.model.fetched_file import FetchedFile, files_of
from jobqueue.model.job import Execution
from jobqueue.model.states import ExecutionState
from jobqueue.services.execution_pages import ExecutionReader
from jobqueue.services.result_verifier import SIGNED
from jobqueue.services.verified_content import verified

_PAGE = 100


@dataclass(frozen=True)
class HostFile:
    """A file of a host, whose content has the digest that the agent signed; ``pieces`` reads it again.

    ``pieces`` raises ``Conflict`` if the content is altered meanwhile, before its last piece.
    """

    hostname: str
    file: FetchedFile
    pieces: Callable[[], Iterator[bytes]]


@dataclass(frozen=True)
class MissingFile:
    """A file that cannot be given, or all files of a host (``path`` is then empty), with the reason."""

    hostname: str
    path: str
    reason: str


class FetchedFileReader:
    """Reads the files of a job host by host; never more than two pieces are in memory."""

    def __init__(self, fetched: FetchedFiles, sends_files: Callable[[str], bool]) -> None:
        """``sends_files(operation)``: whether the results of an operation list files."""
        self._fetched = fetched
        self.sends_files = sends_files

    def of_job(
        self, executions: ExecutionReader, job_id: str, hosts: Container[str] | None
    ) -> Iterator[HostFile | MissingFile]:
        """The files of the ``hosts``, None: of all, as far as they have ended by now.

        Raises ``JobNotFound``, and ``Conflict`` for a job of another operation, before the first file.
        """
        page = executions.page(job_id, ExecutionFilter(limit=_PAGE))
        if not self.sends_files(page.job.operation):
            raise Conflict(f"The job {page.job.id} has no files: {page.job.operation} sends none, as file.fetch does.")
        return self._of_pages(executions, page, hosts)

    def _of_pages(
        self, executions: ExecutionReader, page: ExecutionPage, hosts: Container[str] | None
    ) -> Iterator[HostFile | MissingFile]:
        while True:
            for execution in page.items:
                if hosts is None or execution.hostname in hosts:
                    yield from self._of_host(page.job.id, execution)
            if page.next_first is None:
                return
            page = executions.page(page.job.id, ExecutionFilter(first=page.next_first, limit=_PAGE))

    def _of_host(self, job_id: str, execution: Execution) -> Iterator[HostFile | MissingFile]:
        hostname = execution.hostname or execution.slot
        if execution.state is not ExecutionState.COMPLETED:
            state = str(execution.state)
            yield MissingFile(hostname, "", f"{state}: {execution.error}" if execution.error else state)
            return
        if execution.authenticity != SIGNED:
            yield MissingFile(hostname, "", f"its result is {execution.authenticity or 'not verified'}")
            return
        files = files_of(execution.data)
        if files is None:
            yield MissingFile(hostname, "", "its result does not list files as it should")
            return
        content = self._fetched.content(job_id, hostname)
        for file in files:
            reason = _fault(content, file)
            if reason:
                yield MissingFile(hostname, file.path, reason)
            else:
                yield HostFile(hostname, file, _Pieces(content, file))


@dataclass(frozen=True)
class _Pieces:
    content: SentContent
    file: FetchedFile

    def __call__(self) -> Iterator[bytes]:
        altered = Conflict(f"The content of {self.file.path} was altered in Redis while it was read.")
        return verified(self.content.read(self.file.start, self.file.size), self.file.size, self.file.sha256, altered)


def _fault(content: SentContent, file: FetchedFile) -> str:
    """Why the file's content cannot be used; '' for content with the right digest."""
    digest = hashlib.sha256()
    try:
        for piece in content.read(file.start, file.size):
            digest.update(piece)
    except LedgerUnavailable:
        raise
    except JobQueueError as error:  # removed, or a key of another type
        return error.message
    return "" if digest.hexdigest() == file.sha256 else "its content was altered in Redis"
