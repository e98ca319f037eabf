"""A front over two real cells: one is killed and comes back, and so is the front. Nothing is lost, or runs twice."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pytest
from urllib3.exceptions import HTTPError

from jobqueue.client import Client
from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.api import Api, request
from tests.acceptance.support.browser import opened
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.processes import Process
from tests.acceptance.support.redis import OwnRedis
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import LONG, until

TOKEN = "a-token-for-the-second-cell"
FRONT_TOKEN = "a-token-for-the-front-of-both"
HOST = "far1"
OPERATION = "node.hostname.get"


@dataclass
class Far:
    """The cell that the tests break."""

    stack: Stack
    redis: OwnRedis
    api: Process

    def start_api(self) -> None:
        self.api = self.stack.start("api", ["api", "--workers", "1"])
        until(lambda: answers(self.stack.api), "the API of the far cell answers")

    def parts_of(self, job_id: str) -> list[dict[str, Any]]:
        """The jobs that the cell has of a parent, as its own API lists them."""
        items: list[dict[str, Any]] = self.stack.api.jobs(tag=f"cells.parent:{job_id}")["items"]
        return items


@dataclass
class Front:
    """The front, in a process."""

    stack: Stack
    process: Process

    def start(self) -> None:
        self.process = self.stack.start("front", ["front"])
        until(lambda: answers(self.stack.api), "the front answers")

    @property
    def api(self) -> Api:
        return self.stack.api


def answers(api: Api) -> bool:
    try:
        return api.get("/health").status == 200
    except HTTPError:
        return False


@pytest.fixture(scope="module")
def far(make_stack: MakeStack, home: Path) -> Iterator[Far]:
    """A cell of an API, maintenance and one agent, each started by itself."""
    redis = OwnRedis(home / "far-redis")
    redis.start()
    port = free_port()
    stack = make_stack(
        {
            "JOBQUEUE_REDIS_URL": redis.url,
            "JOBQUEUE_TOKEN": TOKEN,
            "JOBQUEUE_API_PORT": str(port),
            "JOBQUEUE_HEARTBEAT_SECONDS": "1",
        }
    )
    stack.use(f"http://127.0.0.1:{port}", TOKEN)
    cell = Far(stack, redis, stack.start("api", ["api", "--workers", "1"]))
    stack.start("maintenance", ["maintenance"])
    until(lambda: answers(stack.api), "the API of the far cell answers")
    stack.agent(HOST)
    yield cell
    redis.stop()


@pytest.fixture(scope="module")
def front(make_stack: MakeStack, stack: Stack, far: Far) -> Front:
    """A front over the stack that all tests share and the far cell. Its records are beside those of the former."""
    port = free_port()
    own = make_stack(
        {
            "JOBQUEUE_REDIS_URL": (stack.state / "redis.url").read_text().strip(),
            "JOBQUEUE_KEY_PREFIX": "front:",
            "JOBQUEUE_TOKEN": FRONT_TOKEN,
            "JOBQUEUE_API_PORT": str(port),
            "JOBQUEUE_API_WORKERS": "1",
            "JOBQUEUE_CELLS": "cells.toml",
        }
    )
    lines = []
    for name, api in (("near", stack.api), ("far", far.stack.api)):
        token = own.logs / f"{name}.token"
        token.write_text(api.token)
        lines += [f"[cells.{name}]", f'url = "{api.url}"', f'token_file = "{token}"']
    cells = own.logs / "cells.toml"
    cells.write_text("\n".join(lines))
    cells.chmod(0o600)
    own.use(f"http://127.0.0.1:{port}", FRONT_TOKEN)
    made = Front(own, own.start("front", ["front"]))
    until(lambda: answers(own.api), "the front answers")
    return made


def states(job: dict[str, Any]) -> dict[str, str]:
    return {part["cell"]: part["state"] for part in job["cells"]}


def test_a_broadcast_over_both(front: Front, far: Far, stack: Stack) -> None:
    job_id = front.api.submit(OPERATION, target="_all", title="everywhere")
    job = front.api.wait(job_id)
    assert (job["status"], job["partial"]) == ("completed", False)
    assert HOST in job["responses"]
    assert len(job["responses"]) == 4
    parts = {part["cell"]: part["job_id"] for part in job["cells"]}
    listed = {item["id"]: item for item in front.api.jobs(limit=10, view="summary")["items"]}
    assert {(listed[parts[cell]]["cell"], listed[parts[cell]]["parent"]) for cell in parts} == {
        ("near", job_id),
        ("far", job_id),
    }
    assert front.api.wait(front.api.submit(OPERATION, target=HOST))["hostname"] == HOST
    done = front.stack.run("job", "show", job_id, JOBQUEUE_URL=front.api.url)
    assert (done.returncode, HOST in done.stdout) == (0, True), done.stderr
    done = front.stack.run("run", OPERATION, "--on", HOST, JOBQUEUE_URL=front.api.url)
    assert (done.returncode, HOST in done.stdout) == (0, True), done.stderr
    done = front.stack.run("check", JOBQUEUE_CELLS=str(front.stack.logs / "cells.toml"))
    assert "The cell far answers." in done.stdout, done.stdout


def test_a_cell_that_is_killed_and_comes_back(front: Front, far: Far) -> None:
    until(lambda: front.api.get("/cell/far").json["agents"] == 1, "the front has noted the hosts of the far cell")
    far.api.kill()
    page = until(lambda: front.api.jobs(limit=5) if front.api.jobs(limit=5)["partial"] else None, "the cell is missed")
    assert page is not None
    sections = {section["cell"]: section for section in page["cells"]}
    assert sections["far"]["unreachable_hosts"] == {"total": 1, "hostnames": [HOST]}
    assert sections["near"]["status"] == "ok"
    assert page["items"]
    job_id = front.api.submit(OPERATION, target="_all")
    assert states(front.api.job(job_id)) == {"near": "created", "far": "pending"}
    done = front.stack.run("job", "list", JOBQUEUE_URL=front.api.url)
    assert f"Hosts: 1 ({HOST})." in done.stderr, done.stderr
    far.start_api()
    job = front.api.wait(job_id)
    assert (job["status"], states(job)) == ("completed", {"near": "created", "far": "created"})
    assert [part["attempts"] for part in far.parts_of(job_id)] == [1]


def test_events_over_both_while_a_cell_is_killed(front: Front, far: Far) -> None:
    """Each step is seen once, in order, and the stream says when the cell was away."""
    events: SimpleQueue[dict[str, Any]] = SimpleQueue()
    is_over = threading.Event()

    def follow() -> None:
        for event in Client(front.api.url, FRONT_TOKEN).follow_events():
            events.put(event)
            if is_over.is_set():
                return

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    seen: list[dict[str, Any]] = []

    def until_event(**fields: Any) -> dict[str, Any]:
        while True:
            seen.append(events.get(timeout=LONG))
            if fields.items() <= seen[-1].items():
                return seen[-1]

    first = probe(front, events, seen)
    assert {event["cell"] for event in seen} == {"far"}
    far.api.kill()
    until_event(kind="waiting", cell="far")
    job_id = front.api.submit(OPERATION, target="_all")
    until_event(cell="near", event="completed")
    far.start_api()
    until_event(kind="resumed", cell="far")
    until_event(cell="far", event="completed")
    assert front.api.wait(job_id)["status"] == "completed"
    assert not [event for event in seen if event["kind"] == "reset"]
    steps = [event["event"] for event in seen if event.get("cell") == "far" and event["kind"] == "job"]
    assert steps[-4:] == ["submitted", "acknowledged", "started", "completed"]
    assert first not in {event.get("job_id") for event in seen[-4:]}
    is_over.set()
    front.api.submit(OPERATION, target=HOST)  # the next event ends the follower
    follower.join(LONG)
    assert not follower.is_alive()


def probe(front: Front, events: SimpleQueue[dict[str, Any]], seen: list[dict[str, Any]]) -> str:
    """Submit jobs until the stream shows one: it is open from then on."""
    while True:
        job_id = front.api.submit(OPERATION, target=HOST)
        front.api.wait(job_id)
        with contextlib.suppress(Empty):
            while True:
                seen.append(events.get(timeout=0.5))
        if any(event.get("event") == "completed" for event in seen):
            return job_id


def test_the_command_line_follows_a_parent(front: Front) -> None:
    done = front.stack.run(
        "run", "command.shell.execute", "-d", "command=echo hi", "--on", HOST, JOBQUEUE_URL=front.api.url
    )
    assert (done.returncode, "hi" in done.stdout) == (0, True), done.stderr
    job_id = front.api.submit("command.shell.execute", {"command": "sleep 1"}, target="_all")
    done = front.stack.run("job", "watch", job_id, JOBQUEUE_URL=front.api.url)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 agents done" in done.stderr
    done = front.stack.run("event", "follow", "--job", job_id, JOBQUEUE_URL=front.api.url)
    assert f"Job {job_id} is completed." in done.stdout, done.stdout


def test_a_retry_where_it_failed(front: Front, tmp_path: Path) -> None:
    """The hosts are those whose agents have signed that they failed: one of each cell."""
    blocked = [tmp_path / f"{host}.conf" for host in ("agent2", HOST)]
    for path in blocked:
        path.mkdir()
    data = {"path": f"{tmp_path}/@fact.{{hostname}}.conf", "content": "x"}
    job_id = front.api.submit("file.deploy.execute", data, target="_all")
    assert front.api.wait(job_id)["status"] == "partial_failure"
    for path in blocked:
        path.rmdir()
    answer = front.api.post(f"/job/{job_id}/retry", {"only": ["failed"]})
    assert answer.status == 201, answer
    job = front.api.wait(answer.json["job_id"])
    assert (job["status"], sorted(job["responses"]), job["retry_of"]) == ("completed", ["agent2", HOST], job_id)


def test_the_dashboard_in_a_browser(front: Front, far: Far) -> None:
    """A job is submitted by the form, followed to its end without a reload, and a cell that is killed is named."""
    with opened(front.api.url) as browser:
        browser.sign_in(FRONT_TOKEN)
        browser.wait_for("#cell-far", "answers")
        browser.open("/ui/submit")
        browser.follow("command.shell.execute")
        browser.fill("target", "_all")
        browser.fill("data.command", "sleep 1; echo done")
        browser.press("Submit", "#submit-form")
        browser.wait_for(".notice", "The job was submitted.")
        browser.wait_for("#part-far", "completed")
        browser.wait_for("#part-near", "completed")
        browser.wait_for("#summary", "completed")
        assert HOST in browser.text("#answers")
        assert browser.faults() == []
        browser.open("/ui/jobs")
        browser.wait_for("#list", "far")
        assert browser.faults() == []
        browser.wait_for("#pulse", "Live")
        browser.script("window.stayed = true")
        job_id = front.api.submit(OPERATION, target=HOST)
        front.api.wait(job_id)
        part = front.api.job(job_id)["cells"][0]["job_id"]
        browser.wait_for(f"#row-{part}", "completed")
        assert browser.script("return window.stayed === true") is True
        browser.open("/ui/agents?cell=far")
        assert HOST in browser.text("#list")
        assert browser.faults() == []
        far.api.kill()
        browser.open("/")
        browser.wait_for("#cell-far", "no answer")
        browser.wait_for("#cell-near", "answers")
        assert browser.faults() == []
        far.start_api()
        browser.wait_for("#cell-far", "answers")
        assert not [entry for entry in browser.complaints() if "Content Security" in entry]


def test_a_cell_whose_redis_is_killed(front: Front, far: Far) -> None:
    far.redis.kill()
    job_id = front.api.submit(OPERATION, target="_all")
    assert states(front.api.job(job_id)) == {"near": "created", "far": "pending"}
    far.redis.start()
    far.stack.api.wait_for_agent(HOST)
    assert front.api.wait(job_id)["status"] == "completed"
    assert [part["attempts"] for part in far.parts_of(job_id)] == [1]


def test_a_front_that_is_killed_while_it_sends(front: Front, far: Far, stack: Stack) -> None:
    """It has stored the parent, and has not learnt whether the cell has its part: the cell's Redis does not answer."""
    far.redis.freeze()
    title = "sent by a front that is killed"
    sender = threading.Thread(target=send, args=(front.api, title))
    sender.start()

    def near_part() -> dict[str, Any] | None:
        return next((job for job in stack.api.jobs(limit=5)["items"] if job["title"] == title), None)

    part = until(near_part, "the near cell has its part")
    assert part is not None
    front.process.kill()
    sender.join()
    far.redis.thaw()
    front.start()
    job_id = part["tags"]["cells.parent"]
    far.stack.api.wait_for_agent(HOST)
    job = front.api.wait(job_id)
    assert (job["status"], HOST in job["responses"]) == ("completed", True)
    assert [one["attempts"] for one in far.parts_of(job_id)] == [1]
    assert len(stack.api.jobs(tag=f"cells.parent:{job_id}")["items"]) == 1


def send(api: Api, title: str) -> None:
    """Submit a job whose answer may never come."""
    with contextlib.suppress(HTTPError):
        api.post("/job", request(OPERATION, target="_all", title=title))
