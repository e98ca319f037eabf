"""The sender of a host's files: refusals before anything is sent."""

from __future__ import annotations

import threading

import pytest

from jobqueue.errors import OperationFailed
from jobqueue.ledger.executions import Claim
from workers.agent.execution.file_sender import HostFileSender


class Fetched:
    """Answers each reservation with ``answer``, and keeps its size and limit."""

    def __init__(self, answer: bool | None) -> None:
        self._answer = answer
        self.calls: list[tuple[int, int]] = []

    def reserve(self, claim: Claim, size: int, most: int) -> bool | None:
        self.calls.append((size, most))
        return self._answer


def sender(fetched: Fetched) -> HostFileSender:
    return HostFileSender(fetched, Claim("j", "web1", "t", 1, ""), threading.Event(), 100)  # type: ignore[arg-type]


def test_space_is_reserved_within_the_limit_of_the_host() -> None:
    fetched = Fetched(True)
    sender(fetched).reserve(60)
    assert fetched.calls == [(60, 100)]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (False, "Nothing was sent: the files have 60 bytes, .* exceed 100 bytes .*JOBQUEUE_MAX_STORED_FETCHED_BYTES"),
        (None, "given to another agent"),
    ],
)
def test_a_refusal_says_why(answer: bool | None, message: str) -> None:
    with pytest.raises(OperationFailed, match=message):
        sender(Fetched(answer)).reserve(60)
