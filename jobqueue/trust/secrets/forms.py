"""The forms in which programs print a secret: as it is, quoted, escaped, and encoded."""

from __future__ import annotations

import base64
import json
import quopri
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

#: Bytes of the shortest secret. Shorter ones would match unrelated text by chance.
SHORTEST = 8
#: Bytes that are passed over, in secrets as in text: blanks, what quotes and escapes, what separates digits, and the
#: NULs that UTF-16 puts between letters.
PASSED_OVER = b" \t\n\v\f\r\0\\'\"=:,"
#: Upper case counts as lower case, and the base64 of URLs as the ordinary one.
BARE = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", b"abcdefghijklmnopqrstuvwxyz+/")
#: A line break, with the indentation of the next line.
BREAK = re.compile(rb"[\r\n]+[ \t]*")
#: A line break, with the mark of a diff or a quotation before the next line; some marks are letters of base64, too. One
#: break only: the time for many must not grow with their square.
MARKED_BREAK = re.compile(rb"[\r\n][ \t]*[-+<>|]")


@dataclass(frozen=True)
class Forms:
    """Search forms: ``bare`` for text without ignored bytes, ``exact`` for text that only lacks line breaks.

    ``exact`` is for secrets of which too little would be left, and for digits, which dates and times look like.
    ``codes``: those of ``bare`` that are encoded, in base64 or hexadecimal.
    """

    bare: frozenset[bytes]
    exact: frozenset[bytes]
    codes: frozenset[bytes]

    @classmethod
    def of(cls, value: str) -> Forms:
        """All search forms of ``value``."""
        texts = {*_texts(value), *_texts(value.strip())}
        codes = {*_encoded(value), *_encoded(value.strip())}
        lines = [line.strip() for line in value.splitlines()]
        if len(lines) > 1:
            # a key of many lines is also printed line by line, numbered or in part
            parts = [line for line in lines if len(line.encode()) >= SHORTEST]
            texts |= {line.encode() for line in parts}
            codes |= {code for line in parts for code in (*_base64(line.encode()), line.encode().hex().encode())}
        bare_texts = {text: bare(text) for text in texts}
        bare_codes = {bare(code) for code in codes}
        forms = {short for short in bare_texts.values() if _is_distinctive(short)} | bare_codes
        exact = {BREAK.sub(b"", text) for text, short in bare_texts.items() if not _is_distinctive(short)}
        return cls(
            frozenset(form for form in forms if len(form) >= SHORTEST),
            frozenset(form for form in exact if len(form) >= SHORTEST),
            frozenset(bare_codes),
        )


def bare(text: bytes) -> bytes:
    """``text`` as ``Forms.bare`` are written."""
    return text.translate(BARE, PASSED_OVER)


def latin(value: str) -> bytes:
    """``value`` as it is once the ``\\xe9`` of Python's ``ascii()`` are undone, which stand for characters."""
    return value.encode("latin-1", "backslashreplace")


def edges(value: str) -> tuple[bytes, bytes]:
    """The ignored bytes at both ends of a secret; next to a match they belong to it."""
    raw = value.strip().encode()
    rest = raw.lstrip(PASSED_OVER)
    return raw[: len(raw) - len(rest)], raw[len(raw.rstrip(PASSED_OVER)) :]


def _is_distinctive(short: bytes) -> bool:
    return len(short) >= SHORTEST and not short.isdigit()


def _texts(value: str) -> Iterator[bytes]:
    """``value`` in human-readable forms."""
    raw = value.encode()
    yield raw
    for text in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]):
        yield text.encode()
    yield json.dumps(json.dumps(value)[1:-1])[1:-1].encode()
    yield shlex.quote(value).strip("'").encode()
    for text in (quote(value, safe=""), quote(value), quote_plus(value), value.replace(" ", "+")):
        yield text.encode()
    yield quopri.encodestring(raw)
    yield quopri.encodestring(raw, quotetabs=True)
    if not value.isascii():  # what Python's ascii() has as \\xe9 is a character, not a byte of UTF-8
        yield latin(value)
        yield ascii(value)[1:-1].encode()


def _encoded(value: str) -> Iterator[bytes]:
    raw = value.encode()
    yield raw.hex().encode()
    yield "".join(f"0x{byte:02x}" for byte in raw).encode()
    yield from _base64(raw)
    for wide in (value.encode("utf-16-le"), value.encode("utf-16-be")):
        if not value.isascii():  # else its letters are those of `raw`, with NULs between them
            yield wide
        yield from _base64(wide)


def _base64(raw: bytes) -> Iterator[bytes]:
    """Base64 of ``raw`` at any offset in a longer text: only the characters that depend on ``raw`` alone."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw)
        # the first characters depend on what comes before, the last one on what follows
        yield text[(0, 2, 3)[before] : (before + len(raw)) * 8 // 6]
