"""A job's output as one text: all streams, all agents, in order."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from api.context import services
from api.ray import mapping
from api.ray.status import ENTRYPOINT, RUNNING, phase_of
from jobqueue.errors import JobNotFound
from jobqueue.model.job import Execution, Job
from jobqueue.model.output import AGENT, OutputPage


def whole(job: Job) -> Iterator[str]:
    """The output so far, piece by piece."""
    for execution, host, heading in _parts(job):
        text = _Text(heading, _first_line(job))
        offset = 0
        while True:
            page = services().output.page(job.id, host, offset)
            yield text.of(page)
            if not page.chunks:
                break
            offset = page.next_offset
        yield text.end(has_run=_has_run(execution))


def follow(job: Job) -> Iterator[str]:
    """The same from its beginning, as it comes, to the end of the job; an empty text at least every half second.

    Several agents' output comes one agent after the other.
    """
    for _, host, heading in _parts(job):
        text = _Text(heading, _first_line(job))
        for page in services().output.follow(job.id, host):
            yield text.of(page)
        yield text.end(has_run=_has_run_by_now(job.id, host))


def _parts(job: Job) -> list[tuple[Execution, str | None, str]]:
    """(execution, hostname, heading); a job on one agent needs neither of the last two."""
    if len(job.executions) == 1:
        return [(job.executions[0], None, "")]
    return [(execution, execution.hostname, f"==> {execution.hostname} <==\n") for execution in job.executions]


def _first_line(job: Job) -> str:
    """The line that Ray writes into the log before the entrypoint's output: scripts look for it."""
    if job.operation != ENTRYPOINT:
        return ""
    return f"Running entrypoint for job {mapping.name_of(job)}: {job.data.get('entrypoint', '')}\n"


def _has_run_by_now(job_id: str, host: str | None) -> bool:
    """Whether it was started on the host, or anywhere for None; the job has moved on since its output began."""
    try:
        executions = services().jobs.get(job_id).executions
    except JobNotFound:  # it was deleted
        return False
    return any(_has_run(execution) for execution in executions if host in (None, execution.hostname))


def _has_run(execution: Execution) -> bool:
    """Whether the entrypoint was started."""
    return phase_of(execution) == RUNNING


class _Text:
    """Makes text of one execution's bytes. Characters may be cut in two between pieces of one stream."""

    def __init__(self, heading: str, first_line: str) -> None:
        self._heading = heading
        self._first_line = first_line  # until it has been said
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}
        self._whose: tuple[str, int] = ("", 0)

    def of(self, page: OutputPage) -> str:
        """The text of one more page."""
        lines = [self._heading]
        self._heading = ""
        if page.cut:
            lines.append(self._left() + f"[{page.cut} bytes of output are no longer stored]\n")
        for chunk in page.chunks:
            source = (page.hostname, chunk.attempt)
            if source != self._whose:  # another process: the incomplete line of the last one stays as it is
                lines.append(self._left())
                self._whose = source
            if chunk.stream != AGENT:
                lines.append(self._take_first_line())
            decoder = self._decoders.get(chunk.stream)
            if decoder is None:
                decoder = self._decoders[chunk.stream] = codecs.getincrementaldecoder("utf-8")("replace")
            lines.append(decoder.decode(chunk.data))
        return "".join(lines)

    def end(self, *, has_run: bool) -> str:
        """The rest of the text at the end. ``has_run``: the command was started, even without output."""
        return self._left() + (self._take_first_line() if has_run else "")

    def _take_first_line(self) -> str:
        line, self._first_line = self._first_line, ""
        return line

    def _left(self) -> str:
        """Characters of which only the beginning came."""
        incomplete = "".join(decoder.decode(b"", final=True) for decoder in self._decoders.values())
        self._decoders.clear()
        return incomplete
