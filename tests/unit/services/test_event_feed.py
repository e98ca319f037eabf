"""Followers of what happens: each gets everything once, in order, at its own pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fakeredis
import pytest

from jobqueue.errors import InvalidInput, LedgerUnavailable
from jobqueue.ledger.events import START
from jobqueue.ledger.ledger import Ledger
from jobqueue.model.job import Execution, Job
from jobqueue.model.job_event import JobEvent
from jobqueue.model.states import ExecutionState, JobStatus
from jobqueue.model.timeline import Event
from jobqueue.services import event_feed as feed_module
from jobqueue.services.event_feed import EventFeed, MissedEvents
from jobqueue.settings import Settings

JOB, OTHER = "1" * 36, "2" * 36


class Stream:
    """The ledger's stream, written to by hand."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.key = ledger.keys.kind("events")
        self.ledger.client.delete(self.key)

    def append_event(self, job_id: str = JOB, event: str = "started", status: str = "processing", at: int = 1) -> str:
        value = f"{job_id}|{status}|{at}|{event}|web1|"
        return str(self.ledger.client.xadd(self.key, {"v": value}))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    client = fakeredis.FakeRedis(decode_responses=True)
    yield Ledger(client, Settings(state_dir=tmp_path))
    client.close()


@pytest.fixture
def stream(ledger: Ledger) -> Stream:
    return Stream(ledger)


class JobReader:
    """Answers with ``job``, after calling ``meanwhile``."""

    job: Job

    def __call__(self, job_id: str) -> Job:
        assert job_id == JOB
        self.meanwhile()
        return self.job

    def meanwhile(self) -> None: ...


@pytest.fixture
def jobs() -> JobReader:
    return JobReader()


@pytest.fixture
def feed(ledger: Ledger, jobs: JobReader, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventFeed]:
    monkeypatch.setattr(feed_module, "_READ_SECONDS", 0.05)
    found = EventFeed(ledger.events, jobs)
    yield found
    for thread in threading.enumerate():
        if thread.name == "feed":
            thread.join(20)
            assert not thread.is_alive(), "the reader goes on without followers"


def take(turns: Iterator[list[JobEvent]], count: int) -> list[str]:
    """The ids of the next ``count`` news."""
    found: list[str] = []
    for turn in turns:
        found += [news.id for news in turn]
        if len(found) >= count:
            return found
    raise AssertionError(f"it ended after {found}")


def end(turns: Iterator[list[JobEvent]]) -> None:
    turns.close()  # type: ignore[attr-defined]


def test_from_now_on(feed: EventFeed, stream: Stream) -> None:
    stream.append_event()
    turns = feed.follow()
    events = [stream.append_event() for _ in range(3)]
    assert take(turns, 3) == events
    later = stream.append_event()
    assert take(turns, 1) == [later]
    end(turns)


def test_from_behind_what_was_seen(feed: EventFeed, stream: Stream) -> None:
    events = [stream.append_event() for _ in range(5)]
    turns = feed.follow(events[1])
    assert take(turns, 3) == events[2:]
    everything = feed.follow(START)
    assert take(everything, 5) == events
    end(turns)
    end(everything)


def test_a_turn_comes_even_when_nothing_happens(feed: EventFeed, stream: Stream) -> None:
    turns = feed.follow(wait_seconds=0.05)
    started = time.monotonic()
    assert [next(turns), next(turns)] == [[], []]
    assert time.monotonic() - started >= 0.09  # it waited, both times
    end(turns)


def test_many_followers_get_everything_once_and_in_order(feed: EventFeed, stream: Stream) -> None:
    first = stream.append_event()
    followers = 12
    ready = threading.Barrier(followers + 1)

    def follow() -> list[str]:
        turns = feed.follow(first)
        ready.wait(20)
        found = take(turns, 300)
        end(turns)
        return found

    with ThreadPoolExecutor(followers) as pool:
        futures = [pool.submit(follow) for _ in range(followers)]
        ready.wait(20)
        events = [stream.append_event() for _ in range(300)]
        assert all(future.result(60) == events for future in futures)


def test_who_lags_behind_reads_on_where_he_was(
    feed: EventFeed, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "_RECENT", 10)
    slow, quick = feed.follow(), feed.follow()
    events = []
    for _ in range(10):
        batch = [stream.append_event() for _ in range(10)]
        assert take(quick, 10) == batch
        events += batch
    assert len(feed._recent) <= 20
    assert take(slow, 100) == events
    end(slow)
    end(quick)


def test_a_gap_is_reported(feed: EventFeed, stream: Stream) -> None:
    events = [stream.append_event() for _ in range(3)]
    stream.ledger.client.xtrim(stream.key, maxlen=1, approximate=False)
    with pytest.raises(MissedEvents):
        feed.follow(events[0])
    turns = feed.follow(events[2])
    later = stream.append_event()
    assert take(turns, 1) == [later]
    end(turns)


@pytest.mark.parametrize("given", ["x", "1", "1-x", "-1-1", "1-1-1", "\u0661-\u0661", "9" * 40 + "-1"])
def test_invalid_ids(feed: EventFeed, given: str) -> None:
    with pytest.raises(InvalidInput, match="Last-Event-ID"):
        feed.follow(given)


def test_an_outage_is_waited_out(feed: EventFeed, stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = feed.follow(wait_seconds=0.01)
    assert next(turns) == []
    wait, failed = stream.ledger.events.wait, threading.Event()

    def away(after: str, seconds: float) -> list[JobEvent]:
        if failed.is_set():
            return wait(after, seconds)
        failed.set()
        raise LedgerUnavailable

    monkeypatch.setattr(stream.ledger.events, "wait", away)
    assert failed.wait(20)
    events = stream.append_event()
    assert take(turns, 1) == [events]
    end(turns)


# --- one job ----------------------------------------------------------------------------------------------------------
def a_job(*events: tuple[int, str], status: JobStatus = JobStatus.PROCESSING) -> Job:
    execution = Execution(
        "web1", "web1", ExecutionState.STARTED, events=tuple(Event(at, e, "web1") for at, e in events)
    )
    return Job("op.x", {}, "web1", id=JOB, status=status, created=1, updated=1, executions=(execution,))


def test_a_job_begins_with_its_timeline_and_ends_when_it_is_final(
    feed: EventFeed, stream: Stream, jobs: JobReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = stream.append_event(at=1, event="acknowledged")
    known: list[str] = []
    monkeypatch.setattr(jobs, "meanwhile", lambda: known.append(stream.append_event(at=2, event="started")))
    jobs.job = a_job((1, "acknowledged"), (2, "started"))
    turns = feed.follow_job(JOB)
    first = next(turns)
    assert [([event.event for event in news.events], news.id) for news in first] == [
        (["acknowledged", "started"], position)
    ]
    stream.append_event(OTHER)
    last = stream.append_event(at=3, event="completed", status="completed")
    rest = [news for turn in turns for news in turn]
    assert [news.id for news in rest] == [last]
    assert known
    assert known[0] not in [news.id for news in rest]


def test_a_job_that_is_final_already(feed: EventFeed, stream: Stream, jobs: JobReader) -> None:
    events = [stream.append_event(at=n, event="completed", status="completed") for n in range(2)]
    jobs.job = a_job((1, "completed"), status=JobStatus.COMPLETED)
    assert [len(turn) for turn in feed.follow_job(JOB)] == [1]
    behind = [news.id for turn in feed.follow_job(JOB, events[0]) for news in turn]
    assert behind == [events[1]]
    assert [news for turn in feed.follow_job(JOB, events[1]) for news in turn] == []


def _begin_anew(stream: Stream) -> None:
    """What the ledger does with a stream whose last id is the highest that there is."""
    stream.ledger.client.rename(stream.key, f"{stream.key}:aside")


def test_a_restarted_stream_is_announced_to_all_followers(feed: EventFeed, stream: Stream) -> None:
    turns, other = feed.follow(wait_seconds=0.05), feed.follow(wait_seconds=0.05)
    highest = str(stream.ledger.client.xadd(stream.key, {"v": "x"}, id="18446744073709551615-18446744073709551615"))
    assert take(turns, 1) == take(other, 1) == [highest]
    _begin_anew(stream)
    first = stream.append_event()
    for follower in (turns, other):
        with pytest.raises(MissedEvents):
            take(follower, 1)
    anew = feed.follow(START)
    assert take(anew, 1) == [first]
    later = stream.append_event()
    assert take(anew, 1) == [later]
    end(anew)


def test_an_emptied_stream_is_reported(feed: EventFeed, stream: Stream) -> None:
    seen = stream.append_event()
    turns = feed.follow(seen, wait_seconds=0.05)
    next(turns)
    _begin_anew(stream)
    with pytest.raises(MissedEvents):
        take(turns, 1)


def test_a_follower_of_the_new_stream_does_not_spin(
    feed: EventFeed, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the reader has noticed, it has what came; it waits for the rest like every other."""
    monkeypatch.setattr(feed_module, "_READ_SECONDS", 0.5)
    stream.ledger.client.xadd(stream.key, {"v": "x"}, id="18446744073709551615-1")
    old = feed.follow(wait_seconds=0.05)
    next(old)
    _begin_anew(stream)
    stream.append_event()
    new = feed.follow(wait_seconds=0.2)
    started = time.monotonic()
    assert [next(new), next(new)] == [[], []]
    assert time.monotonic() - started >= 0.3
    later = stream.append_event()
    assert take(new, 1) == [later]
    end(new)
    with pytest.raises(MissedEvents):
        take(old, 1)


def rush(stream: Stream, count: int, keep: int) -> list[str]:
    """So many entries at once that the stream keeps only the last of them."""
    events = [stream.append_event() for _ in range(count)]
    stream.ledger.client.xtrim(stream.key, maxlen=keep, approximate=False)
    return events


class Rushing:
    """The ledger's events; before one of the reads, more rush through than the stream keeps."""

    def __init__(self, stream: Stream, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
        self.events: list[str] = []
        self._stream = stream
        original = getattr(stream.ledger.events, method)

        def read(after: str, *more: float) -> list[JobEvent]:
            if not self.events:
                self.events = rush(stream, 30, 10)
            return list(original(after, *more))

        monkeypatch.setattr(stream.ledger.events, method, read)


def until_missed(turns: Iterator[list[JobEvent]]) -> list[str]:
    """The ids of all news until some are missed."""
    found: list[str] = []
    with pytest.raises(MissedEvents):
        found.extend(news.id for turn in turns for news in turn)
    return found


def test_entries_that_the_reader_missed(feed: EventFeed, stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    stream.append_event()
    rushing = Rushing(stream, monkeypatch, "wait")
    assert until_missed(feed.follow()) == []
    later = feed.follow()
    events = stream.append_event()
    assert take(later, 1) == [events]
    end(later)
    assert len(rushing.events) == 30


def test_entries_missed_in_a_stream_that_was_empty(
    feed: EventFeed, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobqueue.ledger.events.KEPT", 10)
    Rushing(stream, monkeypatch, "wait")
    assert until_missed(feed.follow()) == []


def test_entries_that_a_slow_follower_missed_while_it_read(
    feed: EventFeed, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stream.append_event()
    monkeypatch.setattr(stream.ledger.events, "holds", lambda _: True)
    turns = feed.follow(first)  # older than what is in memory
    monkeypatch.undo()
    monkeypatch.setattr(feed_module, "_READ_SECONDS", 0.05)
    stream.append_event()
    Rushing(stream, monkeypatch, "read")
    assert until_missed(turns) == []


def test_no_reset_without_a_gap(feed: EventFeed, stream: Stream) -> None:
    turns = feed.follow()
    events = [stream.append_event() for _ in range(30)]
    assert take(turns, 30) == events
    end(turns)
