"""Cuts are marked, and within the limit."""

from __future__ import annotations

import pytest

from jobqueue import excerpt


@pytest.mark.parametrize(
    ("limit", "beginning", "end"),
    [(10, "abcdefghij", "abcdefghij"), (9, "abcdef...", "...efghij"), (4, "a...", "...j")],
)
def test_excerpts(limit: int, beginning: str, end: str) -> None:
    assert excerpt.beginning("abcdefghij", limit) == beginning
    assert excerpt.end("abcdefghij", limit) == end
