"""The receiver of a webhook and the API are killed while jobs end: no event is missing, and repetitions show it."""

from __future__ import annotations

import base64
import json
import os
import signal
from pathlib import Path

from standardwebhooks.webhooks import Webhook

from tests.acceptance.conftest import MakeStack
from tests.acceptance.support.api import Api
from tests.acceptance.support.ports import free_port
from tests.acceptance.support.processes import Process
from tests.acceptance.support.redis import OwnRedis
from tests.acceptance.support.stack import Stack
from tests.acceptance.support.until import until
from tests.unit.services.notifications.receiver import WebhookReceiver

TOKEN = "a-token-for-tests"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
JOBS = 4


def start(parts: Stack, name: str, port: int) -> tuple[Process, Api]:
    environ = {"JOBQUEUE_SECRET_HOOK": SECRET, "JOBQUEUE_NOTIFICATION_HOSTS": "127.0.0.1"}
    return parts.start_api(name, port, TOKEN, environ)


def run_jobs(api: Api) -> list[str]:
    """Run some jobs, one after the other; returns their ids in the order in which they ended."""
    ids = []
    for _ in range(JOBS):
        body = {"operation": {"type": "node.hostname.get"}, "target_hostname": "n1"}
        job_id = str(api.post("/job", body).json["job_id"])
        until(lambda: api.get(f"/job/{job_id}").json["status"] == "completed", "the job ends")  # noqa: B023 - at once
        ids.append(job_id)
    return ids


def reported(*receivers: WebhookReceiver) -> list[tuple[str, str]]:
    """Message ids and job ids in the order in which they came, each verified."""
    found = []
    for receiver in receivers:
        for _, headers, body in receiver.requests:
            message = Webhook(SECRET).verify(body, headers)
            assert message == json.loads(body)
            (event,) = message["data"]["events"]
            found.append((headers["webhook-id"], event["job"]["id"]))
    return found


def test_nothing_is_missing_when_the_receiver_and_the_api_are_killed(make_stack: MakeStack, home: Path) -> None:
    server = OwnRedis(home / "redis")
    server.start()
    parts = make_stack({"JOBQUEUE_REDIS_URL": server.url, "JOBQUEUE_TOKEN": TOKEN, "JOBQUEUE_API_WORKERS": "1"})
    port, hook_port = free_port(), free_port()
    process, api = start(parts, "api", port)
    parts.use(f"http://127.0.0.1:{port}", TOKEN)
    parts.agent("n1", wait=False)
    until(lambda: api.get("/agent/n1").status == 200, "the agent is known")
    channel = {"type": "webhook", "url": f"http://127.0.0.1:{hook_port}/", "secret": {"$secret": "hook"}}
    rule = json.dumps({"events": ["job.*"], "channel": channel}).encode()
    assert api.send("PUT", "/notification/all", rule, {"Content-Type": "application/json"}).status == 201

    with WebhookReceiver(port=hook_port) as first:
        jobs = run_jobs(api)
        until(lambda: len(first.requests) >= 1, "the receiver gets messages")
    jobs += run_jobs(api)  # nothing listens
    os.killpg(process.pid, signal.SIGKILL)  # the master and its worker
    process.wait()
    with WebhookReceiver(port=hook_port) as second:
        _, api = start(parts, "api-again", port)
        jobs += run_jobs(api)
        until(lambda: {job for _, job in reported(first, second)} == set(jobs), "every job is reported", seconds=120)
        dead = api.get("/notification/all").json["dead_letters"]
    came = reported(first, second)
    assert list(dict.fromkeys(job for _, job in came)) == jobs
    assert len({*came}) == len({message_id for message_id, _ in came}) == len(jobs)
    assert dead == 0
    server.stop()
