"""The one table of transitions."""

from __future__ import annotations

import itertools

import pytest

from jobqueue.model.states import (
    FAILURES,
    FINAL_STATES,
    TRANSITIONS,
    ExecutionState,
    JobStatus,
    derive_status,
    is_allowed,
)

S = ExecutionState

ALLOWED = {
    (S.SUBMITTED, S.ACKNOWLEDGED),
    (S.SUBMITTED, S.CANCELLED),
    (S.SUBMITTED, S.EXPIRED),
    (S.SUBMITTED, S.FAILED),
    (S.ACKNOWLEDGED, S.STARTED),
    (S.ACKNOWLEDGED, S.SUBMITTED),
    (S.ACKNOWLEDGED, S.CANCELLED),
    (S.ACKNOWLEDGED, S.EXPIRED),
    (S.ACKNOWLEDGED, S.FAILED),
    (S.ACKNOWLEDGED, S.SKIPPED),
    (S.STARTED, S.COMPLETED),
    (S.STARTED, S.FAILED),
    (S.STARTED, S.SKIPPED),
    (S.STARTED, S.CANCELLED),
    (S.STARTED, S.LOST),
    (S.STARTED, S.SUBMITTED),
}


def test_the_table_allows_these_and_nothing_else() -> None:
    allowed = {pair for pair in itertools.product(ExecutionState, repeat=2) if is_allowed(*pair)}
    assert allowed == ALLOWED


def test_final_states() -> None:
    assert {S.COMPLETED, S.FAILED, S.SKIPPED, S.CANCELLED, S.EXPIRED, S.LOST} == FINAL_STATES
    assert all(state.is_final == (state in FINAL_STATES) for state in S)
    assert FAILURES < FINAL_STATES


def test_every_state_can_be_reached_and_every_one_that_is_not_final_left() -> None:
    assert {state for to in TRANSITIONS.values() for state in to} == set(S)
    assert all(any(state.is_final for state in to) for to in TRANSITIONS.values())


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([S.SUBMITTED, S.SUBMITTED], JobStatus.SUBMITTED),
        ([S.SUBMITTED, S.COMPLETED], JobStatus.PROCESSING),
        ([S.ACKNOWLEDGED], JobStatus.PROCESSING),
        ([S.STARTED, S.FAILED], JobStatus.PROCESSING),
        ([S.COMPLETED, S.SKIPPED], JobStatus.COMPLETED),
        ([S.SKIPPED, S.SKIPPED], JobStatus.SKIPPED),
        ([S.CANCELLED, S.COMPLETED], JobStatus.CANCELLED),
        ([S.CANCELLED, S.SKIPPED], JobStatus.CANCELLED),
        ([S.CANCELLED, S.FAILED], JobStatus.FAILED),
        ([S.SKIPPED, S.FAILED], JobStatus.FAILED),
        ([S.COMPLETED, S.LOST], JobStatus.PARTIAL_FAILURE),
        ([S.COMPLETED, S.EXPIRED, S.CANCELLED], JobStatus.PARTIAL_FAILURE),
        ([S.LOST, S.EXPIRED], JobStatus.FAILED),
    ],
)
def test_the_status_of_a_job(states: list[ExecutionState], status: JobStatus) -> None:
    assert derive_status({state: states.count(state) for state in states}) is status


def test_names_are_the_words_that_the_api_shows() -> None:
    assert [str(status) for status in JobStatus] == [
        "submitted", "processing", "completed", "failed", "partial_failure", "cancelled", "skipped",
    ]  # fmt: skip
    assert f"{S.LOST}" == "lost"
