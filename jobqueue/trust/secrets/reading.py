"""The rewritings of a text that are searched for secrets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jobqueue.trust.secrets import colours, dumps, escapes
from jobqueue.trust.secrets.forms import BARE, BREAK, MARKED_BREAK, PASSED_OVER
from jobqueue.trust.secrets.needles import Needles, NeedleSet
from jobqueue.trust.secrets.rewriting import Rewritten

#: Bytes of a text that was cut at its beginning of which the last ones do not depend on what was cut off.
_ENOUGH = 100


@dataclass(frozen=True)
class Reading:
    """``data`` rewritten, and the needles for it.

    The last ``unread`` bytes were left out: an incomplete escape, or (``open_row``) an incomplete row of a dump.
    """

    data: bytes
    text: Rewritten
    needles: NeedleSet
    edges: dict[bytes, tuple[bytes, bytes]]
    unread: int = 0
    open_row: int = 0

    @classmethod
    def all_of(
        cls, data: bytes, needles: Needles, *, goes_on: bool = False, open_rows: bool = False
    ) -> Iterator[Reading]:
        """Every way to read ``data``, which may be the beginning of more (``goes_on``).

        A dump's row whose line has not ended is read only with ``open_rows``: what follows may show the same as text.
        """
        if not needles:
            return
        plain = Rewritten(data)
        colours.strip(plain, goes_on=goes_on)
        if needles.exact:
            unbroken = plain.copy()
            if b"\n" in plain.text or b"\r" in plain.text:
                unbroken.replace((match.start(), match.end(), b"") for match in BREAK.finditer(plain.text))
            yield cls(data, unbroken, needles.exact, {})
        if not needles.bare:
            return
        bare = plain.copy()
        bare.drop(BARE, PASSED_OVER)
        yield cls(data, bare, needles.bare, needles.edges)
        marks = [(match.start(), match.end(), b"") for match in MARKED_BREAK.finditer(plain.text)]
        if marks:  # a folded secret in a diff
            unmarked = plain.copy()
            unmarked.replace(marks)
            unmarked.drop(BARE, PASSED_OVER)
            yield cls(data, unmarked, needles.bare, needles.edges)
        yield from cls._unescaped(data, plain, needles, goes_on=goes_on)
        if goes_on or dumps.may_have_rows(data):
            yield from cls._dump(data, needles, goes_on=goes_on, open_rows=open_rows)

    @classmethod
    def _unescaped(cls, data: bytes, text: Rewritten, needles: Needles, *, goes_on: bool) -> Iterator[Reading]:
        cuts = [escapes.cut_unfinished(text)] if goes_on else []
        if not escapes.undo(text) and not any(cut is not None for cut in cuts):
            return
        colours.strip(text, goes_on=goes_on)
        if goes_on:  # such as %25, which is % and may go on as %2f
            cuts.append(escapes.cut_unfinished(text))
        text.drop(BARE, PASSED_OVER)
        begin = min((cut for cut in cuts if cut is not None), default=len(data))
        yield cls(data, text, needles.undone, needles.edges, len(data) - begin)

    @classmethod
    def _dump(cls, data: bytes, needles: Needles, *, goes_on: bool, open_rows: bool) -> Iterator[Reading]:
        text = Rewritten(data)
        open_row = dumps.open_row(data) if goes_on else 0
        begin = len(data) - open_row
        rows = dumps.rows(data) if dumps.may_have_rows(data) else ()
        parts = [part for part in rows if not open_row or part[0] < begin]
        if open_row and open_rows:
            # the last cell may be incomplete
            cells = data[begin : begin + data[begin:].rfind(b" ") + 1]
            parts.append((begin, len(data), next((row[2] for row in dumps.rows(cells)), b"")))
        if parts:
            text.replace(parts)
            text.drop(BARE, PASSED_OVER)
            yield cls(data, text, needles.bare, {}, open_row, open_row)

    def spans(self) -> list[tuple[int, int]]:
        """Start and end in ``data`` of each match."""
        return [self._span(*hit) for hit in self.needles.hits(self.text.text)]

    def begins_within(self) -> bool:
        """Whether a longer text with the same end would have the same beginning of a secret at its end."""
        text = self.text.text
        if self.open_row or b"\x1b]" in self.data or len(text) < _ENOUGH:
            return False
        return not self.needles.have(text[-4:])

    def beginning(self) -> tuple[int, int]:
        """The number of bytes at the end of ``data`` that may begin a secret, and the number of its letters shown."""
        text = self.text.text
        letters = self.needles.begun(text)
        back = len(self.data) - self.text.span(len(text) - letters, len(text))[0] if letters else 0
        back = max(back, self.unread)
        if self.open_row:
            for start, end in self.spans():
                if end > len(self.data) - self.open_row:
                    back, letters = max(back, len(self.data) - start), end - start
        return back, letters

    def begun_within(self) -> list[tuple[int, int]]:
        """Where ``data`` has the beginning of a secret of which the rest is missing."""
        return [self.text.span(start, end) for start, end in self.needles.begun_within(self.text.text)]

    def ended(self) -> tuple[int, int]:
        """The number of bytes at the start of ``data`` that may end a secret, and the number of its letters shown."""
        letters = self.needles.ended(self.text.text)
        return (self.text.span(0, letters)[1] if letters else 0), letters

    def _span(self, start: int, end: int, needle: bytes) -> tuple[int, int]:
        first, last = self.text.span(start, end)
        opening, closing = self.edges.get(needle, (b"", b""))
        if opening and self.data.endswith(opening, 0, first):
            first -= len(opening)
        if closing and self.data.startswith(closing, last):
            last += len(closing)
        return first, last
