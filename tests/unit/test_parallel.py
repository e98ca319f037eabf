"""How the suite itself is run: the order of the files, and the number of examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples import VARIABLE, examples
from tests.parallel import SLOWEST_FIRST

ROOT = Path(__file__).parents[2]


def test_what_comes_first_exists() -> None:
    assert [beginning for beginning in SLOWEST_FIRST if not (ROOT / beginning).exists()] == []


def test_no_entry_hides_a_later_one() -> None:
    later = [
        (entry, other)
        for number, entry in enumerate(SLOWEST_FIRST)
        for other in SLOWEST_FIRST[number + 1 :]
        if other.startswith(entry)
    ]
    assert later == []


@pytest.mark.parametrize(
    ("text", "number", "expected"), [("1", 8, 8), ("4", 8, 32), ("0.5", 8, 4), ("0.01", 8, 1), ("2", 1, 2)]
)
def test_examples_are_multiplied(monkeypatch: pytest.MonkeyPatch, text: str, number: int, expected: int) -> None:
    monkeypatch.setenv(VARIABLE, text)
    assert examples(number) == expected


def test_without_the_variable_the_number_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert examples(15) == 15


@pytest.mark.parametrize("text", ["", "many", "0", "-1", "nan", "inf"])
def test_no_positive_number(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(ValueError, match=f"^{VARIABLE}={text} is no positive number; set it to 4 "):
        examples(8)
