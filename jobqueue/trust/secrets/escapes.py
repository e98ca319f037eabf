r"""Undoes the escapes of URLs, HTML, JSON, shells and programming languages: ``%2f``, ``&lt;``, ``\u003c``, ``\x3c``.

Only in the text that is searched: the output keeps its escapes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from jobqueue.trust.secrets.rewriting import Rewritten

#: Maximum depth of nested escapes.
_MOST_LEVELS = 4
#: Characters that can begin an escape. An escape that results from undoing another needs one more level.
_MARKS = b"%&\\"
#: An escape that may go on after the end of the text.
_UNFINISHED = re.compile(rb"(?:%[0-9A-Fa-f]?|&[#0-9A-Za-z]{0,32}|\\(?:u[0-9A-Fa-f]{0,3}|x[0-9A-Fa-f]?|[0-7]{0,2}))\Z")
_LONGEST_UNFINISHED = 33

_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*")
_ENTITY = re.compile(rb"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][0-9A-Za-z]{1,31});")
# earlier backslashes are kept: they are ignored anyway, because quoting doubles them at each level
_UNICODE = re.compile(rb"\\u[0-9A-Fa-f]{4}(?:\\{1,32}u[0-9A-Fa-f]{4}){0,15}")
_BACKSLASH = re.compile(rb"\\(?:x[0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2})*|[0-3][0-7]{2}(?:\\[0-3][0-7]{2})*|[nrtvf])")


def cut_unfinished(text: Rewritten) -> int | None:
    """Cut an escape that may continue after the end of ``text``; returns where it began in the original."""
    length = len(text.text)
    match = _UNFINISHED.search(text.text, max(0, length - _LONGEST_UNFINISHED))
    if match is None:
        return None
    begin, _ = text.span(match.start(), length)
    text.replace([(match.start(), length, b"")])
    return begin


def undo(text: Rewritten) -> bool:
    """Undo the escapes in ``text``; returns whether there were any."""
    changed = False
    for _ in range(_MOST_LEVELS):
        nested = False
        for mark, pattern, decode, even in _KINDS:
            if mark not in text.text:
                continue
            parts = list(_parts(pattern, decode, text.text))
            if parts:
                changed = True
                nested = nested or any(byte in part[2] for part in parts for byte in _MARKS)
                text.replace(parts, even=even)
        if not nested:
            break
    return changed


def _parts(
    pattern: re.Pattern[bytes], decode: Callable[[bytes], bytes], text: bytes
) -> Iterator[tuple[int, int, bytes]]:
    for match in pattern.finditer(text):
        yield match.start(), match.end(), decode(match[0])


def _percent(run: bytes) -> bytes:
    return bytes.fromhex(run.replace(b"%", b"").decode("ascii"))


def _unicode(run: bytes) -> bytes:
    codes = b"\\u" + b"\\u".join(part.rstrip(b"\\") for part in run.split(b"u")[1:])
    return str(json.loads(b'"' + codes + b'"')).encode("utf-8", "surrogatepass")


def _backslash(run: bytes) -> bytes:
    kind = run[1:2]
    if kind == b"x":
        return bytes.fromhex(run.replace(b"\\x", b"").decode("ascii"))
    if kind.isdigit():
        return bytes(int(code, 8) for code in run.split(b"\\")[1:])
    return b""  # a line break or a tab: whitespace is ignored


def _entity(entity: bytes) -> bytes:
    name = entity[1:].decode("ascii")
    if not name.startswith("#"):
        from html.entities import html5  # half a MiB, which most agents never need

        return html5.get(name, entity.decode("ascii")).encode()
    digits = name[1:-1]
    code = int(digits[1:], 16) if digits[0] in "xX" else int(digits)
    return chr(code).encode("utf-8", "surrogatepass") if code <= 0x10FFFF else entity


#: What marks an escape, the escape, its meaning, and whether a run of them has as many bytes for each byte.
_KINDS: tuple[tuple[bytes, re.Pattern[bytes], Callable[[bytes], bytes], bool], ...] = (
    (b"%", _PERCENT, _percent, True),
    (b"&", _ENTITY, _entity, False),
    (b"\\u", _UNICODE, _unicode, False),
    (b"\\", _BACKSLASH, _backslash, True),
)
