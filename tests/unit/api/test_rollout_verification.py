"""The verification of a rollout is work: it is validated, needs its own permission, and is signed."""

from __future__ import annotations

from typing import Any

import pytest

from jobqueue.settings import Settings
from jobqueue.trust.signing import work
from jobqueue.trust.signing.trusted import TrustedKeys
from tests.unit.api.shapes import error
from tests.unit.api.test_scopes import Api, api, app, services, settings

__all__ = ["api", "app", "services", "settings"]

CHECK = {"operation": {"type": "command.shell.execute", "data": {"command": "true"}}, "within_seconds": 5}
HOSTNAME = {"operation": {"type": "node.hostname.get"}}


def post(api: Api, *grants: str, verify: Any = CHECK, target: str = "group:web", path: str = "/job") -> Any:
    body = {**HOSTNAME, "target_hostname": target, "rollout": {"batch": 1, "verify": verify}}
    return api.by(*grants).post(path, json=body)


def test_it_is_signed_and_shown(api: Api, settings: Settings) -> None:
    job_id = post(api, "*").get_json()["job_id"]
    found = api.by("*").get(f"/job/{job_id}").get_json()
    assert found["rollout"]["terms"] == {"batch": 1, "verify": CHECK}
    document = api.services.ledger.jobs.get(job_id).document
    signed = work.read(document, TrustedKeys.open(settings.trusted_keys), job_id)
    assert signed.document["rollout"]["verify"] == CHECK


@pytest.mark.parametrize("path", ["/job", "/job/plan"])
@pytest.mark.parametrize(
    ("verify", "words"),
    [
        ({"operation": {"type": "command.shell.exceute"}}, "Did you mean command.shell.execute"),
        ({"operation": {"type": "command.shell.execute", "data": {"comand": "x"}}}, "comand"),
        ({"operation": {"type": "command.shell.execute"}}, "command"),
        ({}, "operation"),
        (7, "object"),
    ],
)
def test_what_cannot_run_is_refused(api: Api, path: str, verify: Any, words: str) -> None:
    body = error(post(api, "*", verify=verify, path=path), 400, words)
    assert list(body["details"]) in (["rollout.verify"], ["rollout"])


def test_its_permission_is_needed_on_all_hosts(api: Api) -> None:
    grants = ("job:*", "agent:read")
    error(post(api, *grants), 403, "shell:execute")
    error(post(api, *grants, "shell:execute@web1"), 403, "web2")
    assert post(api, *grants, "shell:execute@group:web").status_code == 201
    plan = post(api, *grants, path="/job/plan").get_json()
    assert {"permission": "shell:execute", "granted": False} in plan["permissions"]
    secret = {"operation": {"type": "command.shell.execute", "data": {"command": {"$secret": "token"}}}}
    error(post(api, *grants, "shell:execute", verify=secret), 403, "secret:use")


def test_a_retry_keeps_it_and_needs_its_permission(api: Api) -> None:
    job_id = post(api, "*").get_json()["job_id"]
    api.by("*").post(f"/job/{job_id}/cancel")
    error(api.by("job:*", "agent:read").post(f"/job/{job_id}/retry"), 403, "shell:execute")
    again = api.by("*").post(f"/job/{job_id}/retry").get_json()["job_id"]
    assert api.by("*").get(f"/job/{again}").get_json()["rollout"]["terms"] == {"batch": 1, "verify": CHECK}
