from __future__ import annotations

from typing import Any

import pytest

from jobqueue.errors import InvalidInput
from jobqueue.model.rollout import Rollout
from jobqueue.model.verification import Verification

CHECK = {"operation": {"type": "command.exec.execute", "data": {"argv": ["/bin/true"]}}, "within_seconds": 30}


@pytest.mark.parametrize("terms", [CHECK, {"operation": {"type": "node.ping.get"}}])
def test_read_and_written(terms: dict[str, Any]) -> None:
    assert Verification.read(terms).document() == terms
    rollout = Rollout.read({"batch": 1, "verify": terms})
    assert rollout.document() == {"batch": 1, "verify": terms}
    assert Rollout.read(rollout.document()) == rollout


def test_the_defaults() -> None:
    terms = Verification.read({"operation": {"type": "node.ping.get", "data": {}}})
    assert (terms.within_seconds, terms.data) == (60, {})


def test_the_scripts_of_the_ledger_do_not_see_it() -> None:
    assert Rollout.read({"batch": 1, "verify": CHECK}).argument() == Rollout.read({"batch": 1}).argument()


@pytest.mark.parametrize(
    ("terms", "word"),
    [
        (None, "null"),
        ([], "object"),
        ({}, "operation"),
        ({"operation": "node.ping.get"}, "operation: Must be an object"),
        ({"operation": {}}, "operation.type"),
        ({"operation": {"type": ""}}, "operation.type"),
        ({"operation": {"type": "x" * 201}}, "operation.type"),
        ({"operation": {"type": "x", "data": []}}, "operation.data"),
        ({"operation": {"type": "x", "host": "web1"}}, "operation.host: Unknown field"),
        ({**CHECK, "retries": 3}, "retries: Unknown field"),
        *(({**CHECK, "within_seconds": value}, "within_seconds") for value in (0, True, "5", float("nan"), 86_401)),
    ],
)
def test_bad_terms_are_named(terms: Any, word: str) -> None:
    with pytest.raises(InvalidInput, match=word) as raised:
        Rollout.read({"batch": 1, "verify": terms})
    assert list(raised.value.details or {}) == ["rollout.verify"]
