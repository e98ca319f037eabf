"""Takes secrets out of text, JSON and running output."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jobqueue.secrets.forms import forms

MASK = b"***"
#: Where text was cut, a secret may have been cut in two: a remainder of at least so many bytes goes, too.
_LEAST_REMAINDER = 4
_CUTS = re.compile(rb"\n\[\.\.\. \d+ bytes cut[^\]]*\]\n|\.\.\.\Z")
#: The same among many texts, with what stands between them.
_BETWEEN = "\0"
_ANY_CUT = re.compile(rb" bytes cut|\.\.\.(\0|\Z)")
_BREAKS = b"\r\n"
#: Line breaks within one secret that running output is held back for; without a limit, empty lines would pile up.
_MOST_BREAKS = 4096


class Redactor:
    """Knows what to look for. Cheap where nothing is found; never makes anything longer."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        found = {form for value in values for form in forms(value)}
        # a form inside of another one is found with it
        self._forms = sorted(found, key=len, reverse=True)
        self._longest = len(self._forms[0]) if self._forms else 0

    def __bool__(self) -> bool:
        return bool(self._forms)

    def raw(self, data: bytes) -> bytes:
        """``data`` without secrets, wherever their lines were broken."""
        return self.behind(data, 0)[0]

    def behind(self, data: bytes, known: int) -> tuple[bytes, bool]:
        """``data`` from its byte ``known`` on, without secrets; and whether one began before that byte."""
        plain = data.translate(None, _BREAKS)
        hits = [hit for form in self._forms for hit in _hits(plain, form)]
        if not hits:
            return data[known:], False
        places = _places(data, plain)
        clean, done = bytearray(), known
        merged = _merged(hits)
        for start, end in merged:
            clean += data[done : places[start]] + MASK
            done = places[end - 1] + 1
        return bytes(clean + data[done:]), places[merged[0][0]] < known

    def text(self, text: str) -> str:
        """The same for text; also what a cut has left of a secret, where the text says that it was cut."""
        if not self._forms:
            return text
        data = self._at_cuts(self.raw(text.encode("utf-8", "surrogatepass")))
        try:
            return data.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:  # a character of a secret that was cut
            return data.decode("utf-8", "replace")

    def json(self, value: Any) -> Any:
        """The same for every text in JSON, keys among them. A number that is a secret becomes text."""
        if not self._forms:
            return value
        # all texts at once: in most there is nothing to find, and to look into each by itself takes long
        whole = _BETWEEN.join(_texts(value)).encode("utf-8", "surrogatepass")
        plain = whole.translate(None, _BREAKS)
        if not _ANY_CUT.search(whole) and not any(form in plain for form in self._forms):
            return value
        return self._json(value)

    def _json(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self._json(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._json(inner) for inner in value]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            shown = str(value)
            return value if self.text(shown) == shown else MASK.decode()
        return value

    def beginning(self, data: bytes) -> tuple[int, bool]:
        """How many of the last bytes of ``data`` may begin a secret whose rest is still to come.

        And whether they tell something of it: the first few letters of a secret are those of many words.
        """
        if not self._forms:
            return 0, False
        end = data[-(self._longest + _MOST_BREAKS) :]
        plain = end.translate(None, _BREAKS)
        left = max(_overlap(plain, form) for form in self._forms)
        if not left:
            return 0, False
        tells = left >= _LEAST_REMAINDER
        for back in range(1, len(end) + 1):
            left -= end[-back] not in _BREAKS
            if not left:
                return back, tells
        return len(end), tells

    def _at_cuts(self, data: bytes) -> bytes:
        done, clean = 0, bytearray()
        for cut in _CUTS.finditer(data):
            before = data[done : cut.start()]
            clean += self._without_end(before) + cut[0]
            done = cut.end()
            rest = data[done:]
            gone = max((_overlap_start(rest, form) for form in self._forms), default=0)
            if gone >= _LEAST_REMAINDER:
                clean += MASK
                done += gone
        return bytes(clean + data[done:])

    def _without_end(self, data: bytes) -> bytes:
        gone = max((_overlap(data, form) for form in self._forms), default=0)
        return data[:-gone] + MASK if gone >= _LEAST_REMAINDER else data


class Screen:
    """Takes secrets out of running output, stream by stream, also where they come in pieces."""

    def __init__(self, redactor: Redactor, write: Callable[[str, bytes], None]) -> None:
        self._redactor = redactor
        self._write = write
        #: The end of each stream that may begin a secret: what of it was passed on, and what was not.
        self._ends: dict[str, tuple[bytes, bytes]] = {}

    def write(self, stream: str, chunk: bytes) -> None:
        """Pass output on. What may be the beginning of a secret waits for what follows.

        Not the first few letters of one, else a line would often lack its end for as long as nothing follows.
        """
        if not self._redactor:
            self._write(stream, chunk)
            return
        shown, held = self._ends.pop(stream, (b"", b""))
        data, began_in_shown = self._redactor.behind(shown + held + chunk, len(shown))
        if began_in_shown:
            shown = b""
        back, tells = self._redactor.beginning(shown + data)
        begun = (shown + data)[len(shown + data) - back :]
        new = min(back, len(data))  # of these, what was not passed on yet
        if tells:
            data, held = data[: len(data) - new], begun[back - new :]
            shown = begun[: back - new]
        else:
            shown, held = begun, b""
        if back:
            self._ends[stream] = shown, held
        if data:
            self._write(stream, data)

    def close(self) -> None:
        """Nothing follows: pass on what was held."""
        for stream, (_, held) in self._ends.items():
            if held:
                self._write(stream, held)
        self._ends.clear()


def _texts(value: Any) -> Iterator[str]:
    """Every text in JSON, numbers and keys as texts."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield value if isinstance(value, str) else str(value)


def _hits(data: bytes, form: bytes) -> Iterable[tuple[int, int]]:
    at = data.find(form)
    while at >= 0:
        yield at, at + len(form)
        at = data.find(form, at + 1)


def _merged(hits: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(hits):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _places(data: bytes, plain: bytes) -> Any:
    """Where each byte of ``plain`` lies in ``data``."""
    return range(len(data)) if len(plain) == len(data) else [at for at, byte in enumerate(data) if byte not in _BREAKS]


def _overlap(data: bytes, form: bytes) -> int:
    """The longest end of ``data`` that begins ``form``, and is not all of it."""
    tail, first = data[-(len(form) - 1) :], form[:1]
    at = tail.find(first)
    while at >= 0:
        if form.startswith(tail[at:]):
            return len(tail) - at
        at = tail.find(first, at + 1)
    return 0


def _overlap_start(data: bytes, form: bytes) -> int:
    """The longest beginning of ``data`` that ends ``form``, and is not all of it."""
    head, last = data[: len(form) - 1], form[-1:]
    at = head.rfind(last)
    while at >= 0:
        if form.endswith(head[: at + 1]):
            return at + 1
        at = head.rfind(last, 0, at)
    return 0
