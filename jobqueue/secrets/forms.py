"""The forms in which programs print a secret: as it is, quoted, escaped, and encoded."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

#: Bytes of the shortest secret. Shorter ones would be found, by chance, in text that has nothing to do with them.
SHORTEST = 8


def forms(value: str) -> frozenset[bytes]:
    """Every form of ``value`` that is looked for, without line breaks: a form is found wherever lines were broken."""
    found = {*_forms(value), *_forms(value.strip())}
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        # a key of many lines is also printed line by line, indented or numbered
        found |= {form for line in lines if len(line.encode()) >= SHORTEST for form in _forms(line)}
    squeezed = {form.translate(None, b"\r\n") for form in found}
    return frozenset(form for form in squeezed if len(form) >= SHORTEST)


def _forms(value: str) -> Iterator[bytes]:
    raw = value.encode()
    yield raw
    for text in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]):
        yield text.encode()
    # escaped once more: JSON inside of JSON
    yield json.dumps(json.dumps(value)[1:-1])[1:-1].encode()
    yield shlex.quote(value).strip("'").encode()
    for text in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield text.encode()
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    yield from _base64(raw)


def _base64(raw: bytes) -> Iterator[bytes]:
    """What base64 makes of ``raw`` wherever it lies in a longer text: the characters that depend on it alone."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw)
        # the first characters depend on what comes before, the last one on what follows
        core = text[(0, 2, 3)[before] : (before + len(raw)) * 8 // 6]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))
