"""The rollout on a job's page."""

from __future__ import annotations

import shlex
from dataclasses import replace

import pytest

from jobqueue.model.rollout import Rollout
from jobqueue.model.states import ExecutionState
from tests.unit.api.dashboard.conftest import Page, Send, parse
from tests.unit.api.fakes import FakeServices
from tests.unit.api.native.test_rollouts import ID, OPENED, a_rollout


def test_a_lane_for_each_batch(page: Page, services: FakeServices) -> None:
    services.store[ID] = a_rollout()
    found = page(f"/ui/jobs/{ID}").select_one("#rollout")
    assert found is not None
    rows = [[cell.get_text(strip=True) for cell in row.select("th, td")] for row in found.select("tbody tr")]
    assert [row[:2] for row in rows] == [["1", "ended"], ["2", "running"], ["3", "held"]]
    assert [svg["aria-label"] for svg in found.select("svg")] == [
        "1 completed",
        "1 started, 1 completed",
        "2 submitted",
    ]


@pytest.mark.parametrize(
    ("changes", "buttons"),
    [
        ({}, ["Pause", "Abort"]),
        ({"paused": OPENED}, ["Resume", "Abort"]),
        ({"awaits": OPENED}, ["Approve the next batch", "Pause", "Abort"]),
        ({"rest": ExecutionState.CANCELLED, "stopped": OPENED, "stopped_because": "3 of 5 hosts failed"}, []),
    ],
)
def test_the_buttons(page: Page, services: FakeServices, changes: dict[str, object], buttons: list[str]) -> None:
    services.store[ID] = a_rollout(**changes)
    found = page(f"/ui/jobs/{ID}").select_one("#rollout")
    assert found is not None
    assert [button.get_text() for button in found.select("button")] == buttons
    assert ("Stopped: 3 of 5 hosts failed." in found.get_text()) == ("stopped" in changes)


def test_the_form_submits_terms(send: Send, services: FakeServices) -> None:
    at = "/ui/submit?operation=node.hostname.get"
    terms = {"rollout_canary": "1", "rollout_batch": "10%", "rollout_max_failures": "3", "rollout_spread": "zone"}
    assert send(at, "/ui/submit", target="_all", **terms).status_code == 303
    assert services.submitted[-1].rollout == Rollout(1, "10%", "zone", 3)


CHECK = {"operation": {"type": "command.exec.execute", "data": {"argv": ["true"]}}, "within_seconds": 5}


def test_the_form_submits_a_verification(send: Send, services: FakeServices) -> None:
    fields = {"rollout_verify": "command.exec.execute", "rollout_verify_data": '{"argv": ["true"]}'}
    answer = send(
        "/ui/submit?operation=node.hostname.get",
        "/ui/submit",
        target="_all",
        rollout_batch="1",
        rollout_verify_within="5",
        **fields,
    )
    assert answer.status_code == 303
    assert services.submitted[-1].rollout == Rollout.read({"batch": 1, "verify": CHECK})


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"rollout_verify_data": "{}"}, "rollout_verify"),
        ({"rollout_verify": "x", "rollout_verify_data": "{"}, "rollout_verify_data"),
        ({"rollout_verify": "x", "rollout_verify_data": "[" * 5000}, "rollout_verify_data"),
        ({"rollout_verify": "x", "rollout_verify_data": "[]"}, "rollout_verify"),
        ({"rollout_verify": "x", "rollout_verify_within": "soon"}, "rollout_verify_within"),
        ({"rollout_verify": "x", "rollout_verify_within": "0"}, "rollout_verify"),
    ],
)
def test_a_wrong_verification_is_said_beside_its_field(
    send: Send, services: FakeServices, fields: dict[str, str], place: str
) -> None:
    answer = send("/ui/submit?operation=node.hostname.get", "/ui/submit", target="_all", rollout_batch="1", **fields)
    assert answer.status_code == 400
    assert parse(answer).select_one(f"#o-{place}-problem") is not None
    assert not services.submitted


def test_a_verification_on_the_page_of_the_job(page: Page, services: FakeServices) -> None:
    services.store[ID] = replace(a_rollout(), rollout=Rollout.read({"batch": 1, "verify": CHECK}))
    found = page(f"/ui/jobs/{ID}")
    assert "Verified by command.exec.execute on each host, within 5 s" in found.select_one("#rollout").get_text()
    words = ["--verify", "command.exec.execute", "--verify-data", '{"argv": ["true"]}', "--verify-within", "5s"]
    assert shlex.join(words) in found.get_text()
    form = page(f"/ui/submit?job={ID}")
    given = [form.select_one(f"#o-rollout_{name}")["value"] for name in ("verify", "verify_data", "verify_within")]
    assert given == ["command.exec.execute", '{"argv": ["true"]}', "5"]


def test_a_wrong_term_is_said_beside_its_field(send: Send, services: FakeServices) -> None:
    answer = send("/ui/submit?operation=node.hostname.get", "/ui/submit", target="_all", rollout_batch="101%")
    assert answer.status_code == 400
    assert "100%" in parse(answer).select_one("#o-rollout_batch-problem").get_text()
    assert not services.submitted


def test_running_it_again_keeps_the_terms(page: Page, services: FakeServices) -> None:
    services.store[ID] = a_rollout()
    form = page(f"/ui/submit?job={ID}")
    assert [form.select_one(f"#o-rollout_{name}")["value"] for name in ("canary", "batch", "max_failures")] == [
        "1",
        "2",
        "",
    ]
    assert "--canary 1 --batch 2" in page(f"/ui/jobs/{ID}").get_text()


@pytest.mark.parametrize(
    ("verb", "done", "changes"),
    [
        ("pause", "paused", {}),
        ("resume", "resumed", {"paused": OPENED}),
        ("approve", "approved", {"awaits": OPENED}),
        ("abort", "aborted", {}),
    ],
)
def test_a_button_steers(send: Send, services: FakeServices, verb: str, done: str, changes: dict[str, object]) -> None:
    services.store[ID] = a_rollout(**changes)
    at = f"/ui/jobs/{ID}"
    assert send(at, f"{at}/{verb}").headers["Location"] == f"{at}?done={done}"
    assert services.steered == [(ID, verb, "by admin")]
