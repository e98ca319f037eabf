"""Near misses: what a caller may have meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from jobqueue.model.target import ALL, ANY
from jobqueue.targets.fleet import Fleet

#: Names that are compared: each takes up to 0.1 ms.
_MOST_COMPARED = 300
_MOST_NAMED = 3
_MOST_LENGTH_APART = 2


def near(word: str, candidates: Iterable[str]) -> list[str]:
    """The known words nearest to ``word``, at most three, nearest first."""
    folded = word.lower()
    alike: dict[str, str] = {}
    for text in candidates:
        if abs(len(text) - len(word)) <= _MOST_LENGTH_APART or text.lower().startswith(folded[:3]):
            alike.setdefault(text.lower(), text)
    # those that share the beginning come first, because only a limited number is compared
    order = sorted(alike, key=lambda text: text[:2] != folded[:2])[:_MOST_COMPARED]
    return [alike[text] for text in difflib.get_close_matches(folded, order, n=_MOST_NAMED, cutoff=0.6)]


def question(words: Sequence[str]) -> str:
    """`` Did you mean web1 or web2?``, with a blank in front; empty without words."""
    return f" Did you mean {' or '.join(words)}?" if words else ""


def for_host(fleet: Fleet, hostname: str) -> str:
    """The question for a hostname that no agent has."""
    return question(near(hostname, (ALL, ANY, *fleet.hostnames)))


def for_key(fleet: Fleet, key: str) -> str:
    """The question for a key that no agent has."""
    return question(near(key, fleet.keys))


def for_value(fleet: Fleet, key: str, value: str) -> str:
    """The question for a value that no agent has under a key."""
    index = fleet.index(key)
    candidates = [*index.prefixes, *map(str, index.facts)]
    return question([f"{key}:{text}" for text in near(value, candidates)])
