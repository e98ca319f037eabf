"""Where data names secrets, and how names may look."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.errors import InvalidOperationData
from jobqueue.operations.registry import Registry
from jobqueue.trust.secrets.reference import faults, fill_in, has_secret

SHELL = "command.shell.execute"


def secret(name: Any) -> dict[str, Any]:
    return {"$secret": name}


def test_filling_in() -> None:
    data = {"a": secret("x"), "b": [1, {"c": secret("y.z")}], "d": "$secret"}
    assert has_secret(data)
    # what a value says is not searched again
    assert fill_in(data, lambda name: f"{{{name}}}") == {"a": "{x}", "b": [1, {"c": "{y.z}"}], "d": "$secret"}


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b", ".hidden", "-x", "x" * 129, 1, None, ["x"], "a\n", "a\0"])
def test_names_that_cannot_be(name: Any) -> None:
    assert list(faults({"env": {"X": secret(name)}})) == ["env.X"]


@pytest.mark.parametrize("data", [secret("x"), {"a": {"$secret": "x", "b": 1}}, {"a": [{"$secret": "x", "$": 1}]}])
def test_a_secret_stands_alone(data: dict[str, Any]) -> None:
    assert len(faults(data)) == 1


def test_submitted_data_is_stored_as_it_is() -> None:
    registry = Registry.load([])
    data = {"command": "deploy", "env": {"TOKEN": secret("deploy")}, "timeout": 5}
    assert registry.validate(SHELL, data) == data
    assert registry.validate("command.exec.execute", {"argv": ["x", secret("a")]}) == {"argv": ["x", secret("a")]}


@pytest.mark.parametrize(
    "data",
    [
        {"command": "x", "env": {"T": secret("a/b")}},
        {"command": "x", "unknown": secret("a")},
        {"command": "x", "env": {"T": secret("a")}, "timeout": "soon"},
        secret("a"),
    ],
)
def test_what_no_secret_can_put_right_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidOperationData):
        Registry.load([]).validate(SHELL, data)
