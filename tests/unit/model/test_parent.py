"""The status of a parent by the states of its parts."""

from __future__ import annotations

import json

import pytest

from jobqueue.model.parent import Parent, Part, PartState, status_of
from jobqueue.model.states import JobStatus

P = PartState


def created(status: str = "", **counts: int) -> Part:
    return Part("a", P.CREATED, "id", status=status, counts=counts)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([Part("a"), Part("b")], JobStatus.SUBMITTED),
        ([created(), Part("b")], JobStatus.SUBMITTED),
        ([created("completed", completed=2), Part("b")], JobStatus.PROCESSING),
        ([created("completed", completed=2), Part("b", P.EMPTY)], JobStatus.COMPLETED),
        ([created("completed", completed=2), created("failed", failed=1)], JobStatus.PARTIAL_FAILURE),
        ([created("completed", completed=2), Part("b", P.UNREACHABLE)], JobStatus.PARTIAL_FAILURE),
        ([created("completed", completed=2), Part("b", P.REFUSED)], JobStatus.PARTIAL_FAILURE),
        ([created("failed", failed=1), Part("b", P.UNREACHABLE)], JobStatus.FAILED),
        ([created("cancelled", cancelled=1), Part("b", P.CANCELLED)], JobStatus.CANCELLED),
        ([created("skipped", skipped=1), Part("b", P.EMPTY)], JobStatus.SKIPPED),
        ([created("processing", started=1), created("completed", completed=1)], JobStatus.PROCESSING),
        ([Part("a", P.EMPTY), Part("b", P.EMPTY)], JobStatus.FAILED),
        ([Part("a", P.DELETED, counts={"completed": 2})], JobStatus.COMPLETED),
        ([Part("a", P.DELETED, counts={"started": 2})], JobStatus.FAILED),
    ],
)
def test_status(parts: list[Part], status: JobStatus) -> None:
    assert status_of(parts) is status


def test_what_is_open() -> None:
    assert [created().is_open, created("submitted", submitted=1).is_open, Part("a").is_open] == [True] * 3
    closed = [created("completed", completed=1), *(Part("a", state) for state in P if state.value[0] in "eurd")]
    assert [part.is_open for part in closed] == [False] * len(closed)


def test_a_record_is_read_as_it_was_written() -> None:
    parts = (created("completed", completed=2), Part("b", P.REFUSED, error="no"))
    parent = Parent("id", 5, 9, {"operation": {"type": "x"}}, "ann", True, parts, "key", "by bob")
    assert Parent.of(json.loads(json.dumps(parent.document()))) == parent
    assert parent.error == "cell b: no"
    assert parent.pending == ()
