"""/job/{id}/logs: as JSON, as text, and followed by server-sent events."""

from __future__ import annotations

import pytest

from api.live import sse
from jobqueue.errors import JobNotFound
from jobqueue.model.output import Chunk, HostOutputs, OutputPage
from jobqueue.signal_safe_event import SignalSafeEvent
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import FakeServices, a_job, a_pending_job
from tests.unit.api.shapes import error

JOB = a_job().id
FIRST = OutputPage("web1", (Chunk(4, "stdout", b"one\n"), Chunk(8, "stderr", b"\xff\xfe!\n")), 8, 0, False, "started")
LAST = OutputPage("web1", (Chunk(112, "stdout", b"two\n"),), 112, 100, True, "completed")
SECOND = (
    'id: web1:8\nevent: output\ndata: {"hostname":"web1","offset":8,"stream":"stderr","attempt":1,'
    '"text":"\\ufffd\\ufffd!\\n","base64":"//4hCg=="}'
)
THIRD = (
    'id: web1:112\nevent: output\ndata: {"hostname":"web1","offset":112,"stream":"stdout","attempt":1,"text":"two\\n"}'
)
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(autouse=True)
def printed(services: FakeServices) -> None:
    services.store[JOB] = a_pending_job()
    services.pages = [FIRST, OutputPage("web1", (), 8, 0, False, "started"), LAST]


def test_a_page(ask: Ask, services: FakeServices) -> None:
    assert ask("GET", f"/job/{JOB}/logs?hostname=web1&offset=3").get_json() == {
        "job_id": JOB,
        "hostname": "web1",
        "status": "started",
        "complete": False,
        "cut": 0,
        "next_offset": 8,
        "chunks": [
            {"offset": 4, "stream": "stdout", "attempt": 1, "text": "one\n"},
            {"offset": 8, "stream": "stderr", "attempt": 1, "text": "\ufffd\ufffd!\n", "base64": "//4hCg=="},
        ],
    }
    assert services.read == [(JOB, "web1", 3)]


def test_bare_text_is_the_bytes_as_they_were(ask: Ask) -> None:
    response = ask("GET", f"/api/job/{JOB}/logs", headers={"Accept": "text/plain"})
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.data == b"one\n\xff\xfe!\ntwo\n"  # all pages


def test_a_stream(ask: Ask) -> None:
    response = ask("GET", f"/job/{JOB}/logs", headers=STREAM)
    assert response.content_type == "text/event-stream; charset=utf-8"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.get_data(as_text=True).split("\n\n") == [
        ": stream begins",
        'id: web1:4\nevent: output\ndata: {"hostname":"web1","offset":4,"stream":"stdout","attempt":1,"text":"one\\n"}',
        SECOND,
        'event: cut\ndata: {"hostname":"web1","bytes":100}',
        THIRD,
        'id: web1:112\nevent: end\ndata: {"hostname":"web1","status":"completed"}',
        "",
    ]


def test_a_stream_goes_on_behind_the_last_event(ask: Ask, services: FakeServices) -> None:
    ask("GET", f"/job/{JOB}/logs?offset=2", headers={**STREAM, "Last-Event-ID": "web1:8"})
    assert services.read == [(JOB, "web1", 8)]


@pytest.mark.parametrize("given", ["web1:-1", "x", "1e3", "web1:", "\uff19", "9" * 40])
def test_a_bad_last_event_id(ask: Ask, given: str) -> None:
    headers = {**STREAM, "Last-Event-ID": given.encode().decode("latin-1")}
    error(ask("GET", f"/job/{JOB}/logs", headers=headers), 400, field="Last-Event-ID")


def test_an_error_on_the_way_is_the_last_event(ask: Ask, services: FakeServices) -> None:
    def pages():  # type: ignore[no-untyped-def]
        yield FIRST
        raise JobNotFound("deleted meanwhile")

    services.output.follow = lambda *_: pages()
    text = ask("GET", f"/job/{JOB}/logs", headers=STREAM).get_data(as_text=True)
    assert text.endswith('event: error\ndata: {"error":"deleted meanwhile","details":null}\n\n')


def test_a_stream_ends_when_the_server_does(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    raised = SignalSafeEvent()
    raised.set()
    monkeypatch.setattr(sse, "closing", raised)
    assert "event:" not in ask("GET", f"/job/{JOB}/logs", headers=STREAM).get_data(as_text=True)


def test_bad_input(ask: Ask) -> None:
    other = "00000000-0000-4000-8000-000000000000"
    error(ask("GET", f"/job/{other}/logs"), 404, other)
    error(ask("GET", f"/job/{other}/logs", headers=STREAM), 404, other)
    error(ask("GET", "/job/nonsense/logs"), 400, "UUID")
    error(ask("GET", f"/job/{JOB}/logs?offset=-1"), 400, field="offset")
    error(ask("GET", f"/job/{JOB}/logs?hostname=a%20b"), 400, "not well formed")
    error(ask("GET", f"/job/{JOB}/logs?follow=1"), 400, field="follow")


# -- several hosts -----------------------------------------------------------------------------------------------------

WEB2 = OutputPage("web2", (Chunk(2, "stdout", b"a\n"),), 2, 0, True, "failed")


@pytest.fixture
def several(services: FakeServices) -> FakeServices:
    services.host_outputs = HostOutputs((FIRST, WEB2), 3, "web2")
    services.followed_hosts = [FIRST, None, WEB2, LAST, None]
    return services


def test_the_output_of_several_hosts(ask: Ask, several: FakeServices) -> None:
    found = ask("GET", f"/job/{JOB}/logs?cursor=web0&limit=2&failed=true").get_json()
    assert several.read_hosts == [("web0", 2, True)]
    assert set(found) == {"job_id", "hosts", "total", "next_cursor"}
    assert (found["job_id"], found["total"], found["next_cursor"]) == (JOB, 3, "web2")
    assert [(page["hostname"], page["status"], page["next_offset"]) for page in found["hosts"]] == [
        ("web1", "started", 8),
        ("web2", "failed", 2),
    ]


def test_a_hostname_reads_one_host(ask: Ask, several: FakeServices) -> None:
    assert ask("GET", f"/job/{JOB}/logs?hostname=web1").get_json()["hostname"] == "web1"
    assert several.read_hosts == []


def test_text_of_several_hosts_has_each_line_behind_its_host(ask: Ask, several: FakeServices) -> None:
    response = ask("GET", f"/job/{JOB}/logs", headers={"Accept": "text/plain"})
    assert response.headers["X-Next-Cursor"] == "web2"
    lines = response.data.splitlines()
    assert lines[:2] == [b"web1 | one", b"web1 | \xff\xfe!"]
    assert lines[-1].startswith(b"web2 | ")


def test_several_hosts_are_followed_together(ask: Ask, several: FakeServices) -> None:
    text = ask("GET", f"/job/{JOB}/logs", headers=STREAM).get_data(as_text=True)
    names = [line.removeprefix("event: ") for line in text.splitlines() if line.startswith("event: ")]
    assert names == ["output", "output", "output", "host_end", "cut", "output", "host_end", "end"]
    assert "\nid:" not in text


@pytest.mark.parametrize(
    ("query", "field"), [("limit=0", "limit"), ("limit=101", "limit"), ("failed=1", "failed"), ("cursor=", "cursor")]
)
def test_bad_input_for_several_hosts(ask: Ask, several: FakeServices, query: str, field: str) -> None:
    error(ask("GET", f"/job/{JOB}/logs?{query}"), 400, field=field)
