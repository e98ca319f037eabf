"""The output of an execution, in pieces."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

STDOUT = "stdout"
STDERR = "stderr"
#: The stream for the agent's own notices, such as truncated output.
AGENT = "agent"
STREAMS = frozenset({STDOUT, STDERR, AGENT})


@dataclass(frozen=True)
class Chunk:
    """A piece of output. ``end`` is the byte offset after it in the whole output, across all streams.

    ``attempt`` counts from 1; ``data`` are the bytes as written.
    """

    end: int
    stream: str
    data: bytes
    attempt: int = 1

    @property
    def start(self) -> int:
        return self.end - len(self.data)

    @property
    def text(self) -> str:
        """The bytes as text; invalid UTF-8 becomes U+FFFD."""
        return self.data.decode("utf-8", "replace")

    def after(self, offset: int) -> Chunk:
        """The part of the chunk after ``offset``."""
        return (
            self
            if offset <= self.start
            else Chunk(self.end, self.stream, self.data[offset - self.start :], self.attempt)
        )

    def document(self) -> dict[str, Any]:
        """As JSON; invalid UTF-8 is also returned as ``base64``."""
        shown = {"offset": self.end, "stream": self.stream, "attempt": self.attempt, "text": self.text}
        if shown["text"].encode() != self.data:  # type: ignore[attr-defined]
            shown["base64"] = base64.b64encode(self.data).decode()
        return shown


@dataclass(frozen=True)
class OutputPage:
    """Some output, oldest first. ``next_offset`` is where to continue.

    ``cut`` bytes before the first piece were requested but are no longer stored. ``complete``: the execution has ended
    and nothing follows. ``ended``: the agent says so.
    """

    hostname: str
    chunks: tuple[Chunk, ...] = field(default_factory=tuple)
    next_offset: int = 0
    cut: int = 0
    complete: bool = False
    state: str = ""
    ended: bool = False


@dataclass(frozen=True)
class HostOutputs:
    """The output of several hosts of a job, of each at least its beginning, in order of hostnames.

    ``total`` counts all hosts that were asked for; ``next_cursor`` is the last hostname here, None if no more follow.
    """

    pages: tuple[OutputPage, ...]
    total: int
    next_cursor: str | None
