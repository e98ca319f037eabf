"""GET /api/jobs/{id}/logs, and what a tail sends: all streams, all agents, characters whole."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from flask import Flask

from api.ray import logs
from jobqueue.errors import LedgerUnavailable
from jobqueue.model.job import Job
from jobqueue.model.output import Chunk, OutputPage
from jobqueue.model.states import ExecutionState
from jobqueue.signal_safe_event import SignalSafeEvent
from tests.unit.api.conftest import AUTHORIZATION, Ask
from tests.unit.api.live.websocket_client import WebSocketClient
from tests.unit.api.ray.fakes import RayServices, an_entrypoint, an_execution

S = ExecutionState
PATH = "/api/jobs/raysubmit_1/logs"
EURO = "€".encode()
#: What Ray's job supervisor writes before the entrypoint does (ray 2.60, job_supervisor.py).
FIRST = "Running entrypoint for job raysubmit_1: python script.py\n"


def page(host: str, end: int, *chunks: tuple[str, bytes], cut: int = 0, attempt: int = 1) -> OutputPage:
    """A page whose last chunk ends at ``end``."""
    made = tuple(Chunk(end, stream, data, attempt) for stream, data in chunks)
    return OutputPage(host, made, end if made else 0, cut, False, "started")


@pytest.fixture
def job(services: RayServices) -> Job:
    found = an_entrypoint(S.STARTED)
    services.store[found.id] = found
    services.pages = [
        page("web1", 4, ("stdout", b"one\n")),
        page("web1", 8, ("stdout", EURO[:1]), ("stderr", b"no\n")),
        page("web1", 9),
        page("web1", 12, ("stdout", EURO[1:] + b"\xff\n")),
    ]
    return found


def test_logs(ask: Ask, job: Job) -> None:
    response = ask("GET", PATH)
    assert response.get_json() == {"logs": FIRST + "one\nno\n€\ufffd\n"}


def test_no_logs_yet(ask: Ask, services: RayServices) -> None:
    services.store["x"] = an_entrypoint(S.SUBMITTED, id="x")
    assert ask("GET", PATH).get_json() == {"logs": ""}


def test_the_first_line_comes_once_the_entrypoint_runs(ask: Ask, services: RayServices, job: Job) -> None:
    services.pages = [page("web1", 4, ("agent", b"uv\n")), page("web1", 8, ("stdout", b"out\n"))]
    assert ask("GET", PATH).get_json() == {"logs": f"uv\n{FIRST}out\n"}
    services.pages = services.pages[:1]  # it is being set up, or that failed
    assert ask("GET", PATH).get_json() == {"logs": "uv\n"}
    services.store[job.id] = an_entrypoint(S.STARTED, execution={"info": {"phase": "running"}})
    assert ask("GET", PATH).get_json() == {"logs": f"uv\n{FIRST}"}


def test_a_tail_of_one_that_prints_nothing(services: RayServices, job: Job, tail: Open) -> None:
    services.pages = []
    services.store[job.id] = an_entrypoint(S.STARTED, execution={"info": {"phase": "running"}})
    reader, _ = tail()
    assert "".join(reader.texts()) == FIRST


def test_what_is_not_kept_is_said(ask: Ask, services: RayServices, job: Job) -> None:
    services.pages = [page("web1", 100, ("stdout", b"end\n"), cut=96)]
    assert ask("GET", PATH).get_json() == {"logs": f"[96 bytes of output are no longer stored]\n{FIRST}end\n"}


def test_half_a_character_does_not_wait_for_another_attempt(ask: Ask, services: RayServices, job: Job) -> None:
    services.pages = [
        page("web1", 3, ("stdout", b"a" + EURO[:2])),
        page("web1", 9, ("stdout", b"b" + EURO[:1]), attempt=2),
    ]
    assert ask("GET", PATH).get_json() == {"logs": FIRST + "a\ufffdb\ufffd"}


@pytest.fixture
def several(services: RayServices, job: Job) -> Job:
    executions = tuple(an_execution(S.STARTED, slot=host, hostname=host) for host in ("web1", "web2"))
    services.store[job.id] = found = replace(job, executions=executions, is_broadcast=True)
    services.pages = [page("web1", 2, ("stdout", b"1\n")), page("web2", 2, ("stdout", b"2\n"))]
    return found


def test_several_agents_come_one_after_the_other(ask: Ask, several: Job) -> None:
    assert ask("GET", PATH).get_json() == {"logs": f"==> web1 <==\n{FIRST}1\n==> web2 <==\n{FIRST}2\n"}


def test_a_tail_is_for_websockets(ask: Ask, job: Job) -> None:
    response = ask("GET", f"{PATH}/tail")
    assert (response.status_code, response.content_type) == (426, "text/plain; charset=utf-8")
    assert response.headers["Upgrade"] == "websocket"
    assert "websocket" in response.text


def test_a_tail_of_nothing(ask: Ask) -> None:
    response = ask("GET", f"{PATH}/tail", headers={"Upgrade": "websocket", "Connection": "Upgrade"})
    assert (response.status_code, response.text) == (404, "Job raysubmit_1 does not exist")


#: Opens a tail: what reads it, and the thread that serves it.
Open = Callable[[], tuple[WebSocketClient, threading.Thread]]


@pytest.fixture
def tail(app: Flask) -> Iterator[Open]:
    """The other end of a websocket whose request is served beside the test, as gunicorn would."""
    with ExitStack() as stack:

        def open_tail() -> tuple[WebSocketClient, threading.Thread]:
            ours, theirs = map(stack.enter_context, socket.socketpair())
            client = WebSocketClient(ours, f"{PATH}/tail", AUTHORIZATION)

            def serve() -> None:
                with app.test_client() as caller, pytest.raises(StopIteration):
                    caller.open(f"{PATH}/tail", headers=client.headers, environ_base={"gunicorn.socket": theirs})
                theirs.close()

            thread = threading.Thread(target=serve)
            thread.start()
            stack.callback(ended, thread)
            stack.callback(ours.close)
            return client, thread

        def ended(thread: threading.Thread) -> None:
            thread.join(30)
            assert not thread.is_alive(), "the request has not ended"

        yield open_tail


def test_a_tail(job: Job, tail: Open) -> None:
    reader, _ = tail()
    assert "".join(reader.texts()) == FIRST + "one\nno\n€\ufffd\n"
    assert reader.close_code == 1000


def test_a_tail_over_several_agents(several: Job, tail: Open) -> None:
    reader, _ = tail()
    assert "".join(reader.texts()) == f"==> web1 <==\n{FIRST}1\n==> web2 <==\n{FIRST}2\n"
    assert reader.close_code == 1000


def test_frames_are_small(services: RayServices, job: Job, tail: Open) -> None:
    text = "€" * 2_000_000
    services.pages = [page("web1", 6_000_000, ("stdout", text.encode()))]
    reader, _ = tail()
    assert "".join(reader.texts()) == FIRST + text
    assert 500_000 < reader.largest_frame < 4 * 1024 * 1024


def test_a_tail_breaks_when_the_server_ends(job: Job, tail: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """An orderly close would tell Ray's client that the job is through."""
    ending = SignalSafeEvent()
    ending.set()
    monkeypatch.setattr(logs, "closing", ending)
    reader, _ = tail()
    assert list(reader.texts()) == []
    assert (reader.accepted, reader.close_code) == (True, None)


def test_a_tail_breaks_when_its_credentials_end(job: Job, tail: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True, False])
    monkeypatch.setattr(logs.Admission, "holds", lambda _: next(answers))
    reader, _ = tail()
    assert list(reader.texts()) == [FIRST + "one\n"]
    assert (reader.accepted, reader.close_code) == (True, None)


def test_a_tail_breaks_when_the_ledger_goes(services: RayServices, job: Job, tail: Open) -> None:
    def pages() -> Iterator[OutputPage]:
        yield services.pages[0]
        raise LedgerUnavailable

    services.output.follow = lambda *_: pages()
    reader, _ = tail()
    assert list(reader.texts()) == [FIRST + "one\n"]
    assert reader.close_code is None


@pytest.mark.parametrize("code", [None, 1001])
def test_a_reader_that_leaves_is_noticed(services: RayServices, job: Job, tail: Open, code: int | None) -> None:
    gone = threading.Event()
    served: list[int] = []

    def pages() -> Iterator[OutputPage]:
        for number in range(1, 1000):
            served.append(number)
            yield page("web1", number, ("stdout", b"x")) if number == 1 else page("web1", number)
            gone.wait(30)

    services.output.follow = lambda *_: pages()
    reader, request = tail()
    assert next(reader.texts()) == FIRST + "x"
    reader.leave(code)
    gone.set()
    request.join(30)
    assert len(served) < 999, "it was read to the end without a reader"
