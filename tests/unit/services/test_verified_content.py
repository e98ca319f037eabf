"""Content that is verified while it is read: what is too long, too short or other is refused before its end."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable

import pytest

from jobqueue.errors import RecordAltered
from jobqueue.services.verified_content import verified

CONTENT = b"abcdef"
ALTERED = RecordAltered("altered")


def read(pieces: Iterable[bytes]) -> bytes:
    return b"".join(verified(pieces, len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), ALTERED))


def test_the_content() -> None:
    assert read([b"abc", b"", b"def"]) == CONTENT


@pytest.mark.parametrize(
    "pieces", [[], [b"abc"], [b"abcdeg"], [b"abc", b"defg"]], ids=["none", "short", "other", "long"]
)
def test_other_content(pieces: list[bytes]) -> None:
    with pytest.raises(RecordAltered):
        read(pieces)


def test_content_that_never_ends_is_refused_once_it_is_too_long() -> None:
    """As a bucket may send it: no more of it is read."""
    taken: list[bytes] = []
    pieces = (taken.append(CONTENT) or CONTENT for _ in itertools.count())
    given = verified(pieces, len(CONTENT), "", ALTERED)
    with pytest.raises(RecordAltered):
        for _ in itertools.islice(given, 100):
            pass
    assert len(taken) == 2
