"""Content that is verified while it is read from Redis or from the bucket."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

from jobqueue.errors import JobQueueError


def verified(pieces: Iterable[bytes], size: int, sha256: str, altered: JobQueueError) -> Iterator[bytes]:
    """The pieces. The last one is withheld, and ``altered`` raised, unless all together have this size and digest."""
    digest, read, withheld = hashlib.sha256(), 0, b""
    for piece in pieces:
        if withheld:
            yield withheld
        withheld = piece
        read += len(piece)
        if read > size:  # it may never end
            raise altered
        digest.update(piece)
    if read != size or digest.hexdigest() != sha256:
        raise altered
    yield withheld
