"""Redacts secrets from text, JSON and live output."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jobqueue.trust.secrets.needles import Needles
from jobqueue.trust.secrets.prefilter import Prefilter
from jobqueue.trust.secrets.reading import Reading

MASK = b"***"
#: A cut in the text may have split a secret: a remainder of at least this many bytes is redacted, too.
_LEAST_REMAINDER = 4
_CUTS = re.compile(rb"\n\[\.\.\. \d+ bytes cut[^\]]*\]\n|\A\.\.\.|\.\.\.\Z")
#: The same in messages, which quote what was cut.
_CUTS_OF_MESSAGES = re.compile(rb"\n\[\.\.\. \d+ bytes cut[^\]]*\]\n|(?<!\.)\.{3,4}(?!\.)")
#: Bytes of the longest text that is taken for a message; a longer one is output.
_LONGEST_MESSAGE = 8192
#: The same among many texts, with the separators between them.
_BETWEEN = "\n\x01\n"
_ANY_CUT = re.compile(rb" bytes cut|\.\.\.(\n\x01|\Z)|(\A|\x01\n)\.\.\.")
#: Bytes that are searched at once; text of which nothing can be ruled out is searched in the smaller parts.
_BLOCKS = (65_536, 8_192)
#: Bytes by which most ends of texts are judged.
_SHORT_END = 256


class Redactor:
    """Redacts a set of secrets. Cheap if nothing matches; output never gets longer."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._needles = Needles(values)
        self._prefilter = Prefilter(self._needles)

    def __bool__(self) -> bool:
        return bool(self._needles)

    def raw(self, data: bytes) -> bytes:
        """``data`` without secrets, however their parts are separated."""
        return self.behind(data, 0)

    def behind(self, data: bytes, start: int) -> bytes:
        """``data`` from its byte ``start`` on, without secrets; what lies before it may belong to one."""
        return _masked(data, start, len(data), self._spans(data, start))

    def piece(self, data: bytes, start: int) -> tuple[bytes, int, bool]:
        """The same for data that goes on: what can be passed on, where in ``data`` it may go on, and whether it waits.

        From that place on a secret may have begun; what shows something of it waits, also where it holds a shorter one.
        """
        spans = self._spans(data, start, goes_on=True)
        back, waits = self.beginning(data)
        limit = len(data) - back
        if waits:
            spans = [span for span in spans if span[0] < limit]
        limit = max(limit, spans[-1][1]) if spans else limit
        return _masked(data, start, limit if waits else len(data), spans), limit, waits

    def _spans(self, data: bytes, start: int, *, goes_on: bool = False) -> list[tuple[int, int]]:
        spans: set[tuple[int, int]] = set()
        for begin, end in self._suspects(data, 0, len(data), _BLOCKS):
            for reading in Reading.all_of(data[begin:end], self._needles, goes_on=goes_on and end == len(data)):
                spans.update((begin + first, begin + last) for first, last in reading.spans())
        return _merged([span for span in spans if span[1] > start])

    def _suspects(self, data: bytes, begin: int, end: int, sizes: tuple[int, ...]) -> Iterator[tuple[int, int]]:
        """Parts of ``data`` from ``begin`` to ``end`` that may hold a secret, with what it may take on either side."""
        if not sizes:
            yield max(0, begin - self._needles.window), min(len(data), end + self._needles.window)
            return
        size = max(sizes[0], self._needles.window)
        while begin < end:
            # a short rest is not worth a part of its own
            stop = begin + size if begin + size * 3 // 2 < end else end
            first = max(0, begin - self._needles.window)
            if self._prefilter.may_hold(data[first : stop + self._needles.window]):
                yield from self._suspects(data, begin, stop, sizes[1:])
            begin = stop

    def text(self, text: str) -> str:
        """Redacts text; also redacts the remainder of a secret where the text says that it was cut."""
        if not self:
            return text
        return _decoded(self._at_cuts(self.raw(text.encode("utf-8", "surrogatepass")), _CUTS))

    def message(self, text: str) -> str:
        """Redacts a message, which may quote a part of a secret: what was cut may be in quotes, or not marked."""
        if not self:
            return text
        data = text.encode("utf-8", "surrogatepass")
        if len(data) > _LONGEST_MESSAGE:
            return self.text(text)
        data = self._at_cuts(self.raw(data), _CUTS_OF_MESSAGES)
        spans = (span for reading in Reading.all_of(data, self._needles) for span in reading.begun_within())
        return _decoded(_masked(data, 0, len(data), _merged(list(set(spans)))))

    def json(self, value: Any) -> Any:
        """Redacts every text in JSON, keys among them. A number that is a secret becomes text."""
        if not self:
            return value
        # all texts at once: most hold no secret, and searching each one separately is slow
        joined = _BETWEEN.join(_texts(value)).encode("utf-8", "surrogatepass")
        if not _ANY_CUT.search(joined) and not self._spans(joined, 0):
            return value
        return _rewritten(value, self.text)

    def messages(self, value: Any) -> Any:
        """``message`` of every text in JSON: details of errors, and reports of a run."""
        return _rewritten(value, self.message) if self else value

    def beginning(self, data: bytes) -> tuple[int, bool]:
        """The number of bytes at the end of ``data`` that may start a secret whose rest has not arrived yet.

        Also returns whether they reveal any of it: the first few letters of a secret begin many words.
        """
        readings = self._end(data[-_SHORT_END:])
        if len(data) > _SHORT_END and not all(reading.begins_within() for reading in readings):
            readings = self._end(data[-self._needles.window :])
        begun = [reading.beginning() for reading in readings]
        most = max((back for back, _ in begun), default=0)
        return most, any(letters >= _LEAST_REMAINDER for _, letters in begun)

    def _end(self, data: bytes) -> list[Reading]:
        return list(Reading.all_of(data, self._needles, goes_on=True, open_rows=True))

    def _at_cuts(self, data: bytes, marks: re.Pattern[bytes]) -> bytes:
        cuts = list(marks.finditer(data))
        done, clean = 0, bytearray()
        for number, cut in enumerate(cuts, start=1):
            clean += self._without_end(data[done : cut.start()]) + cut[0]
            done = cut.end()
            following = cuts[number].start() if number < len(cuts) else len(data)
            gone = self._ended(data[done : min(following, done + self._needles.window)])
            if gone:
                clean += MASK
                done += gone
        return bytes(clean + data[done:])

    def _without_end(self, data: bytes) -> bytes:
        gone, reveals = self.beginning(data)
        return data[:-gone] + MASK if reveals else data

    def _ended(self, data: bytes) -> int:
        """The number of bytes at the start of ``data`` that end a secret cut before them."""
        ended = (reading.ended() for reading in Reading.all_of(data, self._needles))
        return max((end for end, letters in ended if letters >= _LEAST_REMAINDER), default=0)


class StreamRedactor:
    """Redacts secrets from live output, stream by stream, also if they arrive in pieces."""

    def __init__(self, redactor: Redactor, write: Callable[[str, bytes], None]) -> None:
        self._redactor = redactor
        self._write = write
        #: The end of each stream that may begin a secret: the bytes already passed on, and those held back.
        self._ends: dict[str, tuple[bytes, bytes]] = {}

    def write(self, stream: str, chunk: bytes) -> None:
        """Pass output on. A possible beginning of a secret is held back until more output follows.

        The first few letters of a secret are not held back; otherwise lines would often lack their end until then.
        """
        if not self._redactor:
            self._write(stream, chunk)
            return
        shown, pending = self._ends.pop(stream, (b"", b""))
        data, text = shown + pending + chunk, len(shown)
        clean, limit, waits = self._redactor.piece(data, text)
        passed_on = max(text, limit) if waits else len(data)
        if limit < len(data):
            self._ends[stream] = data[limit:passed_on], data[passed_on:]
        if clean:
            self._write(stream, clean)

    def close(self) -> None:
        """The output is complete: pass on the held bytes."""
        for stream, (shown, pending) in self._ends.items():
            # the held bytes are judged as they are
            rest = self._redactor.behind(shown + pending, len(shown))
            if rest:
                self._write(stream, rest)
        self._ends.clear()


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:  # a character of a secret that was cut
        return data.decode("utf-8", "replace")


def _rewritten(value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {redact(str(key)): _rewritten(inner, redact) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rewritten(inner, redact) for inner in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        shown = str(value)
        return value if redact(shown) == shown else MASK.decode()
    return value


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


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _masked(data: bytes, begin: int, end: int, spans: list[tuple[int, int]]) -> bytes:
    """``data`` from ``begin`` to ``end``, with the spans masked."""
    clean = bytearray()
    for first, last in spans:
        clean += data[begin:first] + MASK
        begin = last
    return bytes(clean + data[begin:end])
