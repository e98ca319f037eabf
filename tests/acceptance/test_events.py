"""What happens to jobs, followed while it happens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import urllib3

from jobqueue.client.sse import ServerEvent, read_events
from tests.acceptance.support.api import Api
from tests.acceptance.support.stack import Stack

STEPS = ["submitted", "acknowledged", "started", "completed"]


class Follower:
    """One open stream of events."""

    def __init__(self, api: Api, path: str, after: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {api.token}", **({"Last-Event-ID": after} if after else {})}
        self._response = urllib3.request(
            "GET", f"{api.url}{path}", headers=headers, preload_content=False, timeout=60.0, retries=False
        )
        assert self._response.status == 200
        chunks = self._response.stream(4096)
        first = next(chunks)  # at least the comment that opens it: from here on nothing is missed
        self._events = read_events(chain([first], chunks))

    def __iter__(self) -> Iterator[ServerEvent]:
        return self._events

    def until(self, job_id: str, event: str) -> list[ServerEvent]:
        """All events up to this step of this job."""
        found = []
        for each in self._events:
            found.append(each)
            data = json.loads(each.data)
            if (data["job_id"], data["event"]) == (job_id, event):
                return found
        raise AssertionError(f"the stream ended after {found}")

    def close(self) -> None:
        self._response.close()


def steps(events: list[ServerEvent], job_id: str) -> list[str]:
    documents: list[dict[str, Any]] = [json.loads(each.data) for each in events]
    return [each["event"] for each in documents if each["job_id"] == job_id]


def test_a_stream_ends_with_its_key(api: Api) -> None:
    """A revoked key receives no further events."""
    made = api.post("/key", {"name": "follower", "roles": ["read"]}).json
    following = Follower(Api(api.url, made["key"]), "/events")
    assert api.delete(f"/key/{made['id']}").status == 204
    *_, last = following
    assert last.name == "error"
    assert "no longer valid" in json.loads(last.data)["error"]


def submit(api: Api) -> str:
    return api.submit("node.hostname.get")


def test_many_followers_receive_every_event_once(stack: Stack) -> None:
    api, followers = stack.api, 30
    with ThreadPoolExecutor(followers) as pool:
        streams = [pool.submit(Follower, api, "/events") for _ in range(followers)]
        opened = [stream.result(60) for stream in streams]
        jobs = [submit(api) for _ in range(5)]
        for job_id in jobs:
            api.wait(job_id)
        mark = submit(api)
        followed = [future.result(60) for future in [pool.submit(each.until, mark, "completed") for each in opened]]
    for follower in opened:
        follower.close()
    for events in followed:
        ids = [each.id for each in events if each.id]  # of several steps in one moment, the last has it
        assert len(set(ids)) == len(ids)
        assert all(steps(events, job_id) == STEPS for job_id in jobs)


def test_who_comes_back_misses_nothing_and_gets_nothing_twice(stack: Stack) -> None:
    api = stack.api
    follower = Follower(api, "/events")
    first = submit(api)
    before = follower.until(first, "started")
    follower.close()
    second = submit(api)
    api.wait(first)
    follower = Follower(api, "/events", before[-1].id)
    after = follower.until(second, "completed")
    follower.close()
    assert steps(before, first) + steps(after, first) == STEPS
    assert steps(after, second) == STEPS


def test_one_job_is_followed_to_its_end(stack: Stack) -> None:
    api = stack.api
    job_id = api.submit("command.shell.execute", {"command": "sleep 0.3"}, "_all")
    *followed, end = Follower(api, f"/job/{job_id}/events")
    hosts = len(api.job(job_id)["expected_agents"])
    assert sorted(steps(followed, job_id)) == sorted([STEPS[0], *STEPS[1:] * hosts])
    assert (end.name, json.loads(end.data)["status"]) == ("end", "completed")
    *again, _ = Follower(api, f"/job/{job_id}/events")  # it has ended: all at once
    assert steps(again, job_id) == [event["event"] for event in api.job(job_id)["timeline"]]


def test_what_is_no_longer_kept(stack: Stack) -> None:
    api = stack.api
    follower = Follower(api, "/events", "1-1")
    first = next(iter(follower))
    assert first.name == "reset"
    job_id = submit(api)
    assert steps(follower.until(job_id, "completed"), job_id) == STEPS
    follower.close()
