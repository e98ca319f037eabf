"""The search strings of a redactor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from jobqueue.trust.secrets import escapes
from jobqueue.trust.secrets.forms import BARE, SHORTEST, Forms, bare, edges, latin
from jobqueue.trust.secrets.interpreted import interpreted
from jobqueue.trust.secrets.rewriting import Rewritten

#: Length of the longest escape of one byte, as in ``&#x41;`` and ``\u0041``.
_LONGEST_ESCAPE = 6
#: Bytes that are passed over within one secret in running output; without a limit, empty lines would pile up.
_MOST_PASSED_OVER = 4096
#: Letters of a needle by which a text's end is compared with it.
_HEAD = 4
#: Letters of the longest scheme of an address, with its slashes.
_LONGEST_SCHEME = 16
#: Letters that no program escapes unless it escapes all letters.
_RUN = re.compile(rb"[0-9A-Za-z._-]+")
_CODE_RUN = re.compile(rb"[0-9a-z]+")
#: The first letters of a run may belong to an escape that begins before the secret, as the ``n`` of ``\\name``.
_RUN_BEGIN = 2
#: Letters of the shortest anchor; a shorter one would be in many texts. More than the longest do not make it faster.
_SHORTEST_ANCHOR = 4
_LONGEST_ANCHOR = 24
#: Runs of one secret of which anchors are made.
_MOST_RUNS = 64


class NeedleSet:
    """Needles that are searched for in the same text."""

    def __init__(self, needles: Iterable[bytes]) -> None:
        # the longest first: a needle within another one is found with it
        self._needles = sorted(needles, key=len, reverse=True)
        self._heads = {needle[:length] for needle in self._needles for length in range(1, _HEAD)}
        self._joined = b"\n".join(self._needles)  # no needle has a line break
        self._beginnings: dict[bytes, list[bytes]] = {}
        for needle in self._needles:
            self._beginnings.setdefault(needle[: _told_by(needle)], []).append(needle)
        self._told_by = {len(beginning) for beginning in self._beginnings}

    def __bool__(self) -> bool:
        return bool(self._needles)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._needles)

    def hits(self, text: bytes) -> list[tuple[int, int, bytes]]:
        """Start, end and needle of each match; overlapping matches count as one."""
        return [hit for needle in self._needles if needle in text for hit in _hits(text, needle)]

    def have(self, part: bytes) -> bool:
        """Whether ``part`` is part of one of them."""
        return part in self._joined

    def begun(self, text: bytes) -> int:
        """The number of bytes at the end of ``text`` that begin a needle without completing it."""
        most = 0
        if self.have(text[-_HEAD:]):  # most ends match nothing
            most = max((_overlap(text, needle) for needle in self._needles), default=0)
        if most:
            return most
        return len(next((text[-length:] for length in range(_HEAD - 1, 0, -1) if text[-length:] in self._heads), b""))

    def begun_within(self, text: bytes) -> list[tuple[int, int]]:
        """Where ``text`` has a prefix of a needle that is long enough to identify it."""
        return [
            (at, at + _in_common(text[at:], needle))
            for length in self._told_by
            for at in range(len(text) - length + 1)
            for needle in self._beginnings.get(text[at : at + length], ())
        ]

    def ended(self, text: bytes) -> int:
        """The number of bytes at the start of ``text`` that end a needle without being all of it."""
        if not self.have(text[:_HEAD]):
            return 0
        return max((_overlap_start(text, needle) for needle in self._needles), default=0)


class Needles:
    """The forms of many secrets.

    ``bare`` and ``exact``: see ``Forms``. ``undone``: what is looked for where escapes were undone; a secret may itself
    hold what looks like one. ``edges``: by needle, what is the secret's own beside it. ``window``: how many bytes the
    beginning of one may take in running output. ``anchors`` and ``unanchored``: what is part of the needles, one at
    least of each, and the needles that no anchor is part of; see ``Prefilter``.
    """

    def __init__(self, values: Iterable[str]) -> None:
        bares: set[bytes] = set()
        exacts: set[bytes] = set()
        undone: set[bytes] = set()
        self.edges: dict[bytes, tuple[bytes, bytes]] = {}
        self.anchors: set[bytes] = set()
        self.unanchored: set[bytes] = set()
        longest = 0
        for value in (text for secret in values for text in (secret, *interpreted(secret))):
            forms = Forms.of(value)
            raw = value.strip().encode()
            bares |= forms.bare
            exacts |= forms.exact
            plain = {_undone(raw), _undone(latin(value.strip()))} if bare(raw) in forms.bare else set()
            plain = {text for text in plain if len(text) >= SHORTEST}
            undone |= plain
            self._anchor(value, (forms.bare - forms.codes) | plain, forms.bare & forms.codes)
            if any(edges(value)):
                self.edges[bare(raw)] = edges(value)
            longest = max(longest, len(value.encode()))
        self.bare = NeedleSet(bares)
        self.exact = NeedleSet(exacts)
        self.undone = NeedleSet(bares | undone)
        self.window = longest * _LONGEST_ESCAPE + _MOST_PASSED_OVER

    def __bool__(self) -> bool:
        return bool(self.bare) or bool(self.exact)

    def _anchor(self, value: str, texts: Iterable[bytes], codes: frozenset[bytes]) -> None:
        runs = _anchors(_RUN, value.encode())
        anchors: set[bytes] = set()
        for needle in (*texts, *sorted(codes)):
            # those of a code are made of itself; base64 of UTF-16 has the same letters in either order of bytes
            own = _anchors(_CODE_RUN, needle) if needle in codes else runs
            anchor = next((part for part in (*anchors, *own) if part in needle), None)
            if anchor is None:
                self.unanchored.add(needle)
            else:
                anchors.add(anchor)
        self.anchors |= anchors


def _anchors(run: re.Pattern[bytes], text: bytes) -> list[bytes]:
    """The anchors made of the runs in ``text``, the longest first."""
    ends = (run_text[_RUN_BEGIN : _RUN_BEGIN + _LONGEST_ANCHOR].translate(BARE) for run_text in run.findall(text))
    return sorted({end for end in ends if len(end) >= _SHORTEST_ANCHOR}, key=len, reverse=True)[:_MOST_RUNS]


def _told_by(needle: bytes) -> int:
    """How many of the first letters of a needle distinguish it from other text; the scheme of an address does not."""
    scheme = needle.find(b"//", 0, _LONGEST_SCHEME) + 2
    return SHORTEST + (scheme if scheme > 1 else 0)


def _in_common(text: bytes, needle: bytes) -> int:
    return next(
        (at for at, (one, other) in enumerate(zip(text, needle, strict=False)) if one != other),
        min(len(text), len(needle)),
    )


def _undone(raw: bytes) -> bytes:
    text = Rewritten(raw)
    escapes.undo(text)
    return bare(text.text)


def _hits(text: bytes, needle: bytes) -> Iterable[tuple[int, int, bytes]]:
    at = text.find(needle)
    while at >= 0:
        start, end = at, at + len(needle)
        while (at := text.find(needle, at + 1, end + len(needle) - 1)) >= 0:
            end = at + len(needle)
        yield start, end, needle
        at = text.find(needle, end)


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
