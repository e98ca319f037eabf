"""A job's output as one text: all streams, all agents, in order."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from api.context import services
from jobqueue.model.job import Job
from jobqueue.model.output import OutputPage


def whole(job: Job) -> Iterator[str]:
    """What has been printed by now, piece by piece."""
    for host, heading in _parts(job):
        text = _Text(heading)
        offset = 0
        while True:
            page = services().output(job.id, host, offset)
            yield text.of(page)
            if not page.chunks:
                break
            offset = page.next_offset
        yield text.end()


def follow(job: Job) -> Iterator[str]:
    """The same from its beginning, as it comes, to the end of the job; an empty text at least every half second.

    Several agents' output comes one agent after the other.
    """
    for host, heading in _parts(job):
        text = _Text(heading)
        for page in services().follow(job.id, host):
            yield text.of(page)
        yield text.end()


def _parts(job: Job) -> list[tuple[str | None, str]]:
    """(hostname, heading) per execution; a job on one agent needs neither."""
    if len(job.executions) == 1:
        return [(None, "")]
    return [(x.hostname, f"==> {x.hostname} <==\n") for x in job.executions]


class _Text:
    """Makes text of one execution's bytes. Characters may be cut in two between pieces of one stream."""

    def __init__(self, heading: str) -> None:
        self._heading = heading
        self._decoders: dict[str, codecs.IncrementalDecoder] = {}
        self._whose: tuple[str, int] = ("", 0)

    def of(self, page: OutputPage) -> str:
        """The text of one more page."""
        found = [self._heading]
        self._heading = ""
        if page.cut:
            found.append(self.end() + f"[{page.cut} bytes of output are no longer kept]\n")
        for chunk in page.chunks:
            whose = (page.hostname, chunk.attempt)
            if whose != self._whose:  # another process: what the last one left undone stays so
                found.append(self.end())
                self._whose = whose
            decoder = self._decoders.get(chunk.stream)
            if decoder is None:
                decoder = self._decoders[chunk.stream] = codecs.getincrementaldecoder("utf-8")("replace")
            found.append(decoder.decode(chunk.data))
        return "".join(found)

    def end(self) -> str:
        """What is left when nothing follows: characters of which only the beginning came."""
        left = "".join(decoder.decode(b"", final=True) for decoder in self._decoders.values())
        self._decoders.clear()
        return left
