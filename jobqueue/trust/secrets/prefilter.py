r"""Cheaply rules out that a text holds a secret: nearly all texts hold none.

Each needle has an *anchor*: a run of its letters and digits. No tool that escapes punctuation touches them, so the
anchor appears unchanged in the text, except for colours, blanks and escaped blanks. Nothing is ruled out if
the text holds escapes of letters, of digits or of escape characters, or rows of a dump.
"""

from __future__ import annotations

import re
from itertools import islice

from jobqueue.trust.secrets import colours, dumps
from jobqueue.trust.secrets.forms import MARKED_BREAK, bare
from jobqueue.trust.secrets.needles import Needles

#: Bytes whose escapes may be part of an anchor, or make another escape.
_LOUD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._%#;\\\x1b")
#: Bytes whose escapes stand within an anchor where a text was folded or is UTF-16.
_SILENT = frozenset(b"\0\t\n\v\f\r ")
#: Distinct colour sequences of a text that are left out by the faster way.
_MOST_SEQUENCES = 16


def _classes(codes: frozenset[int], width: str) -> bytes:
    """A regular expression for numbers of that format: ``3[0-9]`` for each of their beginnings."""
    digits: dict[str, str] = {}
    for number in (format(code, width) for code in sorted(codes)):
        last = number[-1]
        digits[number[:-1]] = digits.get(number[:-1], "") + last + (last.upper() if last.isalpha() else "")
    return "|".join(f"{first}[{last}]" for first, last in digits.items()).encode("ascii")


def _escapes(codes: frozenset[int], names: bytes) -> tuple[tuple[bytes, re.Pattern[bytes]], ...]:
    """A byte of each escape of one of ``codes``, and the escapes."""
    hexadecimal, octal, decimal = _classes(codes, "02x"), _classes(codes, "03o"), _classes(codes, "d")
    single = b"".join(b"%x" % code for code in sorted(codes) if code < 16)
    numbers = rb"#0{0,4}(?:%b)|#[xX]0{0,4}(?:%b)" % (decimal, hexadecimal)
    if single:
        numbers += rb"|#[xX][%b]" % (single + single.upper())
    return (
        (b"%", re.compile(rb"%%(?:%b)" % hexadecimal)),
        (b"\\", re.compile(rb"\\(?:u00(?:%b)|x(?:%b)|(?:%b))" % (hexadecimal, hexadecimal, octal))),
        (b";", re.compile(rb"&(?:%b|%b);" % (numbers, names))),
    )


#: What an ampersand makes an entity with; without it, an escape of an ampersand is not loud.
_ENTITY_FOLLOWS = rb"(?=[#%&\\]|[0-9A-Za-z]{1,32}[;%&\\])"
_LOUD_ESCAPES = (
    *_escapes(_LOUD, b"num|percnt|semi|bsol|period|lowbar|fjlig"),
    (b"%", re.compile(rb"%26" + _ENTITY_FOLLOWS)),
    (b"\\", re.compile(rb"\\(?:u0026|x26|046)" + _ENTITY_FOLLOWS)),
    (b";", re.compile(rb"&(?:amp|AMP|#0{0,4}38|#[xX]0{0,4}26);" + _ENTITY_FOLLOWS)),
)
_SILENT_ESCAPES = (
    *_escapes(_SILENT, b"Tab|NewLine"),
    (b"\\", re.compile(rb"\\[nrtvf]")),
)
#: The most frequent of those that are passed over, and blanks of the same length: no bytes need be moved.
_FREQUENT = ((b"%", b"%20", b"   "), (b"\\", b"\\n", b"  "), (b"\\", b'\\"', b"  "))


class Prefilter:
    """Rules out texts for a set of needles."""

    def __init__(self, needles: Needles) -> None:
        self._anchors = sorted(needles.anchors, key=len, reverse=True)
        self._unanchored = [needle for needle in needles.undone if needle in needles.unanchored]
        # blanks are left out of both: more than in the search itself, which leaves out line breaks and indentation
        self._exact = [needle.translate(None, b" \t\r\n") for needle in needles.exact]

    def may_hold(self, text: bytes) -> bool:
        """Whether ``text`` must be searched."""
        plain = _without_colours(text) if b"\x1b" in text else text
        if self._exact and self._has_exact(plain):
            return True
        if not self._anchors and not self._unanchored:
            return False
        if self._unanchored and self._has_unanchored(plain):
            return True
        for mark, escape, blanks in _FREQUENT:
            if mark in plain:
                plain = plain.replace(escape, blanks)
        if any(mark in plain and pattern.search(plain) for mark, pattern in _LOUD_ESCAPES):
            return True
        for mark, pattern in _SILENT_ESCAPES:
            if mark in plain:
                plain = pattern.sub(b"", plain)
        if self._has_anchor(plain) or dumps.has_rows(text):
            return True
        unmarked = MARKED_BREAK.sub(b"", plain)
        return len(unmarked) < len(plain) and self._has_anchor(unmarked)

    def _has_anchor(self, plain: bytes) -> bool:
        solid = bare(plain)
        return any(anchor in solid for anchor in self._anchors)

    def _has_exact(self, plain: bytes) -> bool:
        solid = plain.translate(None, b" \t\r\n")
        return any(needle in solid for needle in self._exact)

    def _has_unanchored(self, plain: bytes) -> bool:
        """An escape may be any part of a needle without an anchor."""
        if b"%" in plain or b"&" in plain or b"\\" in plain:
            return True
        solid = bare(plain)
        return any(needle in solid for needle in self._unanchored)


def _without_colours(text: bytes) -> bytes:
    """``text`` with blanks in the place of colours."""
    for sequence in {match[0] for match in islice(colours.SEQUENCE.finditer(text), _MOST_SEQUENCES)}:
        text = text.replace(sequence, b" " * len(sequence))
    return colours.SEQUENCE.sub(b"", text) if b"\x1b" in text else text
