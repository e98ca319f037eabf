"""Events of two cells as one stream, which a cell may leave and join again."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.support.until import until
from tests.unit.api.cells.conftest import CellSite, Follow, FrontSite
from tests.unit.api.conftest import AUTHORIZATION


def test_events_of_both_cells_with_their_cells(
    front: FrontSite, west: CellSite, east: CellSite, follow: Follow
) -> None:
    stream = follow(front)
    job_id = west.submit("web1")
    other = east.submit("db1")
    west.finish("web1")
    last = stream.wait_for(event="completed", cell="west")
    stream.wait_for(event="submitted", cell="east", job_id=other)
    assert (last["job_id"], last["status"], last["hostname"]) == (job_id, "completed", "web1")
    assert [step for step in stream.steps() if step[0] == "west"] == [
        ("west", "submitted", "_api"),
        ("west", "acknowledged", "web1"),
        ("west", "started", "web1"),
        ("west", "completed", "web1"),
    ]


def test_it_resumes_with_a_position_in_each_cell(
    front: FrontSite, west: CellSite, east: CellSite, follow: Follow
) -> None:
    stream = follow(front)
    begin = stream.wait_for(kind="position")["id"]
    assert sorted(part.partition(":")[0] for part in begin.split(",")) == ["east", "west"]
    first = west.submit("web1")
    seen = stream.wait_for(job_id=first)["id"]
    stream.close()
    second, third = west.submit("web1"), east.submit("db1")
    resumed = follow(front, "/events", seen)
    resumed.wait_for(job_id=second)
    resumed.wait_for(job_id=third)
    assert resumed.find(job_id=first) is None
    assert resumed.find(kind="reset") is None
    # a process that read no event yet
    front.restart([site.address for site in (west, east)])
    again = follow(front, "/events", begin)
    for job_id in (first, second, third):
        again.wait_for(job_id=job_id)
    assert again.find(kind="reset") is None


def test_one_connection_for_all_followers(
    front: FrontSite, west: CellSite, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    cell = front.cells.by_name["west"]
    real = cell.stream
    monkeypatch.setattr(cell, "stream", lambda *args, **more: opened.append(more["last_id"]) or real(*args, **more))
    streams = [follow(front) for _ in range(5)]
    job_id = west.submit("web1")
    for stream in streams:
        stream.wait_for(job_id=job_id)
    assert opened == [""]


def test_a_follower_that_resumes_before_what_is_in_memory(
    front: FrontSite, west: CellSite, east: CellSite, follow: Follow
) -> None:
    """The process has read the cells' events from a later position on."""
    stream = follow(front)
    begin = stream.wait_for(kind="position")["id"]
    jobs = [west.submit("web1") for _ in range(3)]
    stream.wait_for(job_id=jobs[-1])
    stream.close()
    front.restart([site.address for site in (west, east)])
    current = follow(front)
    current.wait_for(kind="position")
    late = follow(front, "/events", begin)
    jobs.append(west.submit("web1"))
    for job_id in jobs:
        late.wait_for(job_id=job_id)
    assert late.find(kind="reset") is None
    current.wait_for(job_id=jobs[-1])
    assert current.find(job_id=jobs[0]) is None


def test_a_cell_that_goes_and_comes_back_loses_no_event(
    front: FrontSite, west: CellSite, east: CellSite, follow: Follow
) -> None:
    stream = follow(front)
    stream.wait_for(kind="position")
    east.stop()
    away = stream.wait_for(kind="waiting", cell="east")
    assert away["reason"].startswith("Cell east does not answer: ")
    job_id = west.submit("web1")
    stream.wait_for(job_id=job_id)  # the other cell's events come
    missed = east.submit("db1")
    east.start()
    stream.wait_for(kind="resumed", cell="east")
    stream.wait_for(job_id=missed)
    assert stream.find(kind="reset") is None


def test_a_cell_that_is_away_when_a_follower_comes(
    front: FrontSite, west: CellSite, east: CellSite, follow: Follow
) -> None:
    """What happened there meanwhile was not seen."""
    east.stop()
    stream = follow(front)
    stream.wait_for(kind="waiting", cell="east")
    east.submit("db1")
    east.start()
    assert stream.wait_for(kind="reset", cell="east")["reason"] == "Cell east: some events may be missing."
    job_id = east.submit("db1")
    stream.wait_for(job_id=job_id)
    assert stream.find(kind="resumed") is None
    assert "east:" in stream.wait_for(job_id=job_id)["id"]


def test_a_position_that_a_cell_no_longer_holds(
    front: FrontSite, west: CellSite, east: CellSite, follow: Follow
) -> None:
    west.submit("web1")
    for position in ("1-1", "99999999999999-0"):
        stream = follow(front, "/events", f"east:0-0,west:{position}")
        stream.wait_for(kind="reset", cell="west")
        assert stream.find(kind="reset", cell="east") is None
        job_id = west.submit("web1")
        stream.wait_for(job_id=job_id)


def test_a_position_is_missing_for_a_cell(front: FrontSite, west: CellSite, follow: Follow) -> None:
    """It was added to the front, or away, when the client saw its last event."""
    stream = follow(front, "/events", "west:0-0")
    stream.wait_for(kind="reset", cell="east")
    assert stream.find(kind="reset", cell="west") is None


@pytest.mark.parametrize("text", ["1-1", "west", "west:1", "west:1-1,", "WEST:1-1", "west:99999999999999999999-1", "é"])
def test_ids_that_are_not_of_a_front(front: FrontSite, text: str) -> None:
    answer = front.app.test_client().get("/events", headers={**AUTHORIZATION, "Last-Event-ID": text})
    assert (answer.status_code, list(answer.get_json()["details"])) == (400, ["Last-Event-ID"])


def test_a_follower_that_falls_behind(
    front: FrontSite, west: CellSite, monkeypatch: pytest.MonkeyPatch, follow: Follow
) -> None:
    """What it lacks is no longer in memory, which is bounded."""
    monkeypatch.setattr("jobqueue.cells.feed.MOST_ENTRIES", 2)
    follow(front).wait_for(kind="position")  # keeps the feed running
    turns = front.front.feeds.follow(cells=["west"])
    next(turns)
    jobs = [west.submit("web1") for _ in range(8)]
    feed = front.front.feeds._feeds["west"]
    until(lambda: feed._entries and feed._entries[-1].steps[0]["job_id"] == jobs[-1], "all were read")
    assert len(feed._entries) <= 4
    while not (items := next(turns).items):
        pass
    while [getattr(item, "kind", "") for item in items] != ["reset"]:
        items = next(turns).items
    jobs.append(west.submit("web1"))
    while not (items := next(turns).items):
        pass
    assert [item.steps[0]["job_id"] for item in items] == [jobs[-1]]  # type: ignore[union-attr]
    turns.close()  # type: ignore[attr-defined]


def test_the_connection_ends_after_the_last_follower(front: FrontSite, west: CellSite, follow: Follow) -> None:
    stream = follow(front)
    stream.wait_for(kind="position")
    feed = front.front.feeds._feeds["west"]
    stream.close()
    until(lambda: feed._reader is None, "nobody reads the events")
    again = follow(front)
    job_id = west.submit("web1")
    again.wait_for(job_id=job_id)


def test_equal_steps_of_many_hosts_are_one_event(tmp_path: Any, make_site: Any, follow: Follow) -> None:
    site = make_site("north", *(f"web{number}" for number in range(30)))
    state = tmp_path / "front"
    state.mkdir()
    front = FrontSite(state, [site])
    stream, each = follow(front), follow(front, "/events?each=true")
    job_id = front.submit("_all")["cells"][0]["job_id"]
    front.post(f"/job/{job_id}/cancel", status=202)
    joint = stream.wait_for(event="cancelled", count=30)
    assert (joint["hostname"], joint["cell"], joint["job_id"]) == ("", "north", job_id)
    each.wait_for(event="cancelled", hostname="web29")
    assert len([step for step in each.steps() if step[1] == "cancelled"]) == 30


def test_metrics_of_the_feed(front: FrontSite, west: CellSite, east: CellSite, follow: Follow) -> None:
    stream = follow(front)
    job_id = west.submit("web1")
    stream.wait_for(job_id=job_id)
    text = front.ask("GET", "/metrics").get_data(as_text=True)
    assert 'jobqueue_front_feeds{cell="west"} 1.0' in text
    assert 'jobqueue_front_feed_delay_seconds{cell="west"}' in text
    east.stop()
    stream.wait_for(kind="waiting")
    assert 'jobqueue_front_feeds{cell="east"} 0.0' in front.ask("GET", "/metrics").get_data(as_text=True)
