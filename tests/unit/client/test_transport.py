"""What is tried again and what never is, and what each failure is called."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from jobqueue.client import (
    ApiError,
    Conflict,
    ConnectionFailed,
    Forbidden,
    InvalidAnswer,
    InvalidRequest,
    NotFound,
    RateLimited,
    Unauthorized,
    Unavailable,
)
from jobqueue.client.address import Address
from jobqueue.client.transport import Transport
from jobqueue.errors import InvalidInput, JobQueueError
from tests.unit.client.fake_api import FakeApi, Reply

LONG = Reply(200, {"ok": "x" * 1000})
LONG_ERROR = Reply(400, {"error": "x" * 1000, "code": 400})
BUSY = Reply(503, {"error": "The ledger is away.", "code": 503, "details": None}, {"Retry-After": "3"})
FINE = Reply(200, {"ok": True})
RESET = Reply(reset=True)


class Calls:
    """A transport whose pauses are written down, not slept."""

    def __init__(self, url: str, token: str | None = None, retries: int = 4, timeout: float = 5.0) -> None:
        self.pauses: list[float] = []
        self.http = Transport(Address(url, token), timeout=timeout, retries=retries, sleep=self.pauses.append)

    def __call__(self, method: str = "GET", path: str = "/x", **options: Any) -> Any:
        try:
            return self.http.request(method, path, **options)
        finally:
            self.http.close()


def test_sends_json_with_token_and_reads_json(api: FakeApi) -> None:
    api.on("POST", "/x", Reply(201, {"grüße": [1, None]}))
    assert Calls(api.url, "s3cret")("POST", query={"a b": "c&d"}, body={"k": "ü"}) == {"grüße": [1, None]}
    seen = api.seen[0]
    assert seen.body == {"k": "ü"}
    assert seen.query == {"a b": "c&d"}
    assert seen.headers["Authorization"] == "Bearer s3cret"
    assert seen.headers["Content-Type"] == "application/json"
    assert seen.headers["User-Agent"].startswith("jobqueue/")


def test_no_token_no_header_and_no_body_no_type(api: FakeApi) -> None:
    api.on("GET", "/x", FINE)
    Calls(api.url)()
    assert {"Authorization", "Content-Type"}.isdisjoint(api.seen[0].headers)


def test_get_waits_as_long_as_the_server_asks(api: FakeApi) -> None:
    api.on("GET", "/x", BUSY, RESET, FINE)
    calls = Calls(api.url)
    assert calls() == {"ok": True}
    assert len(api.seen) == 3
    assert calls.pauses[0] == 3.0
    assert 0.1 <= calls.pauses[1] <= 0.2


def test_pauses_grow_and_end(api: FakeApi) -> None:
    api.on("GET", "/x", RESET)
    calls = Calls(api.url, retries=7)
    with pytest.raises(ConnectionFailed, match="was lost"):
        calls()
    assert len(api.seen) == 8
    limits = [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(calls.pauses, limits, strict=True))


def test_a_longer_pause_than_reasonable_is_reported_at_once(api: FakeApi) -> None:
    api.on("GET", "/x", Reply(503, {"error": "Back tomorrow.", "code": 503}, {"Retry-After": "86400"}))
    calls = Calls(api.url)
    with pytest.raises(Unavailable, match="Back tomorrow"):
        calls()
    assert calls.pauses == []


@pytest.mark.parametrize("reply", [BUSY, RESET])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_what_may_have_been_done_is_not_done_again(api: FakeApi, method: str, reply: Reply) -> None:
    api.on(method, "/x", reply)
    with pytest.raises((Unavailable, ConnectionFailed)):
        Calls(api.url)(method)
    assert len(api.seen) == 1


def test_what_may_be_repeated_is(api: FakeApi) -> None:
    api.on("POST", "/x", RESET, BUSY, FINE)
    assert Calls(api.url)("POST", body={"n": 1}, repeatable=True) == {"ok": True}
    assert [seen.body for seen in api.seen] == [{"n": 1}] * 3


def test_rate_limited_requests_were_not_done_so_any_is_repeated(api: FakeApi) -> None:
    limited = Reply(429, {"error": "Slow down.", "code": 429}, {"Retry-After": "1"})
    api.on("POST", "/x", limited, FINE)
    assert Calls(api.url)("POST") == {"ok": True}
    api.on("POST", "/x", limited)
    with pytest.raises(RateLimited, match="Slow down"):
        Calls(api.url)("POST")


def test_no_connection_is_tried_again_whatever_the_method() -> None:
    with socket.socket() as taken:  # bound but not listening: refuses
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        calls = Calls(url, retries=2)
        with pytest.raises(ConnectionFailed) as caught:
            calls("POST")
    assert len(calls.pauses) == 2
    assert caught.value.url == url
    assert url in caught.value.message
    assert "Connection refused" in caught.value.message
    assert "JOBQUEUE_URL" in caught.value.message
    assert "\n" not in caught.value.message


def test_a_silent_server_is_not_asked_twice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        calls = Calls(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1)
        began = time.monotonic()
        with pytest.raises(ConnectionFailed, match=r"within 0\.1 s; it is unknown whether it processed the request"):
            calls("POST", body={}, repeatable=True)
        assert time.monotonic() - began < 20
    assert calls.pauses == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (405, ApiError),
        (409, Conflict),
        (413, InvalidRequest),
        (415, InvalidRequest),
        (500, ApiError),
    ],
)
def test_errors_of_the_api(api: FakeApi, status: int, kind: type[ApiError]) -> None:
    body = {"error": "No such thing.", "code": status, "details": {"limit": ["Too large."]}}
    api.on("GET", "/x", Reply(status, body, {"X-Request-Id": "abc-1"}))
    with pytest.raises(ApiError) as caught:
        Calls(api.url)()
    error = caught.value
    assert type(error) is kind
    assert error.status == status
    assert error.message.startswith("No such thing.")
    assert error.details == {"limit": ["Too large."]}
    assert error.request_id == "abc-1"
    assert isinstance(error, JobQueueError)
    assert len(api.seen) == 1


def test_unauthorized_says_how_to_give_a_token(api: FakeApi) -> None:
    api.on("GET", "/x", Reply(401, {"error": "A token is required.", "code": 401, "details": None}))
    with pytest.raises(Unauthorized, match=r"A token is required\. Give a token in JOBQUEUE_TOKEN"):
        Calls(api.url)()


@pytest.mark.parametrize(
    "body", [b"<html>nginx</html>", b"", b'"text"', b'{"error": {"message": "x"}}', b"[" * 100_000]
)
def test_an_error_of_something_else(api: FakeApi, body: bytes) -> None:
    api.on("GET", "/x", Reply(418, body))
    with pytest.raises(ApiError, match="answered 418 I'm a Teapot, and not as the jobqueue API does") as caught:
        Calls(api.url)()
    assert caught.value.details is None


@pytest.mark.parametrize("body", [b"<html>", b"\xff\xfe{", b"[" * 100_000])
def test_an_answer_that_is_no_json(api: FakeApi, body: bytes) -> None:
    api.on("GET", "/x", Reply(200, body))
    with pytest.raises(InvalidAnswer, match="Check the address"):
        Calls(api.url)()


def test_redirects_are_not_followed_with_the_token(api: FakeApi) -> None:
    api.on("GET", "/x", Reply(302, b"", {"Location": "http://evil.example/"}))
    with pytest.raises(ApiError, match=r"redirects to http://evil\.example/"):
        Calls(api.url, "s3cret")()
    assert len(api.seen) == 1


@pytest.mark.parametrize("body", [{"x": float("nan")}, {"x": object()}, {1: {2, 3}}])
def test_invalid_json_is_not_sent(api: FakeApi, body: Any) -> None:
    with pytest.raises(InvalidInput, match="cannot be written as JSON"):
        Calls(api.url)("POST", body=body)
    assert api.seen == []


@pytest.mark.parametrize(("timeout", "retries"), [(0.0, 1), (-1.0, 1), (1.0, -1)])
def test_bad_options(timeout: float, retries: int) -> None:
    with pytest.raises(InvalidInput):
        Transport(Address("http://x"), timeout=timeout, retries=retries)


@pytest.mark.parametrize("reply", [LONG, LONG_ERROR])
def test_an_answer_that_is_too_large(api: FakeApi, reply: Reply) -> None:
    http = Transport(Address(api.url, None), timeout=5.0, retries=0, most_bytes=1000)
    api.on("GET", "/x", reply, FINE, Reply(404, {"error": "No job.", "code": 404}), FINE)
    with pytest.raises(InvalidAnswer, match=r"is larger than 1000 bytes\."):
        http.request("GET", "/x")
    assert http.request("GET", "/x") == {"ok": True}
    with pytest.raises(NotFound, match="No job"):
        http.request("GET", "/x")
    assert http.request("GET", "/x") == {"ok": True}
    http.close()
