"""Something else, or nothing, answers at the address of a cell: a clear error, which harms no other cell."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from jobqueue.cells.config import CellAddress
from tests.unit.api.cells.conftest import CellSite, Follow, FrontSite

HTML = b"<html><title>Welcome</title></html>"
OTHER = b'{"items": [{"id": 7}], "status": "green", "hostname": 5, "agents": 5, "job_id": 3}'
JOB_LIKE = b'{"id": "123e4567-e89b-12d3-a456-426614174000", "status": "completed", "responses": [1], "items": {}}'

#: Fits the stack of the thread that reads it, not that of a view that writes it.
DEEP = JOB_LIKE.replace(b"[1]", b"[" * 950 + b"]" * 950)
ALMOST_A_STATUS = b'{"status": "ok", "status_counts": {}, "agents": {"conditions": []}, "alerts": 5, "counters": {}}'
STATUS_LIST = (
    b'{"id": "123e4567-e89b-12d3-a456-426614174000", "status": [], "items": [{"id": '
    b'"123e4567-e89b-12d3-a456-426614174000", "status": []}], "cursors": ["c1"], "status_counts": [], '
    b'"agents": [{"hostname": "<b>\\ud800"}], "total": -1}'
)


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


#: What the server sends, and a part of the error.
ANSWERS: dict[str, tuple[bytes, str]] = {
    "html": (http("200 OK", HTML, "Content-Type: text/html"), "is not the jobqueue API (no JSON). Check the address."),
    "status that is a list": (http("200 OK", STATUS_LIST), "answered"),
    "a deep one": (http("200 OK", DEEP), "answered with more than 200 levels of JSON"),
    "almost a status": (http("200 OK", ALMOST_A_STATUS), "answered"),
    "a proxy that refuses": (http("403 No", HTML), "answered 403 No, and not as the jobqueue API does"),
    "a proxy that expects TLS": (http("400 Bad", HTML), "answered 400 Bad, and not as the jobqueue API does"),
    "a path that a proxy lacks": (http("404 No", HTML), "answered 404 No, and not as the jobqueue API does"),
    "an HTML error": (http("500 Oh no", HTML), "answered 500 Oh no, and not as the jobqueue API does"),
    "another service": (http("200 OK", OTHER), "answered"),
    "almost a job": (http("200 OK", JOB_LIKE), "answered"),
    "a list": (http("200 OK", b"[]"), "answered"),
    "a redirect": (http("302 Found", b"", "Location: https://sso.example/"), "redirects to https://sso.example/"),
    "TLS": (b"\x15\x03\x03\x00\x02\x02\x46", "was lost"),
    "nothing": (b"", "was lost"),
    "another token": (
        http("401 No", b'{"error": "The token is not valid.", "code": 401}'),
        "does not accept the front's",
    ),
    "too busy": (http("429 Slow", b'{"error": "Too many requests.", "code": 429}'), "Too many requests. (status 429)"),
}


@pytest.fixture
def serve() -> Iterator[Callable[[bytes | None], str]]:
    """Starts a server that sends the same bytes to every caller (None: it never answers), and names its address."""
    listeners: list[socket.socket] = []
    held: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def run(listener: socket.socket, answer: bytes | None) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if answer is None:
                held.append(connection)
                continue
            with connection:
                connection.settimeout(5)
                connection.recv(65536)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)

    def start(answer: bytes | None) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threads.append(threading.Thread(target=run, args=(listener, answer)))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join()
    for connection in held:
        connection.close()


def front_with(tmp_path: Path, west: CellSite, url: str, seconds: float = 20.0) -> FrontSite:
    state = tmp_path / "front"
    state.mkdir()
    front = FrontSite(state, [west])
    other = CellAddress("other", url, token_file=str(west.token_file), timeout_seconds=seconds)
    front.restart([west.address, other])
    return front


@pytest.mark.parametrize("kind", ANSWERS)
def test_it_is_told_and_harms_nothing(
    tmp_path: Path, west: CellSite, serve: Callable[[bytes | None], str], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobqueue.cells.breaker.FAILURES", 1000)  # each request meets the server itself
    answer, reason = ANSWERS[kind]
    front = front_with(tmp_path, west, serve(answer))
    for path in ("/job", "/agent", "/health/status"):
        away = front.get(path)["cells"][0]
        assert (away["cell"], away["status"]) == ("other", "unavailable"), path
        assert away["error"].startswith("Cell other does not answer: "), path
        assert reason in away["error"], (path, away["error"])
        assert "JOBQUEUE_URL" not in away["error"]
    accepted = front.submit("_all")
    assert {part["cell"]: part["state"] for part in accepted["cells"]} == {"other": "pending", "west": "created"}
    assert reason in accepted["cells"][0]["error"]
    west.finish("web1")
    assert front.get(f"/job/{accepted['job_id']}")["responses"].keys() == {"web1"}
    assert front.get("/agent/web1")["cell"] == "west"
    assert front.get("/agent/db9", 503)["details"] == {"cells": ["other"]}
    front.turn()
    assert front.home.ledger.cell_hosts.page("other", 0, 9) == ([], 0)


#: What the server sends as its events, and a part of the reason.
STREAMS: dict[str, tuple[bytes, str]] = {
    "no position first": (
        b"id: 1-1\nevent: job\ndata: {}\n\n",
        "is too old for a front; upgrade it",
    ),
    "not a position": (b"id: x\nevent: position\ndata: {}\n\n", "sent something other than an event of a job"),
    "not a step": (
        b'id: 1-1\nevent: position\ndata: {}\n\nid: 1-2\nevent: job\ndata: {"job_id": 7}\n\n',
        "sent something other than an event of a job",
    ),
    "backwards": (
        b"id: 9-1\nevent: position\ndata: {}\n\nid: 1-1\nevent: position\ndata: {}\n\n",
        "are not in order",
    ),
    "a list": (b"event: waiting\ndata: [1]\n\n", "sent something other than an event of a job"),
    "deep": (b"event: waiting\ndata: " + b"[" * 100_000 + b"\n\n", "sent something other than an event of a job"),
    "an endless line": (b"x" * 6_000_000, "is larger than 4194304 bytes"),
    "the end of the token": (
        b'event: error\ndata: {"error": "No longer."}\n\n',
        "ended the stream of events: No longer.",
    ),
    "nothing": (b": stream begins\n\n", "ended its stream of events"),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_events_of_something_else(
    tmp_path: Path, west: CellSite, serve: Callable[[bytes | None], str], follow: Follow, kind: str
) -> None:
    body, reason = STREAMS[kind]
    front = front_with(tmp_path, west, serve(http("200 OK", body, "Content-Type: text/event-stream")))
    stream = follow(front)
    away = stream.wait_for(kind="waiting", cell="other")
    assert away["reason"].startswith("Cell other does not answer: ")
    assert reason in away["reason"]
    job_id = west.submit("web1")
    stream.wait_for(job_id=job_id)


@pytest.mark.parametrize("kind", ["html", "a redirect", "TLS", "another token", "a path that a proxy lacks"])
def test_no_events_at_all(
    tmp_path: Path, west: CellSite, serve: Callable[[bytes | None], str], follow: Follow, kind: str
) -> None:
    answer, _ = ANSWERS[kind]
    front = front_with(tmp_path, west, serve(answer))
    stream = follow(front)
    assert "Cell other" in stream.wait_for(kind="waiting", cell="other")["reason"]
    job_id = west.submit("web1")
    stream.wait_for(job_id=job_id)


def test_a_cell_that_never_begins_its_events(
    tmp_path: Path, west: CellSite, serve: Callable[[bytes | None], str], follow: Follow
) -> None:
    front = front_with(tmp_path, west, serve(None), seconds=0.3)
    stream = follow(front)
    assert stream.wait_for(kind="waiting", cell="other")["reason"].startswith("Cell other does not answer: no events")
    job_id = west.submit("web1")
    stream.wait_for(job_id=job_id)


def test_a_cell_that_hangs_delays_few_calls(
    tmp_path: Path, west: CellSite, serve: Callable[[bytes | None], str]
) -> None:
    front = front_with(tmp_path, west, serve(None), seconds=0.3)
    for _ in range(3):
        assert "did not answer within 0.3 s" in front.get("/job")["cells"][0]["error"]
    begin = time.monotonic()
    assert "(not asked again for a few seconds)" in front.get("/job")["cells"][0]["error"]
    assert time.monotonic() - begin < 10.0  # not the time of a request to the cell, and the machine may be busy


def test_a_token_that_was_replaced_is_read_again(tmp_path: Path, west: CellSite) -> None:
    state = tmp_path / "front"
    state.mkdir()
    front = FrontSite(state, [west])
    good = west.token_file.read_text()
    west.token_file.write_text("another-token")
    front.restart([replace(west.address)])
    assert "does not accept the front's token" in front.get("/job")["cells"][0]["error"]
    west.token_file.write_text(good)
    assert front.get("/job")["cells"][0]["status"] == "ok"


def test_a_token_that_cannot_be_read(tmp_path: Path, west: CellSite) -> None:
    state = tmp_path / "front"
    state.mkdir()
    front = FrontSite(state, [west])
    front.restart([replace(west.address, token_file=str(tmp_path / "none"))])
    assert "The token of context 'west' cannot be read" in front.get("/job")["cells"][0]["error"]
