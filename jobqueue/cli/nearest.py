"""The question for a word that is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """The question with the known words nearest to ``word``, at most three; empty if none is near."""
    near = get_close_matches(word, list(words), n=3)
    return f"Did you mean {' or '.join(near)}?" if near else ""
