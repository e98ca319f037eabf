"""Live output in the ledger: a bounded stream per execution."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import redis

from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Argument, Scripts
from jobqueue.model.output import Chunk

#: Maximum number of entries of one read, and of the bytes in them if there are several: a reader holds them in memory
#: for as long as its client takes to receive them.
_MOST_ENTRIES = 500
_MOST_BYTES = 256 * 1024
#: Entries of one read that waits, each of at most 64 KiB.
_MOST_AWAITED = 16


@dataclass(frozen=True)
class Piece:
    """Bytes of one stream that an agent appends."""

    stream: str
    data: bytes


@dataclass(frozen=True)
class Batch:
    """The result of a read. ``ended``: the agent has reported the end of the output after these pieces."""

    chunks: tuple[Chunk, ...]
    ended: bool


class Output:
    """The output of all executions of one ledger."""

    def __init__(self, client: redis.Redis, keys: Keys, scripts: Scripts, *, cap_bytes: int) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._cap = cap_bytes

    def append(self, claim: Claim, number: int, pieces: Iterable[Piece]) -> bool:
        """Add pieces in order; returns False if the claim is stale and nothing was added.

        ``number`` grows with every batch of one claim: a batch that is sent again is not added twice.
        """
        arguments: list[Argument] = []
        for piece in pieces:
            try:
                kind, payload = "t", piece.data.decode()
            except UnicodeDecodeError:  # the connection is a text connection
                kind, payload = "b", base64.b64encode(piece.data).decode()
            arguments += [piece.stream, len(piece.data), kind, payload]
        attempt_key = (claim.job_id, claim.hostname, claim.token)
        return bool(self._scripts.call("append_output", *attempt_key, self._cap, number, *arguments) >= 0)

    def read(self, job_id: str, hostname: str, offset: int) -> Batch:
        """The output after the byte ``offset``: some hundred pieces, or a quarter of a MiB."""
        key, begin = self._keys.log(job_id, hostname), f"({offset}-0"
        with translated_errors(), self._client.pipeline(transaction=False) as pipe:
            pipe.xrange(key, begin, str(offset + _MOST_BYTES), count=_MOST_ENTRIES)
            pipe.xrange(key, begin, "+", count=1)  # output that is no longer stored lies before it, or it is larger
            entries, following = pipe.execute()
        return _batch(entries or following, offset)

    def wait(self, job_id: str, hostname: str, offset: int, seconds: float) -> Batch:
        """The same as ``read``, waiting up to ``seconds`` for output. Holds a connection meanwhile."""
        key = self._keys.log(job_id, hostname)
        with translated_errors():
            answer: Any = self._client.xread({key: f"{offset}-0"}, count=_MOST_AWAITED, block=int(seconds * 1000))
        if not answer:
            return Batch((), False)
        streams = answer.values() if isinstance(answer, dict) else [entries for _, entries in answer]
        return _batch(next(iter(streams)), offset)


def _batch(entries: list[tuple[str, dict[str, str]]], offset: int) -> Batch:
    chunks: list[Chunk] = []
    ended = False
    for entry_id, fields in entries:
        if "end" in fields:
            ended = True
            continue
        data = fields["t"].encode() if "t" in fields else base64.b64decode(fields["b"])
        chunk = Chunk(int(entry_id.partition("-")[0]), fields["s"], data, int(fields["a"]))
        chunks.append(chunk.after(offset))
        ended = False  # an earlier attempt's end
    return Batch(tuple(chunks), ended)
