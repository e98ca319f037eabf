"""One request to the API and its answer, retried if that is safe."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as HttpTimeout

from jobqueue import __version__
from jobqueue.client.address import Address
from jobqueue.client.errors import ClientError, ConnectionFailed, InvalidAnswer, api_error
from jobqueue.client.sse import EventTooLarge, ServerEvent, read_events
from jobqueue.errors import InvalidInput

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0
#: A ``Retry-After`` longer than this is not obeyed; the error is raised instead.
_LONGEST_RETRY_AFTER = 30.0
_CONNECT_TIMEOUT = 5.0
_BUSY = frozenset({502, 503, 504})
_CONNECTIONS = 16


class Transport:
    """HTTP with JSON both ways. Safe to share between threads: each request takes a connection of its own.

    TLS uses the system's certificates. Redirects are not followed (they could leak the token), and proxy settings in
    the environment are ignored. ``most_bytes``: an answer to ``request``, or an event of ``stream``, that is larger is
    an ``InvalidAnswer``.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeout: float,
        retries: int,
        sleep: Callable[[float], None] = time.sleep,
        most_bytes: int | None = None,
    ) -> None:
        if timeout <= 0 or retries < 0:
            raise InvalidInput("timeout must be above 0 seconds, and retries 0 or more.")
        self.url = address.url
        self._retries = retries
        self._timeout = timeout
        self._sleep = sleep
        self._most_bytes = most_bytes
        headers = {"Accept": "application/json", "User-Agent": f"jobqueue/{__version__}"}
        if address.token is not None:
            headers["Authorization"] = f"Bearer {address.token}"
        self._renewed_token = address.renewed_token
        self._pool = urllib3.PoolManager(
            maxsize=_CONNECTIONS,
            headers=headers,
            retries=False,
            ca_certs=address.ca,
            timeout=urllib3.Timeout(connect=min(timeout, _CONNECT_TIMEOUT), read=timeout),
        )

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        repeatable: bool | None = None,
    ) -> Any:
        """The answer's JSON, or None if it has no body.

        ``repeatable`` declares the request idempotent (default: GET only). Such a request is retried if the connection
        breaks or the API is busy (502, 503, 504). Any request is retried if it certainly was not carried out: no
        connection, or rejected with 429. A ``Retry-After`` up to 30 s is obeyed.
        Raises the errors of ``jobqueue.client.errors``; ``InvalidInput`` for a body that is not JSON.
        """
        url = self.url + path
        if query:
            url += "?" + urlencode(query, doseq=True)
        content = None if body is None else _encode(body)
        can_repeat = method == "GET" if repeatable is None else repeatable
        attempt = 0
        while True:
            try:
                return self._once(method, url, content)
            except _Again as again:
                pause = _backoff(attempt) if again.after is None else again.after
                if not (can_repeat or again.not_done) or attempt >= self._retries or pause > _LONGEST_RETRY_AFTER:
                    raise again.error from again.__cause__
            self._sleep(pause)
            attempt += 1

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        last_id: str = "",
        heard: Callable[[], None] = lambda: None,
        comments: bool = False,
    ) -> Iterator[Iterator[ServerEvent]]:
        """Server-sent events of one connection; raises as ``request`` does, and ``ConnectionFailed`` if it breaks.

        ``heard`` is called with each piece that arrives, also of comments; what it raises ends the stream. For
        ``comments`` see ``read_events``.
        """
        headers = {**self._headers(), "Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        with self._opened(path, query, headers) as response:
            yield self._events(response, heard, comments)

    def upload(self, path: str, content: bytes | IO[bytes], size: int, *, query: Mapping[str, Any]) -> Any:
        """Send raw bytes, once; the answer's JSON. Raises the errors of ``jobqueue.client.errors``."""
        headers = {
            **self._headers(),
            "Content-Type": "application/octet-stream",
            "Content-Length": str(size),
        }
        response = self._sent_once("PUT", f"{self.url}{path}?{urlencode(query)}", body=content, headers=headers)
        if response.status >= 300:
            raise self._failure(response)
        return _decode(response.data, self.url)

    @contextmanager
    def download(self, path: str, *, query: Mapping[str, Any] | None = None) -> Iterator[Iterator[bytes]]:
        """The bytes of an answer, piece by piece; raises as ``stream`` does, also if they end early."""
        with self._opened(path, query, self._headers()) as response:
            yield self._pieces(response)

    @contextmanager
    def _opened(
        self, path: str, query: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """A successful answer whose body is still to be read."""
        url = f"{self.url}{path}?{urlencode(query, doseq=True)}" if query else self.url + path
        response = self._sent_once("GET", url, headers=headers, preload_content=False)
        try:
            if response.status >= 300:
                raise self._failure(response)
            yield response
        finally:
            response.close()

    def _sent_once(self, method: str, url: str, **options: Any) -> urllib3.BaseHTTPResponse:
        """The answer to a request that is not retried."""
        try:
            return self._pool.request(method, url, retries=False, redirect=False, **options)
        except HTTPError as error:
            failure = self._no_answer(error)
            raise (failure.error if isinstance(failure, _Again) else failure) from error

    def _pieces(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        try:
            yield from response.stream(65536)
        except HTTPError as error:
            raise ConnectionFailed(
                f"The download from {self.url} ended early ({error}); it is not complete.", url=self.url
            ) from error

    def _events(
        self, response: urllib3.BaseHTTPResponse, heard: Callable[[], None], comments: bool
    ) -> Iterator[ServerEvent]:
        def pieces() -> Iterator[bytes]:
            for piece in response.stream(65536):
                heard()
                yield piece

        try:
            yield from read_events(pieces(), self._most_bytes, comments=comments)
        except EventTooLarge as error:
            raise InvalidAnswer(f"An event of {self.url} is larger than {self._most_bytes} bytes.") from error
        except HTTPError as error:
            raise ConnectionFailed(f"The connection to {self.url} was lost ({error}).", url=self.url) from error

    def _headers(self) -> dict[str, str]:
        headers = dict(self._pool.headers)
        if self._renewed_token is not None:
            headers["Authorization"] = f"Bearer {self._renewed_token()}"
        return headers

    def _once(self, method: str, url: str, content: bytes | None) -> Any:
        headers = self._headers()
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = self._pool.request(
                *(method, url),
                body=content,
                headers=headers,
                retries=False,
                redirect=False,
                preload_content=self._most_bytes is None,
            )
            answer = self._content(response)
        except HTTPError as error:
            raise self._no_answer(error) from error
        if response.status < 300:
            return _decode(answer, self.url) if answer else None
        failure = self._failure(response, answer)
        if response.status == 429:
            raise _Again(failure, after=_retry_after(response), not_done=True)
        if response.status in _BUSY:
            raise _Again(failure, after=_retry_after(response))
        raise failure

    def _content(self, response: urllib3.BaseHTTPResponse) -> bytes:
        if self._most_bytes is None:
            return response.data
        content = response.read(self._most_bytes + 1)
        if len(content) > self._most_bytes:
            response.close()
            raise InvalidAnswer(f"The answer of {self.url} is larger than {self._most_bytes} bytes.")
        response.release_conn()
        return content

    def _no_answer(self, error: HTTPError) -> Exception:
        """The exception for a failed connection."""
        hint = "Check the address (JOBQUEUE_URL, if no other was given), and that the API runs."
        if isinstance(error, (NewConnectionError, ConnectTimeoutError)):
            cause = error.__cause__
            reason = (cause.strerror if isinstance(cause, OSError) else None) or "no answer"
            failure = ConnectionFailed(f"Cannot reach the jobqueue API at {self.url} ({reason}). {hint}", url=self.url)
            return _Again(failure, not_done=True) if isinstance(error, NewConnectionError) else failure
        if isinstance(error, HttpTimeout):
            return ConnectionFailed(
                f"The jobqueue API at {self.url} did not answer within {self._timeout:g} s; it is unknown whether it "
                "processed the request.",
                url=self.url,
            )
        if isinstance(error, SSLError):
            return ConnectionFailed(
                f"No secure connection to {self.url} ({error}). Check the address, and name your own authority's "
                "certificate in SSL_CERT_FILE.",
                url=self.url,
            )
        failure = ConnectionFailed(
            f"The connection to the jobqueue API at {self.url} was lost ({error}).", url=self.url
        )
        return _Again(failure)

    def _failure(self, response: urllib3.BaseHTTPResponse, content: bytes | None = None) -> ClientError:
        """The exception for an answer that is not a success. ``content``: its body, if it has been read."""
        request_id = response.headers.get("X-Request-Id")
        if response.status < 400:
            location = response.headers.get("Location", "elsewhere")
            message = f"{self.url} redirects to {location}; use the address of the API itself."
            return api_error(response.status, message, None, request_id)
        try:
            answer = _decode(response.data if content is None else content, self.url)
        except InvalidAnswer:
            answer = None
        if isinstance(answer, dict) and isinstance(answer.get("error"), str):
            details = answer.get("details")
            details = details if isinstance(details, dict) else None
            return api_error(response.status, answer["error"], details, request_id)
        reason = f" {response.reason}" if response.reason else ""
        message = f"The server at {self.url} answered {response.status}{reason}, and not as the jobqueue API does."
        error = api_error(response.status, message, None, request_id)
        error.is_of_api = False
        return error


class _Again(Exception):
    """A failure that may be worth a retry. ``not_done``: the request certainly was not carried out."""

    def __init__(self, error: ClientError, *, after: float | None = None, not_done: bool = False) -> None:
        super().__init__(error.message)
        self.error = error
        self.after = after
        self.not_done = not_done


def _backoff(attempt: int) -> float:
    """Exponential back-off with jitter, so that many clients do not retry in step."""
    return min(_FIRST_PAUSE * 2.0**attempt, _LONGEST_PAUSE) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _retry_after(response: urllib3.BaseHTTPResponse) -> float | None:
    """Seconds; None if the header is missing or is a date (the API sends seconds)."""
    text = response.headers.get("Retry-After", "").strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _encode(body: Any) -> bytes:
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"The request cannot be written as JSON: {error}.") from error


def _decode(content: bytes, url: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidAnswer(
            f"The server at {url} is not the jobqueue API (no JSON). Check the address (JOBQUEUE_URL, if no other "
            "was given)."
        ) from error
