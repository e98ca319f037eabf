"""Output is kept within bounds, head and tail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobqueue.operations.process.capture import Capture


def _captured(limit: int, *chunks: bytes) -> Capture:
    capture = Capture(limit)
    for chunk in chunks:
        capture.write(chunk)
    return capture


def test_what_fits_is_kept_whole() -> None:
    capture = _captured(10, b"01234", b"56789")
    assert capture.text() == "0123456789"
    assert not capture.is_cut()


def test_the_middle_is_cut_and_counted() -> None:
    capture = _captured(10, b"ABCDE", b"x" * 1000, b"VWXYZ")
    assert capture.text() == "ABCDE\n[... 1000 bytes cut ...]\nVWXYZ"
    assert capture.is_cut()
    assert capture.total == 1010


def test_it_can_be_cut_further() -> None:
    capture = _captured(100, b"0123456789")
    assert capture.text(4) == "01\n[... 6 bytes cut ...]\n89"
    assert capture.is_cut(4)
    assert not capture.is_cut(10)


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    assert _captured(10, b"a\xff\xfeb").text() == "a\ufffd\ufffdb"


@pytest.mark.parametrize("character", ["é", "€", "😀"])
def test_a_cut_leaves_no_half_characters(character: str) -> None:
    for limit in range(16, 24):
        text = _captured(limit, character.encode() * 100).text()
        assert "\ufffd" not in text


def test_a_whole_character_at_the_cut_stays() -> None:
    assert _captured(8, "abé".encode() + b"-" * 100 + "éyz".encode()).text() == "abé\n[... 100 bytes cut ...]\néyz"


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(min_value=2, max_value=200))
def test_nothing_is_lost_that_fits_and_the_count_is_exact(chunks: list[bytes], limit: int) -> None:
    whole = b"".join(chunks)
    capture = _captured(limit, *chunks)
    assert capture.total == len(whole)
    assert capture.is_cut() == (len(whole) > limit)
    if not capture.is_cut():
        assert capture.text() == whole.decode("utf-8", "replace")
    else:
        head = len(whole[: limit // 2])
        assert len(capture.text().encode()) <= 3 * limit + 40  # a replaced byte takes three
        assert head <= limit
