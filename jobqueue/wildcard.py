"""Patterns with ``*`` for any text. Nothing more: a match takes a time that is linear in the text, whoever wrote it."""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """Whether ``pattern`` covers all of ``text``. There is no escape: a ``*`` cannot be meant literally."""
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
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
