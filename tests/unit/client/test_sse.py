"""Server-sent events as the HTML standard defines them: lines end with CR LF, LF or CR, wherever the chunks end."""

from __future__ import annotations

import itertools

import pytest

from jobqueue.client.sse import COMMENT, EventTooLarge, ServerEvent, read_events

#: The same two events, with each end of a line.
STREAM = ": hello\nevent: job\nid: 1-0\ndata: {\ndata: }\n\ndata:x\n\n"
EVENTS = [ServerEvent("job", "{\n}", "1-0"), ServerEvent("message", "x")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
def test_lines_have_each_end(end: str) -> None:
    raw = STREAM.replace("\n", end).encode()
    assert list(read_events([raw])) == EVENTS
    assert list(read_events([raw[:1], *(bytes([byte]) for byte in raw[1:])])) == EVENTS
    for first, second in itertools.combinations(range(len(raw)), 2):
        assert list(read_events([raw[:first], b"", raw[first:second], raw[second:]])) == EVENTS


def test_no_field_holds_the_end_of_a_line() -> None:
    """Else a server that a front reads could put lines of its own into what the front sends."""
    (event, *_) = read_events([b"id: 1\revent: end\rdata: {}\r\revent: output\ndata: x\n\n"])
    assert event == ServerEvent("end", "{}", "1")


def test_comments_on_demand() -> None:
    assert [event.name for event in read_events([b": a\r: b\r\n"], comments=True)] == [COMMENT, COMMENT]


@pytest.mark.parametrize("chunks", [[b"data: aaaaaaaa"], [b"data: a\r\n", b"data: a\r\n"], [b"a" * 4] * 4], ids=str)
def test_an_event_that_is_too_large(chunks: list[bytes]) -> None:
    with pytest.raises(EventTooLarge):
        list(read_events(chunks, 10))
