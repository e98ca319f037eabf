"""The events and the output of one job, which may have a part in each cell."""

from __future__ import annotations

import uuid

from tests.acceptance.support.until import until
from tests.unit.api.cells.conftest import CellSite, Follow, FrontSite
from tests.unit.api.conftest import AUTHORIZATION


def test_a_parent_to_its_end(front: FrontSite, west: CellSite, east: CellSite, follow: Follow) -> None:
    job_id = front.submit("_all")["job_id"]
    stream = follow(front, f"/job/{job_id}/events")
    stream.wait_for(event="submitted")
    west.finish("web1")
    assert stream.wait_for(event="completed", hostname="web1")["status"] == "processing"
    west.finish("web2")
    # the part of the cell has ended, the job has not
    assert stream.wait_for(event="completed", hostname="web2")["status"] == "processing"
    assert stream.find(kind="end") is None
    east.finish("db1")
    last = stream.wait_for(event="completed", hostname="db1")
    assert (last["status"], last["cell"], last["job_id"]) == ("completed", "east", job_id)
    assert stream.wait_for(kind="end") == {"kind": "end", "id": "", "job_id": job_id, "status": "completed"}
    until(lambda: stream.has_ended, "the stream ends")
    assert {event["job_id"] for event in stream.events} == {job_id}
    assert front.get(f"/job/{job_id}")["status"] == "completed"
    # one that has ended
    again = follow(front, f"/job/{job_id}/events")
    again.wait_for(kind="end", status="completed")
    assert len([event for event in again.events if event.get("event") == "completed"]) == 3


def test_other_jobs_are_not_in_it(front: FrontSite, west: CellSite, follow: Follow) -> None:
    job_id = front.submit("_all")["job_id"]
    stream = follow(front, f"/job/{job_id}/events")
    stream.wait_for(event="submitted")
    other = west.submit("web1")
    west.finish("web1")
    stream.wait_for(event="completed", hostname="web1")
    assert other not in str(stream.events)


def test_it_resumes(front: FrontSite, west: CellSite, east: CellSite, follow: Follow) -> None:
    job_id = front.submit("_all")["job_id"]
    stream = follow(front, f"/job/{job_id}/events")
    stream.wait_for(event="submitted")
    west.finish("web1")
    seen = stream.wait_for(event="completed", hostname="web1")["id"]
    stream.close()
    west.finish("web2")
    east.finish("db1")
    resumed = follow(front, f"/job/{job_id}/events", seen)
    resumed.wait_for(kind="end", status="completed")
    assert [event["hostname"] for event in resumed.events if event.get("event") == "completed"] == ["web2", "db1"]


def test_a_cell_that_gets_its_part_later(front: FrontSite, west: CellSite, east: CellSite, follow: Follow) -> None:
    east.stop()
    job_id = front.submit("_all")["job_id"]
    stream = follow(front, f"/job/{job_id}/events")
    stream.wait_for(kind="waiting", cell="east")
    west.finish("web1")
    west.finish("web2")
    assert stream.wait_for(event="completed", hostname="web2")["status"] == "processing"
    east.start()
    until(lambda: front.turn() or east.jobs(), "the cell has its part")
    until(lambda: [event for event in stream.events if event["kind"] == "reset"], "the client is to reload the job")
    east.finish("db1")
    stream.wait_for(kind="end", status="completed")


def test_a_cell_that_does_not_answer_when_its_part_ends(
    front: FrontSite, west: CellSite, east: CellSite, follow: Follow
) -> None:
    job_id = front.submit("_all")["job_id"]
    stream = follow(front, f"/job/{job_id}/events")
    stream.wait_for(event="submitted")
    west.finish("web1")
    west.finish("web2")
    east.stop()
    stream.wait_for(kind="waiting", cell="east")
    east.finish("db1")
    assert stream.find(kind="end") is None
    east.start()
    stream.wait_for(event="completed", hostname="db1")
    stream.wait_for(kind="end", status="completed")


def test_a_job_of_one_cell(front: FrontSite, west: CellSite, follow: Follow) -> None:
    job_id = west.submit("web1")
    stream = follow(front, f"/job/{job_id}/events")
    stream.wait_for(event="submitted")
    west.finish("web1")
    stream.wait_for(kind="end", job_id=job_id, status="completed")
    assert [event["event"] for event in stream.events[:-1]] == ["submitted", "acknowledged", "started", "completed"]
    assert follow(front, f"/job/{job_id}/events").wait_for(kind="end")["status"] == "completed"


def test_hosts_of_the_same_name(front: FrontSite, west: CellSite, make_site: object, follow: Follow) -> None:
    """They are named as the job names them."""
    other = make_site("north", "web1")  # type: ignore[operator]
    front.restart([site.address for site in (west, other)])
    job_id = front.submit("_all")["job_id"]
    stream = follow(front, f"/job/{job_id}/events")
    stream.wait_for(event="submitted")
    for site, hostname in ((west, "web1"), (west, "web2"), (other, "web1")):
        site.finish(hostname)
    stream.wait_for(kind="end")
    hosts = {event["hostname"] for event in stream.events if event.get("event") == "completed"}
    assert hosts == set(front.get(f"/job/{job_id}")["agent_states"]) == {"web1", "web2", "web1@west"}


def test_jobs_that_no_cell_has(front: FrontSite, east: CellSite) -> None:
    missing = str(uuid.uuid4())
    front.get(f"/job/{missing}/events", 404)
    front.get("/job/nonsense/events", 400)
    east.stop()
    front.get(f"/job/{missing}/events", 503)


def test_output_is_followed_in_the_cell_of_the_job(
    front: FrontSite, west: CellSite, east: CellSite, follow: Follow
) -> None:
    accepted = front.submit("web1")
    stream = follow(front, f"/job/{accepted['job_id']}/logs")
    west.finish("web1")
    end = stream.wait_for(kind="end", hostname="web1")
    assert end["status"] == "completed"
    until(lambda: stream.has_ended, "the stream ends")
    both = front.submit("_all")["job_id"]
    front.get(f"/job/{both}/logs", 501)
    of_one = follow(front, f"/job/{both}/logs?hostname=db1")
    east.finish("db1")
    of_one.wait_for(kind="end", hostname="db1")
    east.stop()
    assert front.submit("db1", status=503)["details"]


def test_the_number_of_outputs_that_are_followed_is_bounded(front: FrontSite, west: CellSite, follow: Follow) -> None:
    job_id = front.submit("web1")["job_id"]
    cell = front.cells.by_name["west"]
    cell._followed = type(cell._followed)(1)
    first = follow(front, f"/job/{job_id}/logs")
    headers = {**AUTHORIZATION, "Accept": "text/event-stream"}
    answer = front.app.test_client().get(f"/job/{job_id}/logs", headers=headers)
    assert (answer.status_code, answer.get_json()["error"]) == (
        503,
        "Cell west does not answer: 200 outputs of it are followed already.",
    )
    west.finish("web1")
    first.wait_for(kind="end")
