"""Patterns with stars: what they match, and that none is slow."""

from __future__ import annotations

import random
import re
import time

import pytest

from jobqueue.wildcard import matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("*", "anything\nat all", True),
        ("node.*", "node.hostname.get", True),
        ("node.*", "nodes", False),
        ("*.get", "node.load.get", True),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("ab*ba", "aba", False),
        ("*x*y*", "__x__y__", True),
        ("*x*y*", "__y__x__", False),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("A", "a", False),
        ("a", "a\n", False),
    ],
)
def test_what_a_pattern_covers(pattern: str, text: str, expected: bool) -> None:
    assert matches(pattern, text) is expected


def test_as_a_regular_expression_would() -> None:
    draw = random.Random(6)
    for _ in range(20_000):
        pattern = "".join(draw.choices("ab*", k=draw.randrange(7)))
        text = "".join(draw.choices("ab", k=draw.randrange(9)))
        regex = ".*".join(map(re.escape, pattern.split("*")))
        assert matches(pattern, text) == bool(re.fullmatch(regex, text)), (pattern, text)


def test_no_text_makes_a_pattern_slow() -> None:
    started = time.process_time()
    assert not matches("*a" * 500 + "*b", "a" * 65_536)
    assert not matches("*" + "a" * 500 + "b*" + "a" * 500 + "c", "a" * 65_536)
    assert time.process_time() - started < 5  # a backtracking matcher needs longer than the universe has been there
