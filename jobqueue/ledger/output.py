"""Live output in the ledger: a bounded stream per execution."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

import redis

from jobqueue.ledger.connection import translated_errors
from jobqueue.ledger.executions import Claim
from jobqueue.ledger.keys import Keys
from jobqueue.ledger.scripts import Argument, Scripts
from jobqueue.ledger.stream_watch import StreamWatch
from jobqueue.model.output import AGENT, STREAMS, Chunk

#: Maximum number of entries of one read, and of the bytes in them if there are several: a reader holds them in memory
#: for as long as its client takes to receive them.
_MOST_ENTRIES = 500
_MOST_BYTES = 256 * 1024
#: Bytes of one entry, with its fields: several times what an agent appends, which is 64 KiB, perhaps in base64.
_MOST_OF_ENTRY = 512 * 1024


@dataclass(frozen=True)
class Piece:
    """Bytes of one stream that an agent appends."""

    stream: str
    data: bytes


@dataclass(frozen=True)
class Batch:
    """The result of a read. ``ended``: after these pieces, the agent has added an entry without output: its end."""

    chunks: tuple[Chunk, ...]
    ended: bool


class Output:
    """The output of all executions of one ledger."""

    def __init__(self, client: redis.Redis, keys: Keys, scripts: Scripts, *, cap_bytes: int) -> None:
        self._watch = StreamWatch(client)
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
        """The output after the byte ``offset``: some hundred pieces, or a quarter of a MiB.

        An entry that is not of the form in which agents append output is replaced by a note.
        """
        bounds = (_MOST_ENTRIES, _MOST_BYTES, _MOST_OF_ENTRY)
        return _batch(self._scripts.call("read_output", job_id, hostname, offset, *bounds), offset)

    def wait(self, job_id: str, hostname: str, offset: int, seconds: float) -> None:
        """Wait up to ``seconds`` for an entry after ``offset``. Holds a connection meanwhile."""
        with translated_errors():
            self._watch.wait(self._keys.log(job_id, hostname), f"{offset}-0", seconds)


def _batch(entries: list[tuple[str, list[str]]], offset: int) -> Batch:
    chunks: list[Chunk] = []
    ended = False
    for entry_id, flat in entries:
        fields = dict(zip(flat[::2], flat[1::2], strict=False))
        end = int(entry_id.partition("-")[0])
        if "end" in fields or end <= offset:
            ended = True
            continue
        chunks.append(_chunk(end, fields, offset))
        ended = False  # an earlier attempt's end
    return Batch(tuple(chunks), ended)


def _chunk(end: int, fields: dict[str, str], offset: int) -> Chunk:
    """The part of an entry after ``offset``."""
    try:
        data = fields["t"].encode() if "t" in fields else base64.b64decode(fields["b"], validate=True)
        if fields["s"] not in STREAMS:
            raise ValueError(fields["s"])
        return Chunk(end, fields["s"], data, int(fields["a"])).after(offset)
    except (KeyError, ValueError):
        size = fields["left"] if fields.keys() == {"left"} else sum(map(len, fields.values()))
        return Chunk(end, AGENT, f"[entry of {size} bytes left out: no agent of jobqueue sends such output]\n".encode())
