"""All that a redactor looks for."""

from __future__ import annotations

from collections.abc import Iterable

from jobqueue.trust.secrets import escapes
from jobqueue.trust.secrets.forms import SHORTEST, Forms, bare, edges
from jobqueue.trust.secrets.rewriting import Rewritten

#: Bytes that the longest way to write one byte takes, as in ``&#x41;`` and ``\u0041``.
_LONGEST_ESCAPE = 6
#: Bytes that are passed over within one secret in running output; without a limit, empty lines would pile up.
_MOST_PASSED_OVER = 4096
#: Letters of a needle by which a text's end is compared with it.
_HEAD = 4


class NeedleSet:
    """Needles that are looked for in the same text."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        # the longest first: a needle within another one is found with it
        self._needles = sorted(needles, key=len, reverse=True)
        self._heads = {needle[:length] for needle in self._needles for length in range(1, _HEAD)}

    def __bool__(self) -> bool:
        return bool(self._needles)

    def are_in(self, text: bytes) -> bool:
        """Whether one of them is in ``text``."""
        return any(needle in text for needle in self._needles)

    def hits(self, text: bytes) -> list[tuple[int, int, bytes]]:
        """Start, end and needle of each place where one of them is."""
        return [hit for needle in self._needles if needle in text for hit in _hits(text, needle)]

    def begun(self, text: bytes) -> int:
        """How many of the last bytes of ``text`` begin one of them, and are not all of it."""
        most = max((_overlap(text, needle) for needle in self._needles), default=0)
        if most:
            return most
        return len(next((text[-length:] for length in range(_HEAD - 1, 0, -1) if text[-length:] in self._heads), b""))

    def ended(self, text: bytes) -> int:
        """How many of the first bytes of ``text`` end one of them, and are not all of it."""
        return max((_overlap_start(text, needle) for needle in self._needles), default=0)


class Needles:
    """The forms of many secrets.

    ``bare`` and ``exact``: see ``Forms``. ``undone``: what is looked for where escapes were undone; a secret may itself
    hold what looks like one. ``edges``: by needle, what is the secret's own beside it. ``window``: how many bytes the
    beginning of one may take in running output.
    """

    def __init__(self, values: Iterable[str]) -> None:
        bares: set[bytes] = set()
        exacts: set[bytes] = set()
        undone: set[bytes] = set()
        self.edges: dict[bytes, tuple[bytes, bytes]] = {}
        longest = 0
        for value in values:
            forms = Forms.of(value)
            raw = value.strip().encode()
            bares |= forms.bare
            exacts |= forms.exact
            plain = _undone(raw)
            if len(plain) >= SHORTEST and bare(raw) in forms.bare:
                undone.add(plain)
            if any(edges(value)):
                self.edges[bare(raw)] = edges(value)
            longest = max(longest, len(value.encode()))
        self.bare = NeedleSet(bares)
        self.exact = NeedleSet(exacts)
        self.undone = NeedleSet(bares | undone)
        self.window = longest * _LONGEST_ESCAPE + _MOST_PASSED_OVER

    def __bool__(self) -> bool:
        return bool(self.bare) or bool(self.exact)


def _undone(raw: bytes) -> bytes:
    text = Rewritten(raw)
    escapes.undo(text)
    return bare(text.text)


def _hits(text: bytes, needle: bytes) -> Iterable[tuple[int, int, bytes]]:
    at = text.find(needle)
    while at >= 0:
        yield at, at + len(needle), needle
        at = text.find(needle, at + 1)


def _overlap(text: bytes, needle: bytes) -> int:
    """The longest end of ``text``, of ``_HEAD`` bytes or more, that begins ``needle`` and is not all of it."""
    head = needle[:_HEAD]
    at = text.find(head, max(0, len(text) - len(needle) + 1))
    while at >= 0:
        if needle.startswith(text[at:]):
            return len(text) - at
        at = text.find(head, at + 1)
    return 0


def _overlap_start(text: bytes, needle: bytes) -> int:
    """The longest beginning of ``text`` that ends ``needle``, and is not all of it."""
    beginning, last = text[: len(needle) - 1], needle[-1:]
    at = beginning.rfind(last)
    while at >= 0:
        if needle.endswith(beginning[: at + 1]):
            return at + 1
        at = beginning.rfind(last, 0, at)
    return 0
