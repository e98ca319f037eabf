"""How deeply a document is nested."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.json_depth import is_deeper


@pytest.mark.parametrize(
    ("value", "depth"),
    [(1, 0), ("[[[", 0), ([], 1), ({}, 1), ([1, {"a": 2}], 2), ({"a": [], "b": {"c": [1]}}, 3)],
)
def test_depth(value: Any, depth: int) -> None:
    assert [is_deeper(value, levels) for levels in range(1, 5)] == [depth > levels for levels in range(1, 5)]
