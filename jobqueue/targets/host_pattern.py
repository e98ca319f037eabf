"""Patterns of hostnames: ``web1``, ``web[01-20]``, ``rack[1-4,7]-web*``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, product
from math import prod

from jobqueue.model.target import HOSTNAME_PATTERN
from jobqueue.targets import regex
from jobqueue.targets.limits import MAX_RANGE

_HOSTNAME = re.compile(HOSTNAME_PATTERN)
_LETTERS = re.compile(r"[A-Za-z0-9._*?-]*")
_RANGE = re.compile(r"(?P<first>[0-9]{1,15}|[A-Za-z])(?:-(?P<last>[0-9]{1,15}|[A-Za-z]))?")
_GLOB = re.compile(r"[*?]")


def is_plain(text: str) -> bool:
    """Whether the text has only characters of a hostname or a pattern without ranges."""
    return bool(text) and _LETTERS.fullmatch(text) is not None


def is_glob(text: str) -> bool:
    """Whether a pattern has ``*`` or ``?``."""
    return _GLOB.search(text) is not None


class BadPattern(ValueError):
    """The pattern is malformed; the text says what is wrong and what is allowed. ``at`` is the place in the pattern."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True)
class Span:
    """``01-20``, ``a-c``, or one text (``values`` has one element). Its texts are made when they are asked for."""

    first: str
    last: str

    @property
    def count(self) -> int:
        """How many texts it stands for."""
        return 1 if self.first == self.last else _code(self.last) - _code(self.first) + 1

    def values(self) -> list[str]:
        """The texts, in order."""
        if self.first == self.last:
            return [self.first]
        codes = range(_code(self.first), _code(self.last) + 1)
        if not self.first.isdigit():
            return [chr(code) for code in codes]
        width = len(self.first) if _is_padded(self.first, self.last) else 0
        return [str(code).zfill(width) for code in codes]


@dataclass(frozen=True)
class HostPattern:
    """``parts`` are alternatives, to be joined in order. ``is_glob``: ``*`` or ``?`` is among them."""

    parts: tuple[tuple[Span, ...], ...]
    is_glob: bool

    @property
    def size(self) -> int:
        """How many texts the ranges stand for; a text that they name twice counts twice."""
        return prod(sum(span.count for span in spans) for spans in self.parts)

    @property
    def is_literal(self) -> bool:
        """Whether the pattern is one hostname."""
        return not self.is_glob and self.size == 1

    def matcher(self) -> Callable[[str], bool]:
        """Whether a hostname matches a pattern with ``*`` or ``?``."""
        if self.size == 1:
            return regex.wildcard("".join(spans[0].first for spans in self.parts))
        return regex.searcher(self._expression())

    def names(self) -> list[str]:
        """The hostnames that a pattern without ``*`` and ``?`` stands for, in order."""
        return ["".join(choice) for choice in product(*self._alternatives)]

    def ends(self) -> tuple[str, str]:
        """The first and the last of ``names``."""
        return "".join(spans[0].first for spans in self.parts), "".join(spans[-1].last for spans in self.parts)

    @cached_property
    def _alternatives(self) -> list[list[str]]:
        return [list(dict.fromkeys(chain.from_iterable(span.values() for span in spans))) for spans in self.parts]

    def _expression(self) -> str:
        """A regular expression in RE2's syntax that matches the whole hostname."""
        pieces = (
            "(?:" + "|".join(map(regex.translated, alternatives)) + ")"
            if len(alternatives) > 1
            else regex.translated(*alternatives)
            for alternatives in self._alternatives
        )
        return f"^(?:{''.join(pieces)})$"


def parse(text: str) -> HostPattern:
    """Raises ``BadPattern``."""
    parts: list[tuple[Span, ...]] = []
    at, total = 0, 1
    while at < len(text):
        if text[at] == "[":
            end = text.find("]", at)
            if end < 0:
                raise BadPattern("'[' is not closed by ']'", at)
            parts.append(_spans(text[at + 1 : end], at + 1))
            total *= sum(span.count for span in parts[-1])
            if total > MAX_RANGE:
                raise BadPattern(f"the ranges of {text[:80]!r} stand for more than {MAX_RANGE} hosts", at)
            at = end + 1
            continue
        letters = _LETTERS.match(text, at)
        if letters is None or letters.end() == at:
            raise BadPattern(f"a hostname has no {text[at]!r}: letters, digits and . - _ inside, and * ? [01-20]", at)
        parts.append((Span(letters[0], letters[0]),))
        at = letters.end()
    pattern = HostPattern(tuple(parts), bool(_GLOB.search(text)))
    if not pattern.is_glob and not all(map(_HOSTNAME.fullmatch, pattern.ends())):
        raise BadPattern(
            f"{text[:80]!r} is not a hostname: letters, digits, dots, dashes and underscores, at most 253, starting "
            "and ending with a letter or digit"
        )
    return pattern


def _spans(text: str, at: int) -> tuple[Span, ...]:
    """``01-03,7`` -> the spans 01-03 and 7-7."""
    spans = []
    total = 0
    for item in text.split(","):
        match = _RANGE.fullmatch(item.strip())
        if not match:
            raise BadPattern(f"[{text[:40]}] is not a range: use numbers or letters, as in [01-20] or [1-4,7]", at)
        spans.append(_span(match["first"], match["last"] or match["first"], at))
        total += spans[-1].count
        if total > MAX_RANGE:
            raise BadPattern(f"the range [{text[:40]}] expands to more than {MAX_RANGE} hosts", at)
    return tuple(spans)


def _span(first: str, last: str, at: int) -> Span:
    if first.isdigit() is not last.isdigit():
        raise BadPattern(f"the range {first}-{last} mixes a number and a letter", at)
    low, high = _code(first), _code(last)
    if low > high:
        raise BadPattern(f"the range {first}-{last} ends before it begins: did you mean {last}-{first}?", at)
    if high - low >= MAX_RANGE:
        raise BadPattern(f"the range {first}-{last} expands to more than {MAX_RANGE} hosts", at)
    if _is_padded(first, last) and len(first) != len(last):
        raise BadPattern(f"the range {first}-{last} needs both numbers in the same width, as in 01-20", at)
    return Span(first, last)


def _code(text: str) -> int:
    return int(text) if text.isdigit() else ord(text)


def _is_padded(first: str, last: str) -> bool:
    return first.isdigit() and any(len(text) > 1 and text.startswith("0") for text in (first, last))
