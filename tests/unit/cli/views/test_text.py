"""Text that came from hosts must not steer the terminal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobqueue.cli.views.text import lines, one_line, pairs, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain [bold]text[/] :smile:", "plain [bold]text[/] :smile:"),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x1b[2J\x1b[31mred", r"\x1b[2J\x1b[31mred"),
        ("\x9b31m", r"\x9b31m"),
        ("a\rb", r"a\x0db"),
        ("a\x00b\x7f", r"a\x00b\x7f"),
        ("abc\u202etxt.exe", r"abc\u202etxt.exe"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\U000e0041"),
        ("grüße \u00a0 \u65e5\u672c", "grüße \u00a0 \u65e5\u672c"),
        ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text())
def test_nothing_unprintable_is_left(text: str) -> None:
    shown = visible(text)
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in shown)
    shown.encode()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ("", "-"),
        (True, "true"),
        (0, "0"),
        (1.5, "1.5"),
        ("two\nlines\t and  more", "two lines and more"),
        ({"a": ["\x1b"]}, r'{"a": ["\u001b"]}'),
        (["\x9b"], r'["\x9b"]'),
    ],
)
def test_one_line(value: Any, shown: str) -> None:
    assert one_line(value) == shown


def test_pairs() -> None:
    assert pairs({"group": "web", "n": "1"}) == "group=web n=1"
    assert pairs({}) == "-"


def test_lines_of_a_nested_value() -> None:
    value = {
        "exit_code": 0,
        "stdout": "one\n\x1b[1mtwo\n",
        "stderr": "",
        "none": None,
        "disks": [{"name": "sda", "size": 1}, {"name": "sdb"}],
        "empty": {},
        "words": ["a", "b"],
    }
    assert lines(value) == [
        "exit_code: 0",
        "stdout:",
        "  one",
        r"  \x1b[1mtwo",
        "stderr:",
        "none: null",
        "disks:",
        "  - name: sda",
        "    size: 1",
        "  - name: sdb",
        "empty: {}",
        "words:",
        "  - a",
        "  - b",
    ]


def test_deep_values_end_as_json() -> None:
    value: Any = "x"
    for _ in range(200):
        value = [value]
    assert lines(value)[-1].endswith('"x"' + "]" * 192)
