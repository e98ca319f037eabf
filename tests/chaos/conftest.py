"""Marks what breaks things; the checker and the plan are tested without starting anything."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_SLOW = ("test_chaos.py", "test_start_stop.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == _HERE and item.path.name in _SLOW:
            item.add_marker(pytest.mark.chaos)
