"""Reads the rows of xxd, hexdump, od, curl, openssl and tcpdump: an offset, the bytes, and often the same as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

#: Whether a text may hold a row. Most hold none, and this is cheaper than searching for each kind.
_BEGIN = rb"(?:[0-9A-Fa-f]{6,8}:? |[ \t]{0,8}(?:0x)?[0-9A-Fa-f]{4}(?::| -) {1,2}[0-9A-Fa-f]{2})"
_HINT = re.compile(rb"\n" + _BEGIN)
_FIRST = re.compile(_BEGIN)
_ROWS = re.compile(
    rb"^(?:"
    rb"(?:[0-9A-Fa-f]{8}: (?P<xxd>[0-9A-Fa-f]{2,8}(?: [0-9A-Fa-f]{2,8}){0,255}) {1,44}.{0,16})"
    # curl --trace, openssl (BIO_dump), tcpdump -X
    rb"|[ \t]{0,8}(?:0x)?[0-9A-Fa-f]{4}(?::| -) {1,2}"
    rb"(?P<short>[0-9A-Fa-f]{2,4}(?:[ -][0-9A-Fa-f]{2,4}){0,15})(?:[ -] {0,48}.{0,16})?"
    rb"|[0-9A-Fa-f]{6,8}(?:"
    rb"(?P<cells>(?: {3}[ -~]| {2}\\[0abfnrtv]| [0-7]{3}){1,16}) *(?:>.{0,17})?"
    rb"|(?P<words>(?: {1,4}[0-9A-Fa-f]{4}){1,8}) *(?:>.{0,17})?"
    rb"|(?P<bytes>(?: {1,2}[0-9A-Fa-f]{2}){1,16}) *(?:[|>].{0,17})?"
    rb"))\r?$",
    re.MULTILINE,
)
#: The last row of a text, which may be incomplete: up to the length of a row.
_OPEN = re.compile(
    rb"(?:\A|\n)([0-9A-Fa-f]{1,8}|[0-9A-Fa-f]{6,8}:(?: [^\n]{0,120})?|[0-9A-Fa-f]{6,8} [^\n]{0,120}"
    rb"|[ \t]{0,8}(?:0x?|(?:0x)?[0-9A-Fa-f]{1,4}(?:(?<=[0-9A-Fa-f]{4})(?::| -?)(?: [^\n]{0,112})?)?))\Z"
)
#: Bytes of the longest row.
LONGEST_ROW = 130
_LETTERS = {b"\\0": b"\0", b"\\a": b"\a", b"\\b": b"\b", b"\\f": b"\f", b"\\n": b"\n", b"\\r": b"\r"}
_LETTERS |= {b"\\t": b"\t", b"\\v": b"\v"}


def may_have_rows(text: bytes) -> bool:
    """Whether ``text`` is worth reading as a dump."""
    return bool(_FIRST.match(text) or _HINT.search(text))


def has_rows(text: bytes) -> bool:
    """Whether ``text`` holds a row."""
    return may_have_rows(text) and _ROWS.search(text) is not None


def rows(text: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Each row's start and end, and the bytes that it shows."""
    for match in _ROWS.finditer(text):
        kind = str(match.lastgroup)
        yield match.start(), match.end(), _READERS[kind](match[kind])


def open_row(text: bytes) -> int:
    """How many of the last bytes of ``text`` are a row whose line has not ended; 0 if none are."""
    match = _OPEN.search(text, max(0, len(text) - LONGEST_ROW))
    return len(match[1]) if match else 0


def _digits(cells: bytes) -> bytes:
    digits = cells.translate(None, b" -")
    return bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))


def _swapped(words: bytes) -> bytes:
    """Words of 16 bits in the order of x86 and ARM: the lower byte comes first."""
    return b"".join(bytes.fromhex(word.decode("ascii"))[::-1] for word in words.split())


def _characters(cells: bytes) -> bytes:
    text = bytearray()
    for at in range(0, len(cells), 4):
        cell = cells[at : at + 4].lstrip()
        if len(cell) == 3:
            text.append(int(cell, 8) & 0xFF)
        else:
            text += _LETTERS.get(cell, cell or b" ")
    return bytes(text)


_READERS: dict[str, Callable[[bytes], bytes]] = {
    "xxd": _digits,
    "short": _digits,
    "cells": _characters,
    "words": _swapped,
    "bytes": _digits,
}
