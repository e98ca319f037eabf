"""Text as it comes from editors and shells of any system."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from jobqueue.plain_text import decoded, reason_of, with_unix_breaks


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks(encoding: str) -> None:
    assert decoded('{"a": "é"}'.encode(encoding)) == '{"a": "é"}'


def test_big_endian() -> None:
    assert decoded(b"\xfe\xff\0a\0b") == "ab"


def test_binary_data_is_not_text() -> None:
    with pytest.raises(UnicodeError):
        decoded(b"\xe9t\xe9")


def test_line_breaks_that_may_be_meant_stay() -> None:
    assert with_unix_breaks("a\r\nb\r\n") == "a\nb\n"
    assert with_unix_breaks("a\r\nb\n") == "a\r\nb\n"
    assert with_unix_breaks("a\rb") == "a\rb"


def test_a_reason_repeats_neither_the_path_nor_an_error_number(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "none").read_bytes()
    with pytest.raises(UnicodeError) as binary:
        decoded(b"\xe9t\xe9")
    assert reason_of(missing.value) == os.strerror(errno.ENOENT)
    assert reason_of(binary.value) == "byte 0 is not valid UTF-8"
    assert reason_of(OSError("no number")) == reason_of(ValueError("no number")) == "no number"
