"""Patterns with ``*`` for any text and no other syntax, so that matching time is linear in the text."""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """Whether ``pattern`` covers all of ``text``. Without escapes: a ``*`` is never literal."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    if not text.startswith(first):
        return False
    *middle, last = rest
    at, end = len(first), len(text) - len(last)
    if end < at or not text.endswith(last):
        return False
    for part in middle:  # the leftmost place for each leaves most room for the others
        position = text.find(part, at, end)
        if position < 0:
            return False
        at = position + len(part)
    return True
