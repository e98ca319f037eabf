"""The server's worker: unread bodies are drained up to a limit, and a response's head leaves with its first part."""

from __future__ import annotations

from contextlib import nullcontext

import gevent
import pytest
from gunicorn.http.errors import NoMoreData

from api import worker
from api.worker import Worker, _Joined
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


# --- a response's head and the first part of its body leave together --------------------------------------------------


class Socket:
    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.timeout = 5

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)


class Gone(Socket):
    def sendall(self, data: bytes) -> None:
        raise BrokenPipeError


def test_head_and_body_are_one_send_and_what_follows_is_not_held() -> None:
    real = Socket()
    joined = _Joined(real)
    joined.sendall(b"head")
    assert real.sent == []
    joined.sendall(b"body")
    joined.sendall(b"event")
    joined.flush()
    assert real.sent == [b"headbody", b"event"]


def test_a_head_without_body_leaves_at_the_end_once() -> None:
    real = Socket()
    joined = _Joined(real)
    joined.sendall(b"head")
    joined.flush()
    joined.flush()
    assert real.sent == [b"head"]


def test_nothing_to_send_and_no_recipient() -> None:
    real = Socket()
    _Joined(real).flush()
    assert real.sent == []
    gone = _Joined(Gone())
    gone.sendall(b"head")
    gone.flush()


def test_everything_else_is_the_sockets() -> None:
    assert _Joined(Socket()).timeout == 5


def test_other_values_bypass_it() -> None:
    real = Socket()
    joined = _Joined(real)
    assert joined.unbuffered is real
    joined.unbuffered.sendall(b"a websocket's")
    joined.flush()
    assert real.sent == [b"a websocket's"]
