"""The rest of an unread body is drained, up to a limit, while other requests get their turn."""

from __future__ import annotations

from contextlib import nullcontext

import gevent
import pytest
from gunicorn.http.errors import NoMoreData

from api import worker
from api.worker import Worker
from jobqueue.errors import InvalidInput


class Body:
    """Gives so many bytes, then ``error`` or the end."""

    def __init__(self, left: int, error: Exception | None = None) -> None:
        self.left = left
        self.error = error

    def read(self, size: int) -> bytes:
        if self.left == 0 and self.error:
            raise self.error
        data = bytes(min(size, self.left))
        self.left -= len(data)
        return data


def discard(body: Body) -> bool:
    instance = Worker.__new__(Worker)  # without a server around it
    instance.body_ctx = nullcontext  # type: ignore[method-assign,assignment]
    return instance._discard(body)


@pytest.mark.parametrize("size", [0, 1, worker._DISCARD_STEP, 3 * worker._DISCARD_STEP + 1])
def test_all_of_it_is_read(size: int) -> None:
    body = Body(size)
    assert discard(body)
    assert body.left == 0


def test_too_much_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_MOST_DISCARDED", 2 * worker._DISCARD_STEP)
    body = Body(10 * worker._DISCARD_STEP)
    assert not discard(body)
    assert body.left == 8 * worker._DISCARD_STEP


@pytest.mark.parametrize("error", [NoMoreData(), ConnectionResetError(), InvalidInput("malformed")], ids=repr)
def test_a_client_that_is_gone_ends_it(error: Exception) -> None:
    assert not discard(Body(worker._DISCARD_STEP, error))


def test_others_have_their_turn() -> None:
    body, seen = Body(3 * worker._DISCARD_STEP), []
    other = gevent.spawn(lambda: seen.append(body.left))
    assert discard(body)
    assert seen
    assert seen[0] > 0
    other.join()
