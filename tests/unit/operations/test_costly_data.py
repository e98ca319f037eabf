"""Data of operations with tens of thousands of values, right or wrong: what is looked at, counted in calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData
from jobqueue.operations.registry import Registry

MANY = 40_000
NUMBERS = {f"k{number}": 1 for number in range(MANY)}
SOME = dict(list(NUMBERS.items())[:9_000])
#: Calls of Python functions that a check may make for each value, on the average: two to look for secrets.
MOST_CALLS = 2.5


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry.load(plugins=())


def calls(work: Callable[[], Any]) -> int:
    """How many Python functions are called: the machine's load does not change it."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


WRONG = {
    "unknown fields": ("node.hostname.get", NUMBERS),
    "unknown fields beside a known one": ("command.shell.execute", {"command": "x", **NUMBERS}),
    "unknown fields within a list": ("aggregation.run", {"sql": "x", "inputCollection": "a", "parameters": [NUMBERS]}),
    "arguments that are no texts": ("command.exec.execute", {"argv": [1] * 9_000}),
    "too many arguments": ("command.exec.execute", {"argv": ["x"] * MANY}),
    "variables that are not texts": ("command.exec.execute", {"argv": ["x"], "env": SOME}),
    "too many variables": ("script.shell.execute", {"script": "x", "env": NUMBERS}),
    "notes that are no texts": ("entrypoint.run", {"entrypoint": "x", "metadata": SOME}),
    "secrets without a name": ("python.call", {"function": "a.b", "args": [{"$secret": 1}] * 9_000}),
}  # fmt: skip


@pytest.mark.parametrize(("type", "data"), WRONG.values(), ids=WRONG)
def test_wrong_data_is_not_all_looked_at(registry: Registry, type: str, data: dict[str, Any]) -> None:
    def refused() -> InvalidOperationData:
        with pytest.raises(InvalidOperationData) as found:
            registry.validate(type, data)
        return found.value

    error = refused()
    assert 1 <= len(error.details or {}) <= 20
    values = sum(len(value) if isinstance(value, (dict, list)) else 1 for value in data.values())
    assert calls(refused) < 2_000 + MOST_CALLS * max(values, MANY)


def test_the_number_of_unknown_fields_is_reported(registry: Registry) -> None:
    with pytest.raises(InvalidOperationData, match=r"k0: Unknown field.*\(and 39997 more\)"):
        registry.validate("node.hostname.get", NUMBERS)


def test_right_data_is_taken_as_it_is(registry: Registry) -> None:
    data = {"argv": [f"é{number}" for number in range(10_000)], "env": {f"K{number}": "v" for number in range(100)}}
    assert registry.validate("command.exec.execute", data) == data
    assert registry.get("command.exec.execute").load(data) == {**data, "success_codes": [0]}


@pytest.mark.parametrize("wrong", [1, None, True, "\0", "\ud800"])
def test_one_wrong_item_among_many(registry: Registry, wrong: Any) -> None:
    operation = registry.get("command.exec.execute")
    with pytest.raises(InvalidOperationData) as found:
        operation.load({"argv": ["x"] * 5_000 + [wrong]})
    assert list(found.value.details or {}) == ["argv.5000"]
