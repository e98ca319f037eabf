"""A secret whose backslashes a program has taken for escapes: ``echo`` of dash, which is ``sh`` on Debian, does."""

from __future__ import annotations

import re
from collections.abc import Iterator

_LETTERS = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b"e": b"\x1b",
    b"E": b"\x1b",
    b"\\": b"\\",
}
_NONE = r"(\Zx)"
_HEXADECIMAL = r"x([0-9a-fA-F]{1,2})"


def _escapes(octal: str, hexadecimal: str, letters: str) -> re.Pattern[bytes]:
    return re.compile(rf"\\(?:{octal}|{hexadecimal}|([{letters}\\]))".encode())


#: The escapes that a program knows.
_ESCAPES = (
    _escapes("0?([0-7]{1,3})", _NONE, "abfnrtve"),  # echo and printf %b of dash
    _escapes("0([0-7]{0,3})", _HEXADECIMAL, "abfnrtveE"),  # echo -e of bash
    _escapes("([0-7]{1,3})", _NONE, "abfnrtve"),  # printf of dash
    _escapes("([0-7]{1,3})", _HEXADECIMAL, "abfnrtveE"),  # printf of bash
    _escapes("([0-7]{1,3})", _HEXADECIMAL, "abfnrtv"),  # awk -v
)


def interpreted(value: str) -> Iterator[str]:
    """What programs print for ``value`` if they take its backslashes for escapes; nothing if none of them does."""
    raw = value.encode()
    if b"\\" not in raw:
        return
    for text in {escapes.sub(_meaning, raw) for escapes in _ESCAPES} - {raw}:
        try:
            yield text.decode()
        except UnicodeDecodeError:  # bytes that are no text are searched for in no form
            continue


def _meaning(escape: re.Match[bytes]) -> bytes:
    octal, hexadecimal, letter = escape.groups()
    if letter is not None:
        return _LETTERS[letter]
    number = int(octal or b"0", 8) if octal is not None else int(hexadecimal, 16)
    return bytes([number & 0xFF])
