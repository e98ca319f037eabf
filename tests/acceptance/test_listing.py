"""`GET /job`: pages, filters and counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.support.api import Api, request


@pytest.fixture(scope="module")
def jobs(stack: Any) -> list[dict[str, Any]]:
    """Seven finished jobs of this module's own tag, in the order of submission."""
    api: Api = stack.api
    wanted = [
        request("node.hostname.get", target="agent1", tags={"of": "listing", "colour": "red"}),
        request("node.hostname.get", target="agent2", tags={"of": "listing", "colour": "blue"}),
        request("node.uptime.get", target="_all", tags={"of": "listing"}),
        request("node.load.get", target="group:web", tags={"of": "listing"}),
        request("command.exec.execute", {"argv": ["/nowhere"]}, "agent3", tags={"of": "listing", "colour": "red"}),
        request("accept.choosy.get", {"file": "-", "hosts": ["agent1"]}, "agent1", tags={"of": "listing"}),
        request("node.hostname.get", target="_any", tags={"of": "listing"}),
    ]
    return [api.wait(api.submit(**_arguments(body))) for body in wanted]


def _arguments(body: dict[str, Any]) -> dict[str, Any]:
    operation = body.pop("operation")
    return {"operation": operation["type"], "data": operation["data"], "target": body.pop("target_hostname"), **body}


def found(api: Api, jobs: list[dict[str, Any]], **query: Any) -> list[int]:
    """Which of ``jobs`` a listing shows, as places in the order of submission, in the order shown."""
    page = api.jobs(limit=100, **query)
    assert page["total_items"] == len(page["items"])
    places = {job["id"]: place for place, job in enumerate(jobs)}
    return [places[item["id"]] for item in page["items"]]


def test_newest_first_and_whole(api: Api, jobs: list[dict[str, Any]]) -> None:
    page = api.jobs(tag="of:listing")
    assert page["items"] == jobs[::-1]


def test_every_filter(api: Api, jobs: list[dict[str, Any]]) -> None:
    tag = {"tag": "of:listing"}
    assert found(api, jobs, **tag, status="failed") == [4]
    assert found(api, jobs, **tag, status="skipped") == [5]
    assert found(api, jobs, **tag, status="completed") == [6, 3, 2, 1, 0]
    assert found(api, jobs, **tag, status="processing") == []
    assert found(api, jobs, **tag, operation="node.uptime.get") == [2]
    assert found(api, jobs, **tag, target="_all") == [2]
    assert found(api, jobs, **tag, target="agent2") == [1]
    assert found(api, jobs, **tag, target="group:web") == [3]
    assert set(found(api, jobs, **tag, hostname="agent2")) - {6} == {1, 2, 3}
    assert (6 in found(api, jobs, **tag, hostname=jobs[6]["hostname"])) is True
    assert found(api, jobs, tag="colour:red") == [4, 0]
    assert found(api, jobs, tag="colour:red", hostname="agent1", status="completed") == [0]
    assert found(api, jobs, tag="colour:green") == []


def test_times(api: Api, jobs: list[dict[str, Any]]) -> None:
    created = [job["created"] for job in jobs]
    assert created == sorted(created)
    # shown with milliseconds, kept with microseconds: a job may lie a little after the time that it shows
    after = found(api, jobs, tag="of:listing", created_after=created[3])
    assert after == [6, 5, 4, 3]
    before = found(api, jobs, tag="of:listing", created_before=created[3])
    assert before in ([2, 1, 0], [3, 2, 1, 0])
    assert found(api, jobs, tag="of:listing", created_after=created[2], created_before=created[4])[-1] == 2


def test_pages(api: Api, jobs: list[dict[str, Any]]) -> None:
    ids = [job["id"] for job in jobs[::-1]]
    by_offset = [api.jobs(tag="of:listing", limit=3, offset=offset) for offset in (0, 3, 6, 9)]
    assert [page["total_items"] for page in by_offset] == [7] * 4
    assert [[item["id"] for item in page["items"]] for page in by_offset] == [ids[:3], ids[3:6], ids[6:], []]
    by_cursor: list[str] = []
    page = api.jobs(tag="of:listing", limit=3)
    by_cursor += [item["id"] for item in page["items"]]
    # what is submitted meanwhile does not shift the pages
    newer = api.submit("node.hostname.get", tags={"of": "listing"})
    while page["next_cursor"] is not None:
        page = api.jobs(tag="of:listing", limit=3, cursor=page["next_cursor"])
        by_cursor += [item["id"] for item in page["items"]]
    assert by_cursor == ids
    api.wait(newer)
    assert api.delete(f"/job/{newer}").status == 204


def test_default_limit_and_summary(api: Api, jobs: list[dict[str, Any]]) -> None:
    answer = api.post("/job/batch", {"jobs": [request("node.hostname.get", tags={"of": "limit"})] * 12})
    for item in answer.json["items"]:
        api.wait(item["job_id"])
    assert len(api.jobs(tag="of:limit")["items"]) == 10
    (item,) = api.jobs(tag="of:limit", limit=1, view="summary")["items"]
    assert not {"responses", "agent_states", "timeline"} & set(item)
    assert {"id", "status", "result", "changed", "error", "hostname"} <= set(item)


def test_a_page_of_broadcasts_is_whole(api: Api, tmp_path: Path, jobs: list[dict[str, Any]]) -> None:
    (item,) = api.jobs(tag="of:listing", target="_all")["items"]
    assert sorted(item["responses"]) == ["agent1", "agent2", "agent3"]
    assert item["changed"] is False
