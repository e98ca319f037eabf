"""POST /agent/bundle."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from jobqueue.errors import Conflict
from jobqueue.services.bundles import BundleRequest
from tests.unit.api.conftest import Ask
from tests.unit.api.fakes import FakeServices
from tests.unit.api.shapes import error


def make(ask: Ask, **body: Any) -> Any:
    return ask("POST", "/agent/bundle", json=body)


def test_a_bundle(ask: Ask, services: FakeServices) -> None:
    answer = make(ask, hostname="web9")
    assert answer.status_code == 201
    assert answer.get_json() == {
        "bundle": "the bundle\n",
        "hostname": "web9",
        "expires_at": "2024-06-14T10:00:00.000Z",
        "sha256": hashlib.sha256(b"the bundle\n").hexdigest(),
        "redis_user": "jobqueue-agent-web9",
        "redis_user_kept": True,
    }
    assert services.bundles_wanted == [BundleRequest("web9")]


def test_all_that_can_be_asked_for(ask: Ask, services: FakeServices) -> None:
    body = {"hostname": "web9", "seconds": 60, "allow": ["node.*"], "labels": {"group": "web"}, "replace": True}
    assert make(ask, **body, redis_url="redis://u:pw@r/0").status_code == 201
    assert services.bundles_wanted == [
        BundleRequest("web9", 60, ("node.*",), {"group": "web"}, "redis://u:pw@r/0", replace=True)
    ]


def test_it_is_audited_without_its_secrets(ask: Ask) -> None:
    make(ask, hostname="web9", allow=["*"], redis_url="redis://u:pw@r/0")
    said = ask("GET", "/audit").get_json()["entries"][0]
    assert said["path"] == "/agent/bundle"
    assert said["details"] == {"hostname": "web9", "allow": ["*"], "seconds": 3600, "replace": "False"}
    assert "pw" not in str(said)


def test_a_refusal(ask: Ask, services: FakeServices) -> None:
    services.failure = Conflict("Agent 'web9' has joined already.")
    error(make(ask, hostname="web9"), 409, "has joined already")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "hostname"),
        ({"hostname": ""}, "hostname"),
        ({"hostname": 7}, "hostname"),
        ({"hostname": "x" * 254}, "hostname"),
        ({"hostname": "web9", "seconds": 0}, "seconds"),
        ({"hostname": "web9", "seconds": 31 * 86_400}, "seconds"),
        ({"hostname": "web9", "seconds": "60"}, "seconds"),
        ({"hostname": "web9", "allow": []}, "allow"),
        ({"hostname": "web9", "allow": "*"}, "allow"),
        ({"hostname": "web9", "labels": ["a"]}, "labels"),
        ({"hostname": "web9", "labels": {"a": 1}}, "labels.a.value"),
        ({"hostname": "web9", "replace": "yes"}, "replace"),
        ({"hostname": "web9", "redis_url": ""}, "redis_url"),
        ({"hostname": "web9", "other": 1}, "other"),
    ],
)
def test_bad_requests(ask: Ask, services: FakeServices, body: dict[str, Any], field: str) -> None:
    error(make(ask, **body), 400, field=field)
    assert services.bundles_wanted == []
