"""A response's head and the first part of its body leave together."""

from __future__ import annotations

from api.worker import _Joined


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


def test_a_file_is_sent_behind_its_head() -> None:
    class Sending(Socket):
        def sendfile(self, file: bytes, count: int) -> int:
            self.sent.append(file[:count])
            return count

    real = Sending()
    joined = _Joined(real)
    joined.sendall(b"head")
    assert joined.sendfile(b"file", count=4) == 4
    joined.flush()
    assert real.sent == [b"head", b"file"]
