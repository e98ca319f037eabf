"""``Client.fleet_plan`` and ``Client.apply_plan``."""

from __future__ import annotations

import pytest

from jobqueue.client import Client
from jobqueue.errors import InvalidInput
from tests.unit.client.fake_api import FakeApi, Reply

ID = "6f1c2f8e-0000-4000-8000-000000000001"
OPERATION = {"type": "node.user.create", "data": {"name": "deploy", "check": True}}
JOB = {"id": ID, "status": "completed", "operation": OPERATION, "target_hostname": "group:web"}
WOULD = {"check": True, "would_change": True, "diff": "+name: deploy\n"}


@pytest.fixture
def checked(api: FakeApi) -> FakeApi:
    api.on("GET", f"/job/{ID}", Reply(200, JOB))
    items = [{"hostname": name, "status": "completed", "data": WOULD} for name in ("web1", "web2")]
    # two pages: the plan is that of all hosts
    pages = [
        Reply(200, {"items": items[:1], "next_cursor": "1"}),
        Reply(200, {"items": items[1:], "next_cursor": None}),
    ]
    api.on("GET", f"/job/{ID}/executions", *pages * 3)
    api.on("POST", "/job", Reply(201, {"job_id": "new"}))
    return api


def test_a_plan_is_read_and_applied(checked: FakeApi) -> None:
    with Client(checked.url, "token") as client:
        _read_and_apply(checked, client)


def _read_and_apply(checked: FakeApi, client: Client) -> None:
    plan = client.fleet_plan(ID)
    assert set(plan.digests) == {"web1", "web2"}
    with pytest.raises(InvalidInput, match="has the hash"):
        client.apply_plan(ID, "0" * 64)
    assert client.apply_plan(ID, plan.hash, rollout={"canary": 1}) == {"job_id": "new"}
    (body,) = [seen.body for seen in checked.seen if seen.method == "POST"]
    assert body["operation"]["data"] == {
        "name": "deploy",
        "plan": {"job": ID, "hash": plan.hash, "changes": plan.changes},
    }
    assert (body["target_hostname"], body["rollout"]) == ("group:web", {"canary": 1})
