"""The client's view of a job's output."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jobqueue.client import Client
from jobqueue.client.errors import ClientError, NotFound
from jobqueue.client.sse import ServerEvent, read_events
from tests.unit.client.fake_api import FakeApi, Reply

ID = "123e4567-e89b-42d3-a456-426614174000"
PATH = f"/job/{ID}/logs"
CHUNK = {"offset": 4, "stream": "stdout", "attempt": 1, "text": "one\n", "hostname": "web1"}
ONE = b'id: 4\nevent: output\ndata: {"offset":4,"stream":"stdout","attempt":1,"text":"one\\n","hostname":"web1"}\n\n'
END = b'id: 4\nevent: end\ndata: {"hostname":"web1","status":"completed"}\n\n'


def page(chunks: list[dict[str, Any]], next_offset: int) -> dict[str, Any]:
    return {
        "hostname": "web1",
        "status": "started",
        "complete": False,
        "cut": 0,
        "next_offset": next_offset,
        "chunks": chunks,
    }


def client(api: FakeApi) -> Client:
    return Client(api.url, "t0ken")


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_events_come_in_any_pieces(size: int) -> None:
    raw = b": hello\n\n" + ONE + b"data: a\r\ndata:b\r\n\r\nevent: torn\ndata: never"
    events = list(read_events(raw[start : start + size] for start in range(0, len(raw), size)))
    assert [(event.name, event.id) for event in events] == [("output", "4"), ("message", "")]
    assert events[1] == ServerEvent("message", "a\nb")


def test_pages_are_read_to_the_end(api: FakeApi) -> None:
    api.on("GET", PATH, Reply(body=page([CHUNK], 4)), Reply(body=page([], 4)))
    found = list(client(api).iter_logs(ID, "web1"))
    assert [len(part["chunks"]) for part in found] == [1, 0]
    assert [seen.query for seen in api.seen] == [
        {"offset": "0", "hostname": "web1"},
        {"offset": "4", "hostname": "web1"},
    ]


def test_a_broken_stream_is_taken_up_behind_what_came_last(api: FakeApi) -> None:
    api.on("GET", PATH, Reply(body=ONE), Reply(status=503, body={"error": "away"}), Reply(reset=True), Reply(body=END))
    found = list(client(api).follow_logs(ID))
    assert [part["chunks"] for part in found] == [[CHUNK], []]
    assert found[-1]["complete"]
    assert found[-1]["status"] == "completed"
    assert [seen.headers.get("Last-Event-ID") for seen in api.seen] == [None, "4", "4", "4"]
    assert api.seen[0].headers["Accept"] == "text/event-stream"


def test_errors_end_the_following(api: FakeApi) -> None:
    api.on("GET", PATH, Reply(status=404, body={"error": "No job", "code": 404, "details": None}))
    with pytest.raises(NotFound, match="No job"):
        list(client(api).follow_logs(ID))
    api.on("GET", PATH, Reply(body=b'event: error\ndata: {"error":"deleted meanwhile","details":null}\n\n'))
    with pytest.raises(ClientError, match="deleted meanwhile"):
        list(client(api).follow_logs(ID))


def hosts(*names: str, cursor: str | None = None) -> Reply:
    pages = [{**page([{**CHUNK, "text": f"{name}\n"}], 4), "hostname": name, "complete": name != "b"} for name in names]
    return Reply(body={"job_id": ID, "hosts": pages, "total": 3, "next_cursor": cursor})


def test_the_output_of_all_hosts(api: FakeApi) -> None:
    api.on("GET", PATH, hosts("a", "b", cursor="b"), Reply(body=page([], 4)), hosts("c"))
    found = list(client(api).iter_host_logs(ID, failed=True))
    assert [chunk["text"] for part in found for chunk in part["chunks"]] == ["a\n", "b\n", "c\n"]
    assert [seen.query for seen in api.seen] == [
        {"limit": "20", "failed": "true"},
        {"offset": "4", "hostname": "b"},  # only what may go on is read on
        {"limit": "20", "failed": "true", "cursor": "b"},
    ]


def test_pages_without_a_hostname_are_those_of_all_hosts(api: FakeApi) -> None:
    api.on("GET", PATH, hosts("a", cursor="a"), hosts("c"))
    found = list(client(api).iter_logs(ID))
    assert [part["hostname"] for part in found] == ["a", "c"]


def test_a_stream_of_several_hosts_that_begins_anew_repeats_nothing(api: FakeApi) -> None:
    def event(name: str, **data: object) -> bytes:
        return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()

    def output(host: str, offset: int) -> bytes:
        return event("output", hostname=host, offset=offset, stream="stdout", attempt=1, text=f"{host}{offset}")

    first = event("cut", hostname="a", bytes=7) + output("a", 10) + output("b", 4)
    again = first + output("b", 8) + event("host_end", hostname="a", status="failed")
    end = event("end", hostname="", status="")
    api.on("GET", PATH, Reply(body=first), Reply(body=again + end))
    found = list(client(api).follow_logs(ID))
    assert [chunk["text"] for part in found for chunk in part["chunks"]] == ["a10", "b4", "b8"]
    assert sum(part["cut"] for part in found) == 7
    assert found[-1]["complete"]
