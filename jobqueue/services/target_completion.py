"""Completes a target while it is typed: from the known labels, facts, hosts and stored targets."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from jobqueue.model.stored_target import StoredTarget
from jobqueue.model.target import ALL, ANY
from jobqueue.services.targets import TargetResolver
from jobqueue.targets.fleet import Fleet

MOST = 50
#: The word that is being typed: it begins after a blank, a parenthesis, or the comma of a list of hosts.
_BREAK = re.compile(r"[\s(),]")
_MATCH = re.compile(r"(?P<key>[^:=<>~!@]+)(?P<operator>:|==?|!=)(?P<value>[^\"']*)")
_PLAIN = re.compile(r"[A-Za-z0-9._/*?-]+")


class TargetCompletion:
    """Completions of a target."""

    def __init__(self, resolver: TargetResolver, stored: Callable[[], Sequence[StoredTarget]]) -> None:
        self._resolver = resolver
        self._stored = stored

    def complete(self, text: str) -> list[str]:
        """At most ``MOST`` texts that begin as ``text`` does, each with its last word completed."""
        word = _BREAK.split(text)[-1]
        before = text[: len(text) - len(word)]
        candidates = (f"{before}{name}" for name in self._words(word, is_first=not before.strip()) if name != word)
        return list(islice(dict.fromkeys(candidates), MOST))

    def _words(self, word: str, *, is_first: bool) -> Iterator[str]:
        if word.startswith("@"):
            yield from self._names(word)
            return
        fleet = self._resolver.fleet()
        match = _MATCH.fullmatch(word)
        if match:
            yield from (
                f"{match['key']}{match['operator']}{value}" for value in _values(fleet, match["key"], match["value"])
            )
            return
        if is_first:
            yield from (name for name in (ANY, ALL) if name.startswith(word))
        yield from (f"{key}:" for key in sorted(fleet.keys) if key.startswith(word))
        if not word:
            yield from self._names(word)
        yield from _beginning(fleet.hostnames, word)

    def _names(self, word: str) -> Iterator[str]:
        return (f"@{target.name}" for target in self._stored() if f"@{target.name}".startswith(word))


def _values(fleet: Fleet, key: str, beginning: str) -> Iterable[str]:
    index = fleet.index(key)
    values = sorted({*index.prefixes, *map(str, index.facts)})
    return (value if _PLAIN.fullmatch(value) else f'"{value}"' for value in values if value.startswith(beginning))


def _beginning(names: Sequence[str], beginning: str) -> Iterator[str]:
    """The names, which are sorted, that begin with a text."""
    for index in range(bisect_left(names, beginning), len(names)):
        if not names[index].startswith(beginning):
            return
        yield names[index]
