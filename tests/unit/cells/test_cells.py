"""Cells that are asked at the same time, with calls that a test makes."""

from __future__ import annotations

import threading

import pytest

from jobqueue.cells.breaker import FAILURES
from jobqueue.cells.cell import Cell
from jobqueue.cells.cells import Cells
from jobqueue.cells.config import CellAddress
from jobqueue.errors import CellUnavailable


@pytest.fixture
def cells() -> Cells:
    return Cells([CellAddress("east", "http://127.0.0.1:1", timeout_seconds=0.1)])


def _failures(cells: Cells) -> int:
    return cells.by_name["east"]._breaker._failures


def test_a_call_that_takes_too_long_counts_as_one_failure(cells: Cells) -> None:
    """Its thread learns of it too, after the caller gave up."""
    release, ended = threading.Event(), threading.Event()

    def hang(cell: Cell) -> None:
        release.wait(60)
        error = cell.unavailable("did not answer")
        ended.set()
        raise error

    answers = cells.ask(hang)
    assert "within 0.2 s" in answers.missing["east"].message
    assert _failures(cells) == 1
    release.set()
    assert ended.wait(60)
    assert _failures(cells) == 1


def test_an_answer_that_comes_too_late_is_no_success(cells: Cells) -> None:
    """Else a cell that always answers too late would be waited for with each request."""
    release, ended = threading.Event(), threading.Event()

    def late(cell: Cell) -> None:
        release.wait(60)
        cell._answered()
        ended.set()

    cells.ask(late)
    release.set()
    assert ended.wait(60)
    assert _failures(cells) == 1


def test_failures_of_different_calls_add_up(cells: Cells) -> None:
    def fail(cell: Cell) -> None:
        raise cell.unavailable("refused")

    for number in range(FAILURES):
        assert _failures(cells) == number
        assert isinstance(cells.ask(fail).missing["east"], CellUnavailable)
    with pytest.raises(CellUnavailable, match="not asked again"):
        cells.by_name["east"].get("/health")
