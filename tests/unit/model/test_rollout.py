"""The terms of a rollout."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.errors import InvalidInput
from jobqueue.model.rollout import Rollout

FULL = {
    "canary": 1,
    "batch": "10%",
    "spread": "zone",
    "max_failures": "5%",
    "pause_seconds": 30,
    "between": "approve",
    "on_failure": "cancel",
    "deadline_seconds": 3600,
}


def test_the_document_has_what_was_given() -> None:
    assert Rollout.read(FULL).document() == FULL
    assert Rollout.read({"batch": 3}).document() == {"batch": 3}
    assert Rollout.read({"canary": 1, "max_failures": 1, "between": "auto"}).document() == {"canary": 1}


def test_the_argument_of_the_script() -> None:
    assert Rollout.read(FULL).argument() == "1|10%|5%|30000000|approve|cancel"
    assert Rollout.read({"canary": 2}).argument() == "2|100%|1|0|auto|stop"


@pytest.mark.parametrize("batch", [1, 1_000_000, "0.01%", "1%", "99.99%", "100%"])
def test_good_amounts(batch: Any) -> None:
    assert Rollout.read({"batch": batch, "max_failures": batch}).batch == batch


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("batch", value) for value in (0, -1, 1.5, True, 1_000_001, "0%", "0.00%", "101%", "10", "%", "-1%", "1e1%")),
        *(("batch", value) for value in ("10 %", "٣%", "", [], None)),
        *(("max_failures", value) for value in (0, "0%", "101%", 2.0)),
        *(("canary", value) for value in (0, -1, "1", "10%", True, None)),
        *(("spread", value) for value in ("", "a b", "a\nb", 1, None, "x" * 65)),
        *(("pause_seconds", value) for value in (-1, "30", True, float("nan"), float("inf"), 2_592_001)),
        *(("deadline_seconds", value) for value in (0, 0.5, 2_592_001)),
        *(("between", value) for value in ("", "ask", 1)),
        *(("on_failure", value) for value in ("", "hold", [])),
        ("verify", {"operation": "x"}),
        ("batches", 3),
    ],
)
def test_bad_input_is_named(field: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as raised:
        Rollout.read({"batch": 1} | {field: value})
    assert list(raised.value.details or {}) == [f"rollout.{field}"]


@pytest.mark.parametrize("terms", [{}, {"max_failures": 3}])
def test_a_rollout_has_batches(terms: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"rollout\.batch: Missing"):
        Rollout.read(terms)
