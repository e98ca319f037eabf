"""Label selectors: what they mean, and what is no selector."""

from __future__ import annotations

import pytest

from jobqueue.errors import InvalidInput
from jobqueue.model.selector import Selector

LABELS = {"zone": "eu-1.a", "disk": "ssd"}


@pytest.mark.parametrize(
    ("key", "text", "matches"),
    [
        ("zone", "eu-1.a", True),
        ("zone", "eu-1", False),  # no prefixes here: Ray has none
        ("zone", "!eu-1", True),
        ("zone", "!eu-1.a", False),
        ("zone", "in(us, eu-1.a)", True),
        ("zone", "in(us,eu)", False),
        ("zone", "!in(us,eu)", True),
        ("zone", "!in(us, eu-1.a)", False),
        ("rack", "r1", False),
        ("rack", "!r1", True),
        ("rack", "!in(r1, r2)", True),
        ("disk", "in", False),  # a value like any other
    ],
)
def test_matching(key: str, text: str, matches: bool) -> None:
    assert Selector.parse(key, text).matches(LABELS) is matches


@pytest.mark.parametrize("text", ["", "!", "!!a", "in()", "in(a", "in(a,,b)", "in(a, !b)", "-a", "a-", "a b", "a\n"])
def test_invalid_selectors(text: str) -> None:
    with pytest.raises(InvalidInput, match="'zone' is not well formed"):
        Selector.parse("zone", text)


@pytest.mark.parametrize("key", ["", "-a", "a b", "a:b", "x" * 64])
def test_invalid_keys(key: str) -> None:
    with pytest.raises(InvalidInput, match="Label key"):
        Selector.parse(key, "a")


def test_words() -> None:
    assert Selector.parse("zone", "!in(a, b)").text == "zone is not a or b"
    assert Selector.parse("zone", "a").text == "zone is a"
