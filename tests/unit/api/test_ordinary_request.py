"""Heads of ordinary requests: what is read here is what gunicorn's parser reads, and all else is left to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import RequestParser, wsgi
from gunicorn.http.errors import ParseException
from gunicorn.http.unreader import IterUnreader
from hypothesis import given, settings
from hypothesis import strategies as st

from api import ordinary_request, server
from api.ordinary_request import MOST_BYTES, MOST_HEADERS, ArrivedBody
from api.server import Server, listen
from api.worker import Worker
from jobqueue.settings import Settings
from tests.examples import examples

CLIENT, SERVER = ("192.0.2.7", 50_000), ("127.0.0.1", 8080)
#: What belongs to one request or to the connection, and is compared by itself or used by nothing here.
OBJECTS = {"wsgi.input", "wsgi.errors", "gunicorn.socket", "wsgi.early_hints"}

HOST = b"Host: localhost\r\n"
ORDINARY = {
    "a GET": b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n",
    "a POST": b"POST /job HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nContent-Type: application/json\r\n\r\n{}",
    "the root": b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a query": b"GET /job?limit=1&q=a/b?c HTTP/1.1\r\n" + HOST + b"\r\n",
    "an empty query": b"GET /job? HTTP/1.1\r\n" + HOST + b"\r\n",
    "quoted": b"GET /agent/%E4%zz%2F HTTP/1.1\r\n" + HOST + b"\r\n",
    "slashes inside": b"GET /a//b/../c;d=1:2@3 HTTP/1.1\r\n" + HOST + b"\r\n",
    "blanks around a value": b"GET / HTTP/1.1\r\nHost: \t localhost \t \r\nX-Empty:\r\n\r\n",
    "bytes above ASCII": b"GET / HTTP/1.1\r\n" + HOST + b"X-Name: \xe4\xff\x85\xa0\r\n\r\n",
    "keep-alive": b"GET / HTTP/1.1\r\n" + HOST + b"connection: Keep-Alive\r\n\r\n",
    "a proxy's": b"GET / HTTP/1.1\r\n" + HOST + b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
    "a body without a type": b"DELETE /a HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\n\r\n",
    "the next one behind it": b"GET / HTTP/1.1\r\n" + HOST + b"\r\nGET /b HTTP/1.1\r\n",
    "a body and the next one": b"PUT /a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabcGET / ",
    "half of a body": b"POST /a HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nab",
}
LEFT = {
    "half of a head": b"GET / HTTP/1.1\r\n" + HOST,
    "an empty line first": b"\r\nGET / HTTP/1.1\r\n" + HOST + b"\r\n",
    "no header": b"GET / HTTP/1.1\r\n\r\n",
    "no Host": b"GET / HTTP/1.1\r\nX: a\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n",
    "the same name twice": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: a\r\nx-a: b\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
    "a signed length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +1\r\n\r\na",
    "a long length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000000000\r\n\r\na",
    "zeros before a length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 01\r\n\r\na",
    "a length of other digits": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: \xb2\r\n\r\na",
    "no length": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length:\r\n\r\na",
    "chunked": b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an expectation": b"POST / HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n\r\n",
    "an upgrade": b"GET / HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    "the last request": b"GET / HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n",
    "several options": b"GET / HTTP/1.1\r\n" + HOST + b"Connection: keep-alive, close\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\n" + HOST + b"\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\n" + HOST + b"\r\n",
    "another method": b"PURGE / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tunnel": b"CONNECT /a HTTP/1.1\r\n" + HOST + b"\r\n",
    "lower case": b"get / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a whole address": b"GET http://localhost/ HTTP/1.1\r\n" + HOST + b"\r\n",
    "a host in the path": b"GET //other/a HTTP/1.1\r\n" + HOST + b"\r\n",
    "a fragment": b"GET /a#b HTTP/1.1\r\n" + HOST + b"\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "a bracket": b"GET /[a HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target above ASCII": b"GET /\xe4 HTTP/1.1\r\n" + HOST + b"\r\n",
    "two blanks": b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n",
    "a blank at the end": b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n",
    "an underscore": b"GET / HTTP/1.1\r\n" + HOST + b"X_A: a\r\n\r\n",
    "SCRIPT_NAME": b"GET / HTTP/1.1\r\n" + HOST + b"SCRIPT_NAME: /a\r\n\r\n",
    "a blank before the colon": b"GET / HTTP/1.1\r\n" + HOST + b"X-A : a\r\n\r\n",
    "a folded line": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: a\r\n b\r\n\r\n",
    "a folded line first": b"GET / HTTP/1.1\r\n " + HOST + b"\r\n",
    "a control character": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: a\x00b\r\n\r\n",
    "a lone CR": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: a\rb\r\n\r\n",
    "a lone LF": b"GET / HTTP/1.1\r\n" + HOST + b"X-A: a\nX-B: b\r\n\r\n",
    "only LF": b"GET / HTTP/1.1\nHost: localhost\n\n",
    "a name above ASCII": b"GET / HTTP/1.1\r\n" + HOST + b"X-\xdf: a\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\n" + HOST + b": a\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\n" + HOST + b"X-A\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X-%d: a\r\n" % n for n in range(MOST_HEADERS)) + b"\r\n",
    "a large head": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * MOST_BYTES + b"\r\n\r\n",
    "TLS": bytes.fromhex("16030100c6010000c2"),
}


class Source:
    """A connection that gives its data at once, and then ends."""

    def __init__(self, *parts: bytes) -> None:
        self.unreader: Any = IterUnreader([part for part in parts if part])

    def rest(self) -> bytes:
        """What was not taken."""
        return b"".join(iter(self.unreader.read, b""))


@pytest.fixture(scope="module")
def cfg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    """The configuration of our server."""
    path: Path = tmp_path_factory.mktemp("state")
    listener = listen("127.0.0.1", 0)
    descriptor = listener.fileno()
    yield Server(Settings(state_dir=path, token="t"), listener).cfg
    os.close(descriptor)


def shared(cfg: Config) -> dict[str, Any]:
    worker = Worker.__new__(Worker)  # without a server around it
    worker.cfg = cfg
    return worker._shared_environ(SERVER, CLIENT)


def plain(environ: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in environ.items() if name not in OBJECTS}


def by_gunicorn(cfg: Config, raw: bytes) -> tuple[dict[str, Any], bytes, bool, bytes]:
    """The environment, the body, whether the connection ends, and what follows, as gunicorn's parser reads them."""
    source = Source(raw)
    parser = RequestParser(cfg, iter(()), CLIENT)
    parser.unreader = source.unreader
    request = next(parser)
    _, environ = wsgi.create(request, None, CLIENT, SERVER, cfg)
    environ["wsgi.multithread"] = True
    return plain(environ), request.body.read(), request.should_close(), source.rest()


def check(cfg: Config, raw: bytes) -> bool:
    """Whether the request is ordinary; then it is what gunicorn reads, else none of it was taken."""
    source = Source(raw)
    request = ordinary_request.read(source.unreader)
    if request is None:
        assert source.rest() == raw
        return False
    ours = plain(request.environ(shared(cfg), None)), request.body.read(), request.should_close(), source.rest()
    assert ours == by_gunicorn(cfg, raw)
    return True


@pytest.mark.parametrize("raw", ORDINARY.values(), ids=ORDINARY)
def test_an_ordinary_request_is_read_as_gunicorn_reads_it(cfg: Config, raw: bytes) -> None:
    assert check(cfg, raw)


@pytest.mark.parametrize("raw", LEFT.values(), ids=LEFT)
def test_every_other_one_is_left_to_gunicorn(cfg: Config, raw: bytes) -> None:
    assert not check(cfg, raw)


#: Parts of heads, right and wrong ones, from which others are put together.
METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"get", b"", b"G ET"])
TARGETS = st.one_of(
    st.sampled_from([b"/", b"/job", b"*", b"//a", b"/a?b#c", b"/%00", b"http://a/", b"/a b", b"/[", b"/a\x7f", b"a:1"]),
    st.text(st.characters(max_codepoint=255), max_size=6).map(lambda text: b"/" + text.encode("latin-1")),
)
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/11", b"http/1.1"])
NAMES = st.one_of(
    st.sampled_from(b"Host|host|Content-Length|content-length|Content-Type|Transfer-Encoding|Connection".split(b"|")),
    st.sampled_from(b"Expect|Upgrade|X-A|x-a|X_A|X.A|HTTP-HOST|Content-Length | X|Te|\xb5|Path-Info".split(b"|")),
    st.sampled_from(b"X-Forwarded-Proto|X-Forwarded-Ssl|Remote-Addr|Wsgi.Input".split(b"|")),
    st.text(st.characters(max_codepoint=255), max_size=4).map(lambda text: text.encode("latin-1")),
)
VALUES = st.one_of(
    st.sampled_from(b"0|1|3|03| 2\t|+1|1,1|\xb3|close|keep-alive|Keep-Alive,x||localhost".split(b"|")),
    st.sampled_from(b"chunked|identity|100-continue|websocket|on|https|a\r\n b|a\nb: c".split(b"|")),
    st.text(st.characters(max_codepoint=255), max_size=8).map(lambda text: text.encode("latin-1")),
)
HEADERS = st.lists(st.tuples(NAMES, st.sampled_from([b":", b": ", b" :", b""]), VALUES).map(b"".join), max_size=4)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\r\n"])


@settings(max_examples=examples(400))
@given(METHODS, TARGETS, VERSIONS, st.booleans(), HEADERS, ENDS, st.binary(max_size=5), st.integers(0, 2))
def test_generated_heads_are_never_read_in_another_way(
    cfg: Config,
    method: bytes,
    target: bytes,
    version: bytes,
    has_host: bool,
    headers: list[bytes],
    end: bytes,
    body: bytes,
    blanks: int,
) -> None:
    lines = [
        (b" " if blanks < 2 else b"  ").join([method, target, version]),
        *([b"Host: a"] if has_host else []),
        *headers,
    ]
    raw = b"\r\n".join(lines) + end + b"\r\n" + body
    try:
        check(cfg, raw)
    except ParseException as error:
        raise AssertionError(f"gunicorn refuses {raw!r}") from error


@settings(max_examples=examples(400))
@given(st.sampled_from(list(ORDINARY.values())), st.integers(0, 200), st.binary(max_size=3), st.integers(0, 3))
def test_changed_heads_are_never_read_in_another_way(
    cfg: Config, raw: bytes, place: int, inserted: bytes, removed: int
) -> None:
    check(cfg, raw[:place] + inserted + raw[place + removed :])


def test_the_limits_are_within_gunicorns() -> None:
    assert min(server.MOST_LINE, server.MOST_HEADER) > MOST_BYTES
    assert server.MOST_HEADERS > MOST_HEADERS


def test_a_body_that_arrives_later_is_read_from_the_connection() -> None:
    source = Source(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nab", b"cdeGET")
    request = ordinary_request.read(source.unreader)
    assert request is not None
    assert not request.body.has_arrived(5)
    assert not request.body.is_read
    assert request.body.read() == b"abcde"
    assert request.body.is_read
    assert not request.body.failed
    assert source.rest() == b"GET"


def test_a_body_that_ends_early() -> None:
    request = ordinary_request.read(Source(ORDINARY["half of a body"]).unreader)
    assert request is not None
    assert request.body.read() == b"ab"


def test_the_end_of_a_connection() -> None:
    with pytest.raises(StopIteration):
        ordinary_request.read(Source().unreader)


def test_an_arrived_body() -> None:
    body = ArrivedBody(b"a\nb")
    assert body.has_arrived(3)
    assert not body.is_read
    assert body.readline() == b"a\n"
    assert list(body) == [b"b"]
    assert body.is_read
    assert ArrivedBody(b"").is_read


def test_proxies_that_gunicorn_is_told_to_trust_and_other_sockets_are_left_to_it(cfg: Config) -> None:
    worker = Worker.__new__(Worker)
    worker.cfg = cfg
    assert worker._shared_environ("/run/socket", CLIENT) == {}
    assert worker._shared_environ(SERVER, "") == {}
    worker.cfg = Config()  # gunicorn's default: those on the same machine
    assert worker._shared_environ(SERVER, CLIENT) == {}
