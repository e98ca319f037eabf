"""Patterns of hostnames: ``web1``, ``web[01-20]``, ``rack[1-4,7]-web*``."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

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


class BadPattern(ValueError):
    """The pattern is malformed; the text says what is wrong and what is allowed. ``at`` is the place in the pattern."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True)
class HostPattern:
    """``parts`` are alternatives, to be joined in order. ``is_glob``: ``*`` or ``?`` is among them."""

    parts: tuple[tuple[str, ...], ...]
    is_glob: bool

    @property
    def is_literal(self) -> bool:
        """Whether the pattern is one hostname."""
        return not self.is_glob and all(len(alternatives) == 1 for alternatives in self.parts)

    def matcher(self) -> Callable[[str], bool]:
        """Whether a hostname matches a pattern with ``*`` or ``?``."""
        if all(len(alternatives) == 1 for alternatives in self.parts):
            return regex.wildcard("".join(alternatives[0] for alternatives in self.parts))
        return regex.searcher(self._expression())

    def names(self) -> list[str]:
        """The hostnames that a pattern without ``*`` and ``?`` stands for, in order."""
        return ["".join(choice) for choice in product(*self.parts)]

    def _expression(self) -> str:
        """A regular expression in RE2's syntax that matches the whole hostname."""
        pieces = (
            "(?:" + "|".join(map(regex.translated, alternatives)) + ")"
            if len(alternatives) > 1
            else regex.translated(*alternatives)
            for alternatives in self.parts
        )
        return f"^(?:{''.join(pieces)})$"


def parse(text: str) -> HostPattern:
    """Raises ``BadPattern``."""
    parts: list[tuple[str, ...]] = []
    at, total = 0, 1
    while at < len(text):
        if text[at] == "[":
            end = text.find("]", at)
            if end < 0:
                raise BadPattern("'[' is not closed by ']'", at)
            parts.append(_alternatives(text[at + 1 : end], at + 1))
            total *= len(parts[-1])
            if total > MAX_RANGE:
                raise BadPattern(f"the ranges of {text[:80]!r} stand for more than {MAX_RANGE} hosts", at)
            at = end + 1
            continue
        letters = _LETTERS.match(text, at)
        if letters is None or letters.end() == at:
            raise BadPattern(f"a hostname has no {text[at]!r}: letters, digits and . - _ inside, and * ? [01-20]", at)
        parts.append((letters[0],))
        at = letters.end()
    pattern = HostPattern(tuple(parts), bool(_GLOB.search(text)))
    if not pattern.is_glob and not all(map(_HOSTNAME.fullmatch, (pattern.names()[0], pattern.names()[-1]))):
        raise BadPattern(
            f"{text[:80]!r} is no hostname: letters, digits, dots, dashes and underscores, at most 253, starting and "
            "ending with a letter or digit"
        )
    return pattern


def _alternatives(text: str, at: int) -> tuple[str, ...]:
    """``01-03,7`` -> 01, 02, 03, 7."""
    values: dict[str, None] = {}
    for item in text.split(","):
        match = _RANGE.fullmatch(item.strip())
        if not match:
            raise BadPattern(f"[{text[:40]}] is no range: use numbers or single letters, as in [01-20] or [1-4,7]", at)
        values |= dict.fromkeys(_range(match["first"], match["last"] or match["first"], at))
        if len(values) > MAX_RANGE:
            raise BadPattern(f"the range [{text[:40]}] stands for more than {MAX_RANGE} hosts", at)
    return tuple(values)


def _range(first: str, last: str, at: int) -> list[str]:
    if first.isdigit() is not last.isdigit():
        raise BadPattern(f"the range {first}-{last} mixes a number and a letter", at)
    low, high = (int(first), int(last)) if first.isdigit() else (ord(first), ord(last))
    if low > high:
        raise BadPattern(f"the range {first}-{last} ends before it begins: did you mean {last}-{first}?", at)
    if high - low >= MAX_RANGE:
        raise BadPattern(f"the range {first}-{last} stands for more than {MAX_RANGE} hosts", at)
    if not first.isdigit():
        return [chr(code) for code in range(low, high + 1)]
    is_padded = any(len(text) > 1 and text.startswith("0") for text in (first, last))
    if is_padded and len(first) != len(last):
        raise BadPattern(f"the range {first}-{last} needs both numbers in the same width, as in 01-20", at)
    return [str(number).zfill(len(first) if is_padded else 0) for number in range(low, high + 1)]
