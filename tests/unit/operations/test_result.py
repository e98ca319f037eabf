"""Results are strictly JSON, and bounded."""

from __future__ import annotations

import enum
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobqueue.errors import OperationFailed
from jobqueue.operations.result import checked, encoded_size

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)


class Colour(str, enum.Enum):
    RED = "red"


@settings(max_examples=50)
@given(JSON)
def test_json_passes_unaltered(value: Any) -> None:
    assert checked(value, 1_000_000) == value
    assert encoded_size(value) == len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def test_tuples_become_lists_and_text_stays_text() -> None:
    assert checked({"a": (1, (2,)), "c": Colour.RED}, 100) == {"a": [1, [2]], "c": "red"}
    assert checked(2**200, 100) == 2**200


def _cyclic() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "not valid JSON: a object is not a JSON value"),
        ({"a": [1, {2}]}, r"not valid JSON at a\[1\]: a set is not a JSON value"),
        (b"bytes", "a bytes is not"),
        (Decimal(1), "a Decimal is not"),
        ({"a": {1: 2}}, "not valid JSON at a: the key 1 is a int, not a string"),
        ({None: 1}, "the key None"),
        ([float("nan")], r"at \[0\]: nan is not a JSON number"),
        (float("inf"), "inf is not a JSON number"),
        (float("-inf"), "-inf is not a JSON number"),
        ("a\ud800", "it contains a lone surrogate"),
        ({"\udfff": 1}, "it contains a lone surrogate"),
        (_cyclic(), "nested deeper than 100 levels"),
        (10**5000, "not valid JSON: Exceeds the limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_invalid_json_is_reported_with_its_position(value: Any, message: str) -> None:
    with pytest.raises(OperationFailed, match=message):
        checked(value, 100_000)


def test_the_bound_is_exact() -> None:
    assert checked("é" * 49, 100) == "é" * 49
    with pytest.raises(OperationFailed, match="too large: 102 bytes as JSON, at most 100 are kept"):
        checked("é" * 50, 100)


def test_a_hostile_key_does_not_blow_up_the_message() -> None:
    with pytest.raises(OperationFailed) as caught:
        checked({"k\ud800" * 10_000: object()}, 100)
    assert len(caught.value.message) < 1000
    caught.value.message.encode()
