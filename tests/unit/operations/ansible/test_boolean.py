from __future__ import annotations

from typing import Any

import pytest

from jobqueue.operations.ansible.boolean import boolean


@pytest.mark.parametrize("value", [True, 1, 1.0, "y", "Yes", " ON ", "1", "true", "T"], ids=repr)
def test_true(value: Any) -> None:
    assert boolean(value) is True


@pytest.mark.parametrize("value", [False, 0, 0.0, "n", "No", " OFF ", "0", "false", "F"], ids=repr)
def test_false(value: Any) -> None:
    assert boolean(value) is False


@pytest.mark.parametrize("value", [None, 2, 0.5, "", "maybe", [], [True], {}], ids=repr)
def test_no_boolean(value: Any) -> None:
    assert boolean(value) is None
